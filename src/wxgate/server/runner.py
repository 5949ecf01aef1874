"""What a node does unasked: keeps component tokens fresh, resumes jobs, takes over from the dead."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from wxgate.clock import Clock
from wxgate.custody.accounts import Accounts
from wxgate.custody.audit import Audit
from wxgate.custody.exchanges import Exchanges
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.key_uses import KeyUses
from wxgate.custody.late_tickets import LateTickets
from wxgate.custody.reconciling import Reconciler
from wxgate.custody.renewals import Renewals
from wxgate.custody.sources import component_key
from wxgate.errors import GatewayError
from wxgate.events.code_audits import CodeAudits
from wxgate.events.customer_service import CustomerService
from wxgate.events.handling import Subject
from wxgate.events.notices import parse_notice
from wxgate.events.reception import Reception
from wxgate.events.records import Event, EventKind
from wxgate.events.release_testing import ReleaseTesting
from wxgate.events.retention import Keeper
from wxgate.login.upkeep import LoginUpkeep
from wxgate.protocol.messages import parse_message
from wxgate.protocol.pushes import parse_component_event
from wxgate.secret import trace_of
from wxgate.server.delivering import Delivering
from wxgate.server.follow import FollowedClock
from wxgate.store import Store
from wxgate.store.keys import Keys

log = structlog.get_logger("wxgate.runner")

TICK_SECONDS = 2.0
"""How often a node looks for something to do."""

KEY_TICKS = 5
"""Every how many ticks a node tells which sealing keys it has."""

TICKET_TICKS = 15
"""Every how many ticks the age of every ticket is looked at."""

INFO_TICKS = 30
"""Every how many ticks accounts without information are asked after, and old audit lines dropped."""

RETENTION_TICKS = 150
"""Every how many ticks what is kept no longer is deleted."""


class Runner:
    """Runs the node's background work; one trouble never stops the rest."""

    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        keeper: TokenKeeper,
        exchanges: Exchanges,
        accounts: Accounts,
        reception: Reception,
        customer_service: CustomerService,
        audit: Audit,
        renewals: Renewals,
        late_tickets: LateTickets,
        release_testing: ReleaseTesting,
        reconciler: Reconciler,
        key_uses: KeyUses,
        code_audits: CodeAudits,
        delivering: Delivering,
        retention: Keeper,
        login: LoginUpkeep,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._keeper = keeper
        self._exchanges = exchanges
        self._accounts = accounts
        self._reception = reception
        self._customer_service = customer_service
        self._audit = audit
        self._renewals = renewals
        self._late_tickets = late_tickets
        self._release_testing = release_testing
        self._reconciler = reconciler
        self._key_uses = key_uses
        self._code_audits = code_audits
        self._delivering = delivering
        self._retention = retention
        self._login = login
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._slow: dict[str, asyncio.Task[None]] = {}
        self._ticks = 0

    def start(self) -> None:
        """Start the background work."""
        self._tasks.append(asyncio.create_task(self._run(), name="runner"))
        self._tasks.append(asyncio.create_task(self._renewals.run(), name="renewals"))
        self._tasks.append(asyncio.create_task(self._reconciler.run(), name="reconciler"))
        self._tasks.append(asyncio.create_task(self._delivering.deliverer.run(), name="deliverer"))
        listening = self._store.wakeups.listen(self._keeper.heard, self._keeper.missed)
        self._tasks.append(asyncio.create_task(listening, name="wakeups"))
        if isinstance(self._clock, FollowedClock):
            self._tasks.append(asyncio.create_task(self._clock.run(), name="followed clock"))

    async def stop(self) -> None:
        """Stop the background work; jobs it started go on."""
        tasks = [*self._tasks, *self._slow.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._tasks:
            with contextlib.suppress(GatewayError):
                await self._keys.leave()
        self._tasks.clear()
        self._slow.clear()

    async def tick(self) -> None:
        """Look once for everything there is to do; what may take long is begun, and not waited for."""
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            self._tend_components,
            self._delivering.subscribers.refresh,
            self._exchanges.sweep,
            lambda: self._reception.sweep(revive),
            self._customer_service.sweep,
        )
        if self._ticks % TICKET_TICKS == 0:
            self._begin("late tickets", self._late_tickets.sweep)
        if self._ticks % KEY_TICKS == 0:
            steps += (self._keys.tell, self._release_testing.sweep)
        if self._ticks % INFO_TICKS == 0:
            self._begin("account information", self._accounts.complete)
            self._begin("old audit lines", self._audit.prune)
            # No stream may have been open for long; then the next would have much to number.
            self._begin("positions", self._store.event_log.newest_position)
            self._begin("audits of code", self._code_audits.sweep)
            self._begin("old claims of messages", self._reception.forget_claims)
            self._begin("outcomes of logins", self._login.forget_outcomes)
            steps += (self._keeper.note_uses, self._key_uses.write)
        if self._ticks % RETENTION_TICKS == 0:
            self._begin("retention", self._retention.tend)
            self._begin("old logins", self._login.tend)
            self._begin("signing keys", self._login.turn_keys)
        self._ticks += 1
        for step in steps:
            await _quietly(step)

    def _begin(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Begin what waits for WeChat or for much work, unless it is still at it since the last time."""
        task = self._slow.get(name)
        if task is None or task.done():
            self._slow[name] = asyncio.create_task(_quietly(step), name=name)

    async def _run(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _tend_components(self) -> None:
        for platform in await self._store.platforms.list_platforms():
            if await self._store.tickets.newest(platform.appid, 1):
                await self._keeper.tend(component_key(platform.appid))


async def _quietly(step: Callable[[], Awaitable[object]]) -> None:
    try:
        await step()
    except Exception as error:
        log.exception("runner.step_failed", exc_info=False, exception=trace_of(error))


def revive(event: Event) -> Subject:
    """Make the message, component event or notice of a record again."""
    if event.kind is EventKind.GATEWAY:
        return parse_notice(event.name, event.issuer, event.appid, event.created_at, event.fields)
    if event.kind is EventKind.COMPONENT:
        return parse_component_event(event.fields, received_at=event.created_at)
    return parse_message(event.fields)
