"""What a node does unasked: keeps component tokens fresh, resumes jobs, takes over from the dead."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from wxgate.clock import Clock
from wxgate.custody.accounts import Accounts
from wxgate.custody.exchanges import Exchanges
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.records import AuthorizationFilter, AuthorizationState
from wxgate.custody.sources import component_key
from wxgate.events.reception import Reception, Subject
from wxgate.events.records import Event, EventKind
from wxgate.protocol.messages import parse_message
from wxgate.protocol.pushes import parse_component_event
from wxgate.server.follow import FollowedClock
from wxgate.store import Store

log = structlog.get_logger("wxgate.runner")

TICK_SECONDS = 2.0
"""How often a node looks for something to do."""

INFO_TICKS = 30
"""Every how many ticks accounts without information are asked after."""


class Runner:
    """Runs the node's background work; one trouble never stops the rest."""

    def __init__(
        self,
        *,
        store: Store,
        keeper: TokenKeeper,
        exchanges: Exchanges,
        accounts: Accounts,
        reception: Reception,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._exchanges = exchanges
        self._accounts = accounts
        self._reception = reception
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._ticks = 0

    def start(self) -> None:
        """Start the background work."""
        self._tasks.append(asyncio.create_task(self._run(), name="runner"))
        if isinstance(self._clock, FollowedClock):
            self._tasks.append(asyncio.create_task(self._clock.run(), name="followed clock"))

    async def stop(self) -> None:
        """Stop the background work; jobs it started go on."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    async def tick(self) -> None:
        """Look once for everything there is to do."""
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            self._tend_components,
            self._exchanges.sweep,
            lambda: self._reception.sweep(revive),
        )
        if self._ticks % INFO_TICKS == 0:
            steps += (self._complete_accounts,)
        self._ticks += 1
        for step in steps:
            try:
                await step()
            except Exception:
                log.exception("runner.step_failed")

    async def _run(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _tend_components(self) -> None:
        for platform in await self._store.platforms.list_platforms():
            if await self._store.tickets.newest(platform.appid, 1):
                await self._keeper.tend(component_key(platform.appid))

    async def _complete_accounts(self) -> None:
        active = AuthorizationFilter(states=frozenset({AuthorizationState.ACTIVE}))
        known = {info.appid for info in await self._store.accounts.list()}
        for authorization in await self._store.authorizations.find(active):
            if authorization.appid not in known:
                await self._accounts.refresh_quietly(authorization.platform, authorization.appid)


def revive(event: Event) -> Subject:
    """Make the message or component event of a record again."""
    if event.kind is EventKind.COMPONENT:
        return parse_component_event(event.fields)
    return parse_message(event.fields)
