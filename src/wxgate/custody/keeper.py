"""The keeper of tokens: from memory while fresh, renewed ahead of need, fetched once however many wait.

    FRESH    serve                       DUE      serve, and renew in the background
    EXPIRED  renew, and wait for it      REJECTED (by proof) drop that version, renew, and wait

A renewal runs under a lease with a fence in the shared store. Whoever loses the race for the lease waits
for the winner's token; a winner that was overtaken (its lease ran out, or the token was dropped meanwhile)
writes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from wxgate.clock import Clock
from wxgate.custody.ports import TokenStore
from wxgate.custody.records import FetchedToken, KeptToken
from wxgate.errors import GatewayError, TokenRejected, UpstreamError
from wxgate.protocol.tokens import Freshness, TokenKey, freshness
from wxgate.secret import AccessToken, equal

T = TypeVar("T")

log = structlog.get_logger("wxgate.tokens")

LEASE = timedelta(seconds=15)
"""How long one fetch may take before another may try: longer than the transport waits for an answer."""

RECHECK = timedelta(seconds=1)
"""How long memory is trusted before the row is looked at again: another process may drop a token."""

POLL_SECONDS = 0.1
"""How often a loser of the lease looks whether the winner is done."""

ATTEMPTS = 3
"""How often a renewal starts over after being overtaken."""

BACKOFF = timedelta(seconds=5)
BACKOFF_MOST = timedelta(minutes=5)


class TokenSource(Protocol):
    """Fetches tokens from WeChat."""

    async def fetch(self, key: TokenKey) -> FetchedToken:
        """Fetch a new token for this key; whatever came with it is durable when this returns."""
        ...


class KeeperListener(Protocol):
    """Hears of renewals, for metrics."""

    def renewed(self, key: TokenKey) -> None:
        """Note a renewal that was written."""

    def renewal_failed(self, key: TokenKey, error: GatewayError) -> None:
        """Note a renewal that failed."""


@dataclass(slots=True)
class _Trouble:
    """The last failures of one background renewal."""

    count: int
    not_before: datetime


class TokenKeeper:
    """Gives out tokens that work."""

    def __init__(
        self, store: TokenStore, source: TokenSource, clock: Clock, *, holder: str, listener: KeeperListener
    ) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._holder = holder
        self._listener = listener
        self._memory: dict[TokenKey, tuple[KeptToken, datetime]] = {}
        self._renewals: dict[TokenKey, asyncio.Task[KeptToken]] = {}
        self._trouble: dict[TokenKey, _Trouble] = {}

    async def get(self, key: TokenKey) -> KeptToken:
        """Return a token that is good now; fetch one only when there is none."""
        kept = await self._current(key)
        if kept is None:
            return await self._renew(key, beyond=0)
        match freshness(kept.fetched_at, kept.expires_at, self._clock.now()):
            case Freshness.FRESH:
                return kept
            case Freshness.DUE:
                self._renew_ahead(key, kept)
                return kept
            case Freshness.EXPIRED:
                return await self._renew(key, beyond=kept.version)

    async def tend(self, key: TokenKey) -> None:
        """Renew in the background if the token is missing, due or expired, keeping to the back-off."""
        kept = await self._current(key)
        due = (
            kept is None
            or freshness(kept.fetched_at, kept.expires_at, self._clock.now()) is not Freshness.FRESH
        )
        if due:
            self._renew_ahead(key, kept)

    async def peek(self, key: TokenKey) -> KeptToken | None:
        """Load the token as it stands, fetching nothing."""
        return await self._store.load(key)

    async def renew(self, key: TokenKey) -> KeptToken:
        """Renew now, unless somebody did since the token was last looked at."""
        kept = await self._store.load(key)
        return await self._renew(key, beyond=kept.version if kept else 0)

    async def report_invalid(self, key: TokenKey, rejected: AccessToken) -> KeptToken:
        """Take a rejected token as proof: renew if it is still the current one; return the current."""
        kept = await self._store.load(key)
        proven = kept is not None and equal(kept.token.reveal(), rejected.reveal())
        if kept is not None and proven and await self._store.drop(key, only_version=kept.version):
            log.warning("token.rejected", issuer=key.issuer, account=key.account, kind=key.kind)
        self.forget(key)
        return await self.get(key)

    async def using(self, key: TokenKey, call: Callable[[AccessToken], Awaitable[T]]) -> T:
        """Call with the token; when WeChat rejects it, renew by proof and replay exactly once."""
        kept = await self.get(key)
        try:
            return await call(kept.token)
        except TokenRejected:
            kept = await self.report_invalid(key, kept.token)
        return await call(kept.token)

    async def drop(self, key: TokenKey) -> None:
        """Drop a token so that nobody uses it again and a fetch under way cannot bring it back."""
        await self._store.drop(key)
        self.forget(key)

    def forget(self, key: TokenKey) -> None:
        """Forget what memory holds of a key; the next reader looks at the store."""
        self._memory.pop(key, None)

    def forget_account(self, issuer: str, account: str) -> None:
        """Forget what memory holds of one issuer's tokens for one account."""
        for key in [key for key in self._memory if (key.issuer, key.account) == (issuer, account)]:
            self.forget(key)

    async def close(self) -> None:
        """Wait for renewals under way: an answer that is on its way must be written, not thrown away."""
        running = list(self._renewals.values())
        if running:
            await asyncio.wait(running, timeout=LEASE.total_seconds())

    async def _current(self, key: TokenKey) -> KeptToken | None:
        now = self._clock.now()
        remembered = self._memory.get(key)
        if remembered is not None and abs(now - remembered[1]) < RECHECK:
            return remembered[0]
        kept = await self._store.load(key)
        if kept is None:
            self.forget(key)
        else:
            self._memory[key] = (kept, now)
        return kept

    def _renew_ahead(self, key: TokenKey, kept: KeptToken | None) -> None:
        trouble = self._trouble.get(key)
        if key in self._renewals or (trouble and self._clock.now() < trouble.not_before):
            return
        task = self._start(key, beyond=kept.version if kept else 0)
        # The old token still serves; the failure is logged and counted where it happened.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())

    async def _renew(self, key: TokenKey, *, beyond: int) -> KeptToken:
        task = self._renewals.get(key) or self._start(key, beyond=beyond)
        # Shielded: a caller that gives up must not take the others' renewal with it.
        return await asyncio.shield(task)

    def _start(self, key: TokenKey, *, beyond: int) -> asyncio.Task[KeptToken]:
        task = asyncio.create_task(self._renew_and_note(key, beyond), name=f"renew {key.kind} {key.account}")
        self._renewals[key] = task
        task.add_done_callback(lambda _: self._renewals.pop(key, None))
        return task

    async def _renew_and_note(self, key: TokenKey, beyond: int) -> KeptToken:
        try:
            kept = await self._renew_under_lease(key, beyond)
        except GatewayError as error:
            trouble = self._trouble.get(key)
            count = trouble.count + 1 if trouble else 1
            wait = min(BACKOFF * 2 ** min(count - 1, 10), BACKOFF_MOST)
            self._trouble[key] = _Trouble(count, self._clock.now() + wait)
            self._listener.renewal_failed(key, error)
            log.warning(
                "token.renewal_failed",
                issuer=key.issuer,
                account=key.account,
                kind=key.kind,
                error=str(error),
            )
            raise
        self._trouble.pop(key, None)
        self._memory[key] = (kept, self._clock.now())
        return kept

    async def _renew_under_lease(self, key: TokenKey, beyond: int) -> KeptToken:
        overtaken = 0
        waited = 0.0
        while overtaken < ATTEMPTS and waited <= 2 * LEASE.total_seconds():
            if (newer := await self._newer(key, beyond)) is not None:
                return newer
            lease = await self._store.claim(key, holder=self._holder, now=self._clock.now(), ttl=LEASE)
            if lease is None:
                await asyncio.sleep(POLL_SECONDS)
                waited += POLL_SECONDS
                continue
            try:
                # Second look, now that nobody else can be writing: the last holder may just have finished.
                if (newer := await self._newer(key, beyond)) is not None:
                    return newer
                fetched = await self._source.fetch(key)
                kept = await self._store.finish(lease, fetched)
            finally:
                await self._store.release(lease)
            if kept is not None:
                self._listener.renewed(key)
                log.info(
                    "token.renewed",
                    issuer=key.issuer,
                    account=key.account,
                    kind=key.kind,
                    version=kept.version,
                    expires_at=kept.expires_at.isoformat(),
                )
                return kept
            overtaken += 1
        raise UpstreamError(
            f"the {key.kind} token of {key.account} is being renewed elsewhere and does not arrive",
            sent=False,
        )

    async def _newer(self, key: TokenKey, beyond: int) -> KeptToken | None:
        kept = await self._store.load(key)
        if kept is None or kept.version <= beyond:
            return None
        expired = freshness(kept.fetched_at, kept.expires_at, self._clock.now()) is Freshness.EXPIRED
        return None if expired else kept
