"""The keeper of tokens: from memory while fresh, renewed ahead of need, fetched once however many wait.

    FRESH    serve                       DUE      serve, and renew in the background
    EXPIRED  renew, and wait for it      REJECTED (by proof) drop that version, renew, and wait

What is remembered is the business of `token_memory`, how one token is renewed that of `renewing`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from wxgate.clock import Clock
from wxgate.custody.ports import TokenStore
from wxgate.custody.records import InvalidReport, KeptToken
from wxgate.custody.renewing import KeeperListener, LeaseTerms, Renewing, TokenSource
from wxgate.custody.token_memory import TokenMemory
from wxgate.errors import RenewalsExhausted, StorageError, TokenRejected
from wxgate.protocol.tokens import REJECTIONS_MOST, REPORTS_MOST, Freshness, TokenKey, freshness
from wxgate.secret import AccessToken, equal

T = TypeVar("T")

log = structlog.get_logger("wxgate.tokens")

WAIT_LOOK_SECONDS = 1.0
"""How often whoever waits for a change looks by itself: news may not arrive."""


class TokenKeeper:
    """Gives out tokens that work."""

    def __init__(
        self,
        store: TokenStore,
        source: TokenSource,
        clock: Clock,
        *,
        holder: str,
        listener: KeeperListener,
        random: Callable[[], float],
        terms: LeaseTerms | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._listener = listener
        self._memory = TokenMemory(store.load, clock)
        self._renewing = Renewing(
            store,
            source,
            clock,
            self._memory,
            holder=holder,
            listener=listener,
            random=random,
            terms=terms or LeaseTerms(),
        )

    async def get(self, key: TokenKey) -> KeptToken:
        """Return a token that is good now; fetch one only when there is none."""
        kept = self._memory.fresh(key)
        if kept is not None:
            return kept
        kept = await self._memory.current(key)
        self._memory.note_use(key)
        if kept is None:
            return await self._renewing.renew(key, beyond=0)
        match self._freshness(kept):
            case Freshness.FRESH:
                return kept
            case Freshness.DUE:
                self._renewing.ahead(key, beyond=kept.version)
                return kept
            case Freshness.EXPIRED:
                return await self._renewing.renew(key, beyond=kept.version)

    async def current(self, key: TokenKey) -> KeptToken | None:
        """Return the token as long as it is good; renew nothing and note no use."""
        kept = self._memory.fresh(key) or await self._memory.current(key)
        return kept if kept is not None and self._freshness(kept) is not Freshness.EXPIRED else None

    async def wait_for_change(self, key: TokenKey, version: int, seconds: float) -> KeptToken | None:
        """Wait until a good token of another version is there, and return it; None when the time is over.

        Nothing is renewed: whoever may cause that asks `get` first.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._memory.watching(key) as watch:
            while True:
                kept = await self.current(key)
                if kept is not None and kept.version != version:
                    return kept
                if (left := deadline - loop.time()) <= 0:
                    return None
                await watch.wait(min(left, WAIT_LOOK_SECONDS))

    async def tend(self, key: TokenKey) -> asyncio.Task[KeptToken | None] | None:
        """Renew in the background if the token is missing, due or expired, keeping to the back-off.

        Returns the renewal if there is one now.
        """
        kept = await self._memory.current(key)
        if kept is not None and self._freshness(kept) is Freshness.FRESH:
            return None
        return self._renewing.ahead(key, beyond=kept.version if kept else 0)

    def renew_ahead(self, key: TokenKey, version: int) -> asyncio.Task[KeptToken | None] | None:
        """Begin to renew a version in the background; None if that is under way or too soon."""
        return self._renewing.ahead(key, beyond=version)

    async def peek(self, key: TokenKey) -> KeptToken | None:
        """Load the token as it stands, fetching nothing."""
        return await self._store.load(key)

    async def renew(self, key: TokenKey) -> KeptToken:
        """Renew now, unless somebody did since the token was last looked at."""
        kept = await self._store.load(key)
        return await self._renewing.renew(key, beyond=kept.version if kept else 0)

    async def report_invalid(self, key: TokenKey, rejected: AccessToken) -> InvalidReport:
        """Take a rejected token as proof, and renew it if it is still the current one.

        Only part of the budget is open to reports. Raises RenewalsExhausted when too many new tokens of this
        key were rejected in too short a time.
        """
        if not await self._drop_by_proof(key, rejected, REPORTS_MOST):
            return InvalidReport(renewed=False, current=await self.current(key))
        return InvalidReport(renewed=True, current=await self.get(key))

    async def using(self, key: TokenKey, call: Callable[[AccessToken], Awaitable[T]]) -> T:
        """Call with the token; when WeChat rejects it, renew by proof and replay exactly once."""
        kept = await self.get(key)
        try:
            return await call(kept.token)
        except TokenRejected:
            await self._drop_by_proof(key, kept.token, REJECTIONS_MOST)
        return await call((await self.get(key)).token)

    async def drop(self, key: TokenKey) -> None:
        """Drop a token so that nobody uses it again and a fetch under way cannot bring it back."""
        await self._store.drop(key)
        self.forget(key)

    def forget(self, key: TokenKey) -> None:
        """Forget what memory holds of a key; the next reader looks at the store."""
        self._memory.forget(key)

    def forget_account(self, issuer: str, account: str) -> None:
        """Forget what memory holds of one issuer's tokens for one account."""
        self._memory.forget_account(issuer, account)

    def heard(self, key: TokenKey, version: int) -> None:
        """Take the news from another node that a key has a new version, or no token any more (0)."""
        self._memory.heard(key, version)

    def missed(self) -> None:
        """Take it that news may have been missed: nothing remembered counts before it is looked at."""
        self._memory.missed()

    async def note_uses(self) -> None:
        """Write down which tokens were asked for since the last time."""
        used = self._memory.take_used()
        try:
            await self._store.note_used(used, self._clock.now())
        except StorageError:
            self._memory.put_back_used(used)
            raise

    async def close(self) -> None:
        """Wait for renewals under way: an answer that is on its way must be written, not thrown away."""
        await self._renewing.close()
        with contextlib.suppress(StorageError):
            await self.note_uses()

    async def _drop_by_proof(self, key: TokenKey, rejected: AccessToken, most: int) -> bool:
        """Drop a token that WeChat rejected, if it is still the current one; return whether it was."""
        now = self._clock.now()
        kept = await self._store.load(key)
        if kept is not None and equal(kept.token.reveal(), rejected.reveal()):
            rejection = await self._store.reject(key, version=kept.version, now=now, most=most)
            if rejection.retry_at is not None:
                self._listener.reported(key, "exhausted")
                raise RenewalsExhausted(
                    f"{most} new {key.kind} tokens of {key.account} were rejected one after the other, "
                    "so renewing does not help; see whether somebody else renews it (another gateway, an old "
                    f"server) and whether the AppSecret is right. Tried again from "
                    f"{rejection.retry_at:%H:%M:%S} UTC",
                    retry_at=rejection.retry_at,
                    retry_after=(rejection.retry_at - now).total_seconds(),
                )
            if rejection.dropped:
                self._listener.reported(key, "renewed")
                log.warning("token.rejected", issuer=key.issuer, account=key.account, kind=key.kind)
                self.forget(key)
                return True
        self._listener.reported(key, "stale")
        self.forget(key)
        return False

    def _freshness(self, kept: KeptToken) -> Freshness:
        return freshness(kept.fetched_at, kept.expires_at, self._clock.now(), kept.key.kind)
