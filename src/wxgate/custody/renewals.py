"""Renews tokens ahead of need: takes what is due from the database and has a few renewed at a time.

What one node takes is put off for the others, so that they take something else; should that node die, it is
due again a minute later. Whoever renews the same token all the same is stopped by its lease.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.planner import plan
from wxgate.custody.ports import TokenStore
from wxgate.custody.records import KeptToken
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.renewals")

TICK_SECONDS = 2.0
"""How often a node looks for something due; each time a quarter more or less, so that nodes drift apart."""

PAGE = 200
"""How many due rows are looked at together."""

PAGES_MOST = 50
"""How many pages one look goes through: after a pause of all nodes there may be many to park."""

TAKEN_FOR = timedelta(minutes=1)
"""For how long what a node has taken is nobody else's business."""


class RenewalsListener(Protocol):
    """Hears of plans, for metrics."""

    def planned(self, decision: str, count: int) -> None:
        """Note how many due tokens are to be renewed or parked."""


class Renewals:
    """The planner's runner on one node."""

    def __init__(
        self,
        store: TokenStore,
        keeper: TokenKeeper,
        clock: Clock,
        *,
        window: timedelta,
        at_once: int,
        random: Callable[[], float],
        listener: RenewalsListener,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._window = window
        self._at_once = at_once
        self._random = random
        self._listener = listener
        self._running: set[asyncio.Task[KeptToken | None]] = set()

    async def tick(self) -> bool:
        """Begin the renewals that are due as far as there is room; return whether more are."""
        for _ in range(PAGES_MOST):
            now = self._clock.now()
            room = self._at_once - len(self._running)
            if room <= 0:
                return True
            decided = await self._store.take_due(
                partial(plan, now=now, window=self._window, room=room),
                now=now,
                limit=PAGE,
                until=now + TAKEN_FOR,
            )
            self._listener.planned("renew", len(decided.renew))
            self._listener.planned("park", len(decided.park))
            for row in decided.renew:
                if (task := self._keeper.renew_ahead(row.key, row.version)) is not None:
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
            if decided.later:
                return True
            if len(decided.renew) + len(decided.park) < PAGE:
                return False
        return True

    async def run(self) -> None:
        """Look again and again until cancelled; renewals under way go on."""
        while True:
            backlog = False
            try:
                backlog = await self.tick()
            except Exception as error:
                log.exception("renewals.look_failed", exc_info=False, exception=trace_of(error))
            pause = TICK_SECONDS * (0.75 + self._random() / 2)
            if backlog and self._running:
                await asyncio.wait(self._running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                # Others end about now, too; one look serves for all of them.
                pause = TICK_SECONDS / 40
            await asyncio.sleep(pause)
