"""What is believed for a short while: loaded once however many ask, and loaded again when it has aged.

While the database is away, what was known goes on being believed for some minutes: whoever reads tokens out
of memory need not notice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog

from wxgate.clock import Clock
from wxgate.errors import StorageError

log = structlog.get_logger("wxgate.memory")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_REMEMBERED = 10_000

BRIDGED = timedelta(minutes=5)
"""For how long a database that is away is bridged over."""


class Memory(Generic[K, V]):
    """Values by key, with when they were looked at and when they were loaded.

    Past `most` keys the one that was looked at longest ago is forgotten.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        clock: Clock,
        *,
        trusted: timedelta,
        most: int = MOST_REMEMBERED,
    ) -> None:
        self._load = load
        self._clock = clock
        self._trusted = trusted
        self._most = most
        self._values: dict[K, tuple[V, datetime, datetime]] = {}
        self._loading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """Return a value, from memory while it is trusted."""
        remembered = self._values.get(key)
        if remembered is not None and abs(self._clock.now() - remembered[1]) < self._trusted:
            return remembered[0]
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._reload(key), name=f"load {key}")
            task.add_done_callback(lambda done: self._loaded(key, done))
        # Shielded: a caller that goes away must not take the others' answer along.
        return await asyncio.shield(task)

    def holds(self, key: K) -> bool:
        """Tell whether the key was looked up lately, trusted still or not."""
        return key in self._values

    def forget(self, key: K) -> None:
        """Look the key up again the next time."""
        self._values.pop(key, None)

    async def _reload(self, key: K) -> V:
        asked_at = loaded_at = self._clock.now()
        try:
            value = await self._load(key)
        except StorageError as error:
            known = self._values.get(key)
            if error.refused or known is None or abs(asked_at - known[2]) > BRIDGED:
                raise
            value, loaded_at = known[0], known[2]
            log.warning("memory.bridges", since=loaded_at.isoformat(), error=str(error))
        self._values.pop(key, None)
        self._values[key] = (value, asked_at, loaded_at)
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]
        return value

    def _loaded(self, key: K, done: asyncio.Task[V]) -> None:
        del self._loading[key]
        if not done.cancelled():
            done.exception()  # every caller may have gone away
