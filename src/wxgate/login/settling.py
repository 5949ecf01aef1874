"""What is seen through to its end, even if whoever asked hangs up meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.login")

T = TypeVar("T")


class Settling:
    """Keeps what has begun and must not be left half done: what it spends is had once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    async def see_through(self, settling: Coroutine[Any, Any, T]) -> T:
        """Run to the end, and return what comes of it to whoever still waits."""
        task = asyncio.create_task(settling, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._settled)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is being settled."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("login.not_settled", exception=trace_of(fault))
