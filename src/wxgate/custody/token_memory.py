"""What a node remembers of tokens: served without asking the store, looked at again after a moment.

Memory is trusted for RECHECK; then the row is loaded again, once however many ask. News from other nodes and
changes of our own end the trust at once and wake whoever waits for a change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.custody.records import KeptToken
from wxgate.errors import StorageError
from wxgate.protocol.tokens import Freshness, TokenKey, freshness, renew_at

log = structlog.get_logger("wxgate.tokens")

RECHECK = timedelta(seconds=1)
"""How long memory is trusted before the row is looked at again: another process may drop a token."""

PATIENCE_SECONDS = 2.0
"""How long a silent database is waited for while memory holds a token that is still good."""

USED_EVERY = timedelta(minutes=10)
"""How exactly it is known when a token was last used."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)

REMEMBERED_MOST = 50_000
"""How many tokens are remembered; whatever is put out is loaded again when asked for."""


@dataclass(slots=True)
class _Remembered:
    kept: KeptToken
    looked_at: datetime
    fresh_until: datetime
    use_noted_until: datetime | None


class Watch:
    """Waits for changes of one key; a change between two waits is not missed."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Tell of a change."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a change since the last wait, or until the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()


class TokenMemory:
    """The tokens one node remembers."""

    def __init__(
        self,
        load: Callable[[TokenKey], Awaitable[KeptToken | None]],
        clock: Clock,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._load = load
        self._patience = patience
        self._clock = clock
        self._remembered: dict[TokenKey, _Remembered] = {}
        self._loads: dict[TokenKey, asyncio.Task[KeptToken | None]] = {}
        self._watches: dict[TokenKey, set[Watch]] = {}
        self._used: set[TokenKey] = set()

    def fresh(self, key: TokenKey) -> KeptToken | None:
        """Return a token that is fresh and was looked at a moment ago, and note its use; None otherwise."""
        one = self._remembered.get(key)
        if one is None:
            return None
        now = self._clock.now()
        # A clock set back proves nothing about a look that seems to lie ahead.
        if not one.looked_at <= now < one.fresh_until:
            return None
        if one.use_noted_until is None or now >= one.use_noted_until:
            self._note_use(one, now)
        return one.kept

    async def current(self, key: TokenKey) -> KeptToken | None:
        """Return the token as it stands, from memory if that is recent enough.

        While the database is in trouble, a remembered token serves on as long as it lives.
        """
        one = self._remembered.get(key)
        if one is not None and abs(self._clock.now() - one.looked_at) < RECHECK:
            return one.kept
        task = self._loads.get(key) or self._start_load(key)
        if one is None or self._is_over(one.kept):
            return await asyncio.shield(task)
        try:
            await asyncio.wait({task}, timeout=self._patience)
            if task.done():
                return task.result()
        except StorageError:
            pass
        if self._trust(one):
            log.warning("token.served_from_memory", account=key.account, kind=key.kind)
        return one.kept

    def note_use(self, key: TokenKey) -> None:
        """Note that somebody asked for a token."""
        now = self._clock.now()
        one = self._remembered.get(key)
        if one is None:
            self._used.add(key)
        elif one.use_noted_until is None or now >= one.use_noted_until:
            self._note_use(one, now)

    def take_used(self) -> set[TokenKey]:
        """Return the keys in use that nobody has written down yet."""
        used, self._used = self._used, set()
        return used

    def put_back_used(self, used: set[TokenKey]) -> None:
        """Take back keys that could not be written down."""
        self._used |= used

    def keep(self, kept: KeptToken) -> None:
        """Remember a token as the current one, and wake whoever waits for it."""
        self._loads.pop(kept.key, None)
        self._remember(kept)
        self._wake(kept.key)

    def forget(self, key: TokenKey) -> None:
        """Forget a token, and wake whoever waits for a change of it."""
        # A load under way may still bring what is to be forgotten.
        self._loads.pop(key, None)
        self._remembered.pop(key, None)
        self._wake(key)

    def forget_account(self, issuer: str, account: str) -> None:
        """Forget every kind of token of one issuer for one account."""
        for key in {*self._remembered, *self._loads, *self._watches}:
            if (key.issuer, key.account) == (issuer, account):
                self.forget(key)

    def heard(self, key: TokenKey, version: int) -> None:
        """Take the news that a key has a new version, or none at all (0)."""
        one = self._remembered.get(key)
        if one is None or version == 0 or version > one.kept.version:
            self.forget(key)

    def missed(self) -> None:
        """Take it that something may have changed without our hearing of it: look before trusting again.

        Nothing is forgotten, since news stops when the database goes away, which is when memory must serve.
        """
        self._loads.clear()
        for one in self._remembered.values():
            one.looked_at = one.fresh_until = LONG_AGO
        for key in self._watches:
            self._wake(key)

    @contextmanager
    def watching(self, key: TokenKey) -> Iterator[Watch]:
        """Watch a key for changes that this node makes or hears of."""
        watch = Watch()
        self._watches.setdefault(key, set()).add(watch)
        try:
            yield watch
        finally:
            mine = self._watches[key]
            mine.discard(watch)
            if not mine:
                del self._watches[key]

    def _start_load(self, key: TokenKey) -> asyncio.Task[KeptToken | None]:
        task = asyncio.create_task(self._load_once(key), name=f"load {key.kind} {key.account}")
        self._loads[key] = task
        # Whoever waited has heard of a failure; where nobody waits any more, nobody needs to.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return task

    async def _load_once(self, key: TokenKey) -> KeptToken | None:
        mine = asyncio.current_task()
        try:
            kept = await self._load(key)
            if self._loads.get(key) is mine:
                if kept is None:
                    self._remembered.pop(key, None)
                else:
                    self._remember(kept)
            return kept
        finally:
            if self._loads.get(key) is mine:
                del self._loads[key]

    def _remember(self, kept: KeptToken) -> None:
        before = self._remembered.get(kept.key)
        if before is None and len(self._remembered) >= REMEMBERED_MOST:
            del self._remembered[next(iter(self._remembered))]
        now = self._clock.now()
        one = _Remembered(kept, now - RECHECK, now, before.use_noted_until if before else None)
        self._trust(one)
        self._remembered[kept.key] = one

    def _trust(self, one: _Remembered) -> bool:
        """Trust what is remembered for a moment more; return whether nobody had just done so."""
        now = self._clock.now()
        if abs(now - one.looked_at) < RECHECK:
            return False
        one.looked_at = now
        one.fresh_until = min(now + RECHECK, _renew_at(one.kept))
        return True

    def _note_use(self, one: _Remembered, now: datetime) -> None:
        one.use_noted_until = now + USED_EVERY
        self._used.add(one.kept.key)

    def _is_over(self, kept: KeptToken) -> bool:
        return freshness(kept.fetched_at, kept.expires_at, self._clock.now()) is Freshness.EXPIRED

    def _wake(self, key: TokenKey) -> None:
        for watch in self._watches.get(key, ()):
            watch.wake()


def _renew_at(kept: KeptToken) -> datetime:
    return renew_at(kept.fetched_at, kept.expires_at, kept.key.kind)
