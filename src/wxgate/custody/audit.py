"""The audit log: who read what, written in groups and off the hot path.

What a key does the same way again within a moment is one line with a count. Lines are written every half
second and when the gateway closes; where the database falls behind, answers wait for it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.custody.clients import AuditLine
from wxgate.custody.ports import AuditStore
from wxgate.errors import StorageError

log = structlog.get_logger("wxgate.audit")

GROUP_SECONDS = 0.5
"""How long lines are collected: what a crash may cost."""

RETRY_SECONDS = 1.0

MOST_WAITING = 5000
"""Different lines that may wait; then answers do."""

CLOSING_TRIES = 3

PRUNE_MOST = 5000
"""Lines dropped at once, so that no transaction is long."""

PRUNE_ROUNDS = 100
PRUNE_PAUSE = 0.02
"""How often that is repeated while there is more, and how many seconds others have the database between."""

_Same = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class _Times:
    """When the same was done first and last, and how often."""

    first_at: datetime
    last_at: datetime
    count: int


class Audit:
    """Collects lines and writes them."""

    def __init__(self, store: AuditStore, clock: Clock, *, keep: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._waiting: dict[_Same, _Times] = {}
        self._writing = 0
        self._room = asyncio.Event()
        self._room.set()
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def note(
        self, client: str, action: str, *, issuer: str = "", account: str = "", ip: str = "", outcome: str
    ) -> None:
        """Note what a client did; wait only where too many lines wait to be written."""
        same = (client, action, issuer, account, ip, outcome)
        now = self._clock.now()
        known = self._waiting.get(same)
        while known is None and len(self._waiting) + self._writing >= MOST_WAITING:
            self._room.clear()
            self._hurry.set()
            await self._room.wait()
            known = self._waiting.get(same)
        if known is None:
            self._waiting[same] = _Times(now, now, 1)
        else:
            known.last_at = now
            known.count += 1
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon(), name="audit")

    async def flush(self) -> None:
        """Return when everything noted so far is written, or cannot be."""
        while self._writer is not None:
            self._hurry.set()
            await asyncio.wait([self._writer])

    async def close(self) -> None:
        """Write what is waiting; what the database does not take in a few tries is lost, and said so."""
        for _ in range(CLOSING_TRIES):
            if self._writer is None:
                return
            self._hurry.set()
            await asyncio.wait([self._writer], timeout=2 * RETRY_SECONDS)
        if self._writer is not None:
            self._writer.cancel()
            log.error("audit.lost", lines=len(self._waiting) + self._writing)

    async def prune(self) -> int:
        """Drop lines past the time they are kept; return how many."""
        before, dropped = self._clock.now() - self._keep, 0
        for _ in range(PRUNE_ROUNDS):
            some = await self._store.prune(before=before, most=PRUNE_MOST)
            dropped += some
            if some < PRUNE_MOST:
                break
            await asyncio.sleep(PRUNE_PAUSE)
        return dropped

    async def _write_soon(self) -> None:
        try:
            while self._waiting:
                await self._pause(GROUP_SECONDS)
                waiting, self._waiting = self._waiting, {}
                lines = [
                    AuditLine(times.first_at, times.last_at, *same, times.count)
                    for same, times in waiting.items()
                ]
                self._writing = len(lines)
                await self._write(lines)
                self._writing = 0
                self._room.set()
        finally:
            self._writer = None

    async def _write(self, lines: Sequence[AuditLine]) -> None:
        while True:
            try:
                await self._store.write(lines)
            except StorageError as error:
                if error.refused:
                    await self._write_each(lines)
                    return
                log.warning("audit.waits", lines=len(lines), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _write_each(self, lines: Sequence[AuditLine]) -> None:
        """Write one by one what the database did not take together: one line must not cost the others."""
        if len(lines) == 1:
            log.error("audit.refused", client=lines[0].client, action=lines[0].action)
            return
        for line in lines:
            await self._write([line])

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()
