"""Late tickets: WeChat is asked to push again when tickets stay away, and people are told.

    good ──25 min──> late: a warning, and api_start_push_ticket
                      └──60 min──> alarm: an error, asked again ever more rarely
    missing, ten minutes after the platform was added: asked as well, which starts the pushes

The nodes share one memory of when WeChat was last asked, so that it is asked once however many there are.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from wxgate.client.component import ComponentApi
from wxgate.clock import Clock
from wxgate.custody.ports import PlatformStore, TicketStore
from wxgate.custody.records import Platform
from wxgate.custody.tickets import PUSHED_EVERY, TicketAge, TicketHealth, Tickets
from wxgate.errors import GatewayError

log = structlog.get_logger("wxgate.tickets")

FIRST_WAIT = PUSHED_EVERY
LONGEST_WAIT = timedelta(hours=2)
"""How long after one request the next may follow: the pushes it starts come every ten minutes."""


class LateTickets:
    """Looks after tickets that do not come."""

    def __init__(
        self,
        store: TicketStore,
        platforms: PlatformStore,
        tickets: Tickets,
        component: ComponentApi,
        clock: Clock,
        *,
        on_request: Callable[[str, str], None] = lambda platform, result: None,
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._tickets = tickets
        self._component = component
        self._clock = clock
        self._on_request = on_request
        self._told: dict[str, TicketHealth] = {}

    async def sweep(self) -> None:
        """Look at the ticket of every platform once."""
        # Read from the store: what the registry remembers of a secret may be what an operator just mended.
        for platform in await self._platforms.list_platforms():
            age = await self._tickets.age(platform.appid)
            if age.health is TicketHealth.MISSING and not self._is_settled(platform):
                continue
            self._tell(age)
            if age.health is TicketHealth.GOOD:
                if (await self._store.requests(platform.appid)).count:
                    await self._store.end_requests(platform.appid)
            else:
                await self._ask(platform)

    def _is_settled(self, platform: Platform) -> bool:
        return self._clock.now() - platform.created_at >= PUSHED_EVERY

    async def _ask(self, platform: Platform) -> None:
        """Ask WeChat for pushes, unless it was asked lately, by whichever node."""
        if not platform.secret.reveal():
            return
        asked, now = await self._store.requests(platform.appid), self._clock.now()
        wait = min(FIRST_WAIT * 2 ** min(asked.count, 10), LONGEST_WAIT)
        # A moment further away than any wait was set by another clock, and counts for nothing.
        if asked.not_before is not None and now < asked.not_before <= now + 2 * LONGEST_WAIT:
            return
        if not await self._store.note_request(platform.appid, asked, not_before=now + wait):
            return
        try:
            await self._component.start_push_ticket(platform.appid, platform.secret)
        except GatewayError as error:
            self._on_request(platform.appid, type(error).__name__)
            log.warning("ticket.request_failed", platform=platform.appid, error=str(error))
        else:
            self._on_request(platform.appid, "asked")
            log.info("ticket.requested", platform=platform.appid, before=asked.count)

    def _tell(self, age: TicketAge) -> None:
        """Log a change of health, once."""
        before = self._told.get(age.platform, TicketHealth.GOOD)
        self._told[age.platform] = age.health
        if age.health is before:
            return
        minutes = None if age.age is None else round(age.age.total_seconds() / 60)
        match age.health:
            case TicketHealth.GOOD:
                log.info("ticket.back", platform=age.platform, before=before)
            case TicketHealth.MISSING:
                log.warning("ticket.missing", platform=age.platform)
            case TicketHealth.LATE:
                log.warning("ticket.late", platform=age.platform, minutes=minutes)
            case TicketHealth.ALARM | TicketHealth.EXPIRED:
                log.error("ticket.alarm", platform=age.platform, minutes=minutes, health=age.health)
