"""The push log: one line for every push, written in groups and off the push's way.

    push ──line──> waiting ──every half second, or 500──> store
             └──refused again within a minute──> counted ──when the minute is over──> waiting

The first refusal of its kind is written at once, since somebody may be looking for it; those that follow
within a minute become one line with a count. Of different refusals, by receiver, account, source and verdict,
so many are told apart in a minute; what is beyond shares a line, so that no stranger fills the log.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.errors import StorageError
from wxgate.events.ports import PushLog
from wxgate.events.records import PushLine

log = structlog.get_logger("wxgate.push_log")

GROUP_SECONDS = 0.5
"""How long lines are collected: what a crash may cost."""

GROUP_LINES = 500

MOST_WAITING = 10_000
"""Lines that may wait while the database is away; what comes then is counted and dropped."""

SAME_WITHIN = timedelta(minutes=1)

MOST_COUNTED = 100
"""Different refusals that are counted at one time; what comes then is counted together."""

RETRY_SECONDS = 1.0
CLOSING_SECONDS = 3.0

_Key: TypeAlias = tuple[str, str, str, str]


class PushRecorder:
    """Collects lines and writes them."""

    def __init__(
        self,
        store: PushLog,
        clock: Clock,
        *,
        on_dropped: Callable[[int], object] = lambda count: None,
        most_waiting: int = MOST_WAITING,
        most_counted: int = MOST_COUNTED,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_dropped = on_dropped
        self._most_waiting = most_waiting
        self._most_counted = most_counted
        self._waiting: list[PushLine] = []
        # When the first of a refusal was written, and the line that counts those since.
        self._counted: dict[_Key, tuple[datetime, PushLine | None]] = {}
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def note(self, line: PushLine) -> None:
        """Take a line; a push never waits for it."""
        if line.answer in ("refused", "unavailable"):
            self._count(line)
        else:
            self._put(line)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon(), name="push log")

    async def flush(self) -> None:
        """Return when everything noted so far is written; counts are written as they are."""
        self._settle(everything=True)
        while self._writer is not None:
            self._hurry.set()
            await asyncio.wait([self._writer])

    async def close(self) -> None:
        """Write what is waiting; what the database does not take in a moment is lost, and said so."""
        self._settle(everything=True)
        if self._writer is None:
            return
        self._hurry.set()
        await asyncio.wait([self._writer], timeout=CLOSING_SECONDS)
        if self._writer is not None:
            self._writer.cancel()
            log.error("push_log.lost", lines=len(self._waiting))

    def _put(self, line: PushLine) -> None:
        if len(self._waiting) >= self._most_waiting:
            self._on_dropped(line.count)
            return
        self._waiting.append(line)
        if len(self._waiting) >= GROUP_LINES:
            self._hurry.set()

    def _count(self, line: PushLine) -> None:
        key = (line.receiver, line.appid, line.source_ip, line.verdict)
        if key not in self._counted and len(self._counted) >= self._most_counted:
            # Of so many different strangers only how many there were is worth a line.
            line = replace(line, receiver="", appid="", source_ip="", explanation="")
            key = ("", "", "", line.verdict)
        since, counted = self._counted.get(key, (None, None))
        if since is not None and not since <= line.at < since + SAME_WITHIN:
            self._settle_one(key)
            since = None
        if since is None:
            self._counted[key] = (line.at, None)
            self._put(line)
        elif counted is None:
            self._counted[key] = (since, line)
        else:
            self._counted[key] = (since, replace(counted, count=counted.count + line.count))

    def _settle(self, *, everything: bool) -> None:
        """Put in line what was counted, where its minute is over."""
        now = self._clock.now()
        for key, (since, _) in list(self._counted.items()):
            if everything or not since <= now < since + SAME_WITHIN:
                self._settle_one(key)

    def _settle_one(self, key: _Key) -> None:
        _, counted = self._counted.pop(key)
        if counted is not None:
            self._put(counted)

    async def _write_soon(self) -> None:
        """Write while there is something to write or to count; the clock of the counts may be a test's."""
        try:
            while self._waiting or self._counted:
                await self._pause()
                self._settle(everything=False)
                while self._waiting:
                    lines, self._waiting = self._waiting[:GROUP_LINES], self._waiting[GROUP_LINES:]
                    await self._write(lines)
        finally:
            self._writer = None

    async def _write(self, lines: Sequence[PushLine]) -> None:
        try:
            await self._store.add(lines)
        except StorageError as error:
            if error.refused:
                await self._write_each(lines)
                return
            self._waiting[:0] = lines
            log.warning("push_log.waits", lines=len(self._waiting), error=str(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _write_each(self, lines: Sequence[PushLine]) -> None:
        """Write one by one what the database did not take together: one line must not cost the others."""
        if len(lines) == 1:
            log.error("push_log.refused", receiver=lines[0].receiver, verdict=lines[0].verdict)
            return
        for line in lines:
            await self._write([line])

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(GROUP_SECONDS):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()
