"""Tickets: kept durably before they are acknowledged, at least twelve hours, the last and the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.clock import Clock
from wxgate.custody.ports import TicketStore
from wxgate.custody.records import KeptTicket
from wxgate.errors import TicketMissing
from wxgate.protocol.pushes import VerifyTicket

LIFETIME = timedelta(hours=12)
"""How long WeChat honours a ticket."""

PUSHED_EVERY = timedelta(minutes=10)

WARN_AFTER = timedelta(minutes=25)
"""Two pushes and some slack have been missed."""

ALARM_AFTER = timedelta(minutes=60)


class TicketHealth(StrEnum):
    """How a platform's ticket stands."""

    MISSING = "missing"
    GOOD = "good"
    LATE = "late"
    ALARM = "alarm"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class TicketAge:
    """The age of a platform's newest ticket, as shown to people and probes."""

    platform: str
    health: TicketHealth
    pushed_at: datetime | None
    age: timedelta | None


def judge(pushed_at: datetime | None, now: datetime) -> TicketHealth:
    """Judge a ticket by its age."""
    if pushed_at is None:
        return TicketHealth.MISSING
    limits = (
        (LIFETIME, TicketHealth.EXPIRED),
        (ALARM_AFTER, TicketHealth.ALARM),
        (WARN_AFTER, TicketHealth.LATE),
    )
    age = now - pushed_at
    return next((health for limit, health in limits if age >= limit), TicketHealth.GOOD)


class Tickets:
    """The tickets of all platforms."""

    def __init__(self, store: TicketStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def accept(self, event: VerifyTicket) -> KeptTicket:
        """Keep a pushed ticket; when this returns it is durable and may be acknowledged."""
        now = self._clock.now()
        kept = KeptTicket(
            event.platform, event.ticket, datetime.fromtimestamp(event.created_at, now.tzinfo), now
        )
        await self._store.keep(kept, prune_before=now - 2 * LIFETIME)
        return kept

    async def usable(self, platform: str) -> Sequence[KeptTicket]:
        """Load the tickets worth trying, newest first; raise TicketMissing when there is none.

        An expired one is still tried when it is all there is: WeChat's answer is better evidence than our
        clock.
        """
        tickets = await self._store.newest(platform)
        if not tickets:
            raise TicketMissing(
                f"platform {platform} has not received a component_verify_ticket yet. WeChat pushes one "
                f"every ten minutes; is the 授权事件接收URL /wechat/{platform}/events, and reachable?"
            )
        return tickets

    async def age(self, platform: str) -> TicketAge:
        """Tell how old the newest ticket is."""
        now = self._clock.now()
        newest = await self._store.newest(platform, 1)
        pushed_at = newest[0].pushed_at if newest else None
        return TicketAge(platform, judge(pushed_at, now), pushed_at, now - pushed_at if pushed_at else None)
