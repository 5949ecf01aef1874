"""The feed: one reading of the event log for all streams of a node.

    log ──poll, or at once when this node records──> recent events ──> any number of streams
     └──────────────── streams that are further behind read pages ──────────^

A stream is a position and nothing else: one that reads slowly holds no events, it falls behind and reads from
the log like one that comes back after a cut.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence

import structlog

from wxgate.errors import GatewayError
from wxgate.events.ports import EventLog
from wxgate.events.records import Event
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.feed")

POLL_SECONDS = 1.0
"""How often other nodes' events are looked for."""

GATHER_SECONDS = 0.02
"""What is recorded within this time is read together."""

PAGE = 50
"""The most events read at once."""

RECENT = 1000
RECENT_BYTES = 16 * 1024 * 1024
"""What is remembered for streams that are up to date."""


class Feed:
    """Reads the event log while anybody wants to know."""

    def __init__(self, log: EventLog, *, poll_seconds: float = POLL_SECONDS, recent: int = RECENT) -> None:
        self._log = log
        self._most_recent = recent
        self._poll_seconds = poll_seconds
        self._readers = 0
        self._poller: asyncio.Task[None] | None = None
        self._recent: deque[Event] = deque()
        self._bytes = 0
        # Every event behind `_floor` and not behind `_seen` is in `_recent`; None: nobody has looked yet.
        self._floor = 0
        self._seen: int | None = None
        self._news = asyncio.Event()
        self._kicked = asyncio.Event()
        self.ended = False

    def kick(self) -> None:
        """Look at once: this node has recorded something."""
        self._kicked.set()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Keep the feed going for one stream; without any the log is left in peace."""
        self._readers += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll(), name="event feed")
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                await self._stop()

    async def newest(self) -> int:
        """Return the position after which nothing has happened yet."""
        return await self._log.newest_position()

    async def after(self, position: int, *, seconds: float) -> Sequence[Event]:
        """List the events behind a position, at most a page; wait for one if there is none.

        Returns an empty list when nothing came within `seconds`, or at once when the feed has `ended`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self.ended:
            news = self._news
            if self._seen is not None:
                if position < self._floor:
                    return await self._log.after(position, limit=PAGE)
                if position < self._seen:
                    return self._remembered(position)
            try:
                async with asyncio.timeout_at(until):
                    await news.wait()
            except TimeoutError:
                break
        return ()

    async def close(self) -> None:
        """End every stream at once."""
        self.end()
        await self._stop()

    def end(self) -> None:
        """Let every stream end, before the server waits for the requests under way."""
        self.ended = True
        self._news.set()

    async def _stop(self) -> None:
        poller, self._poller = self._poller, None
        self._recent.clear()
        self._bytes, self._floor, self._seen = 0, 0, None
        if poller is not None:
            poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poller

    async def _poll(self) -> None:
        while True:
            self._kicked.clear()
            more = False
            try:
                more = await self._look()
            except GatewayError as trouble:
                log.warning("feed.not_read", error=str(trouble))
            except Exception as error:
                log.exception("feed.failed", exc_info=False, exception=trace_of(error))
            if not more:
                await self._pause()

    async def _look(self) -> bool:
        """Read what is new; return whether there may be more."""
        if self._seen is None:
            self._floor = self._seen = await self._log.newest_position()
            self._tell()
            return True
        found = await self._log.after(self._seen, limit=PAGE)
        if found:
            self._remember(found)
            self._tell()
        return len(found) == PAGE

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._kicked.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    def _remember(self, found: Sequence[Event]) -> None:
        for event in found:
            self._recent.append(event)
            self._bytes += event.size
        self._seen = _position(found[-1])
        while len(self._recent) > self._most_recent or self._bytes > RECENT_BYTES:
            oldest = self._recent.popleft()
            self._bytes -= oldest.size
            self._floor = _position(oldest)

    def _remembered(self, position: int) -> Sequence[Event]:
        page: list[Event] = []
        for event in reversed(self._recent):
            if _position(event) <= position:
                break
            page.append(event)
        page.reverse()
        return page[:PAGE]

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _position(event: Event) -> int:
    assert event.position is not None  # the log gives one to whatever it lists
    return event.position
