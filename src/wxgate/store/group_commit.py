"""Group commit: what arrives while one transaction is being synced to disk goes into the next, together.

An item whose values the database refuses fails alone; trouble with the database itself fails the group.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from wxgate.errors import StorageError

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Collects items and commits them in groups; a lone item is committed at once."""

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int = 200
    ) -> None:
        self._commit = commit
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the result of an item after the commit of its group."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="group commit")
        return await future

    async def drain(self) -> None:
        """Wait until everything submitted is committed."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    async def _flush(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._commit_group(group)
        finally:
            self._flusher = None

    async def _commit_group(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - every caller of the group must hear of it, whatever it was
            if len(group) > 1 and _is_refusal(error):
                for one in group:
                    await self._commit_group([one])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():  # a caller that went away does not take the others with it
                future.set_result(result)


def _is_refusal(error: Exception) -> bool:
    """Tell whether the values were not taken, in which case one item must not fail the others.

    After a lost connection nobody knows what was committed, so nothing is tried again.
    """
    if isinstance(error, StorageError):
        return error.refused
    return isinstance(error, (ValueError, OverflowError))
