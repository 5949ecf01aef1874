"""Renewing one token: under a lease with a fence, once however many nodes and callers want it.

    look        somebody has renewed it            take theirs
                a lease is running                 wait for news, look again
                not before a moment (ahead only)   leave it
    held back: failed twice or more    say so at once, with when to try again
    claim       lost the race                      wait for news, look again
    look again  somebody has just renewed it       take theirs
    fetch       holding on to the lease while WeChat takes its time
    finish      overtaken                          write nothing, look again

A lease ends by itself when its holder is silent for `ttl`, and at the latest `longest` after it was taken. An
answer that comes after somebody else took over is thrown away, and so is a failure.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeGuard

import structlog

from wxgate.clock import Clock
from wxgate.custody.circuit import Verdict, judge
from wxgate.custody.ports import TokenStore
from wxgate.custody.records import FetchedToken, KeptToken, Lease
from wxgate.custody.token_memory import TokenMemory
from wxgate.errors import (
    GatewayError,
    HeldBack,
    StorageError,
    TicketMissing,
    UpstreamError,
    WeChatError,
    told,
)
from wxgate.protocol.tokens import Freshness, TokenKey, freshness, renew_at

log = structlog.get_logger("wxgate.tokens")

POLL_SECONDS = 0.1
POLL_MOST_SECONDS = 0.5
"""How often whoever waits for another's renewal looks by itself, at first and after a while."""

ATTEMPTS = 3
"""How often a renewal starts over after being overtaken."""

BACKOFF = timedelta(seconds=5)
BACKOFF_MOST = timedelta(minutes=5)
BACKOFF_JITTER = 0.2

HOLD = timedelta(seconds=1)
HOLD_MOST = timedelta(seconds=30)
"""How long nobody fetches on demand after the second failure in a row, and at most after many."""

LET_BE = timedelta(seconds=1)
"""How long a renewal ahead is left alone that another node is at, or that something of ours prevents."""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a holder may be silent before another may try, and how long it may take in all.

    A call to WeChat is given up after ten seconds, so the usual fetch ends within the first term; one that
    has to find a component token or a lost refresh token first keeps extending.
    """

    ttl: timedelta = timedelta(seconds=15)
    longest: timedelta = timedelta(seconds=45)

    @classmethod
    def of_seconds(cls, seconds: float) -> "LeaseTerms":
        """Make terms in the usual proportion."""
        return cls(timedelta(seconds=seconds), 3 * timedelta(seconds=seconds))


UPSTREAM = (WeChatError, UpstreamError)
"""The failures after which all nodes pause; others (no ticket, no secret, no right) cost WeChat no call."""


class TokenSource(Protocol):
    """Fetches tokens from WeChat."""

    async def fetch(self, key: TokenKey, *, rejected: str = "") -> FetchedToken:
        """Fetch a new token for this key; whatever came with it is durable when this returns.

        `rejected` is the fingerprint of a token that must not be given out again.
        """
        ...


class KeeperListener(Protocol):
    """Hears of renewals, for metrics."""

    def renewed(self, key: TokenKey) -> None:
        """Note a renewal that was written."""

    def renewal_failed(self, key: TokenKey, error: GatewayError) -> None:
        """Note a renewal that failed."""

    def overtaken(self, key: TokenKey) -> None:
        """Note a renewal whose outcome came too late to count."""

    def reported(self, key: TokenKey, outcome: str) -> None:
        """Note what became of a report that a token does not work."""


class Renewing:
    """Renews tokens, at most one renewal of a key at a time on this node and on all."""

    def __init__(
        self,
        store: TokenStore,
        source: TokenSource,
        clock: Clock,
        memory: TokenMemory,
        *,
        holder: str,
        listener: KeeperListener,
        random: Callable[[], float],
        terms: LeaseTerms,
    ) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._memory = memory
        self._holder = holder
        self._listener = listener
        self._random = random
        self._terms = terms
        self._renewals: dict[TokenKey, asyncio.Task[KeptToken | None]] = {}
        self._not_before: dict[TokenKey, datetime] = {}
        self._reasons: dict[TokenKey, str] = {}

    async def renew(self, key: TokenKey, *, beyond: int) -> KeptToken:
        """Return a token newer than a version, fetched here or by whoever is faster."""
        while True:
            task = self._renewals.get(key) or self._start(key, beyond=beyond, ahead=False)
            # Shielded: a caller that gives up must not take the others' renewal with it.
            if (kept := await asyncio.shield(task)) is not None:
                return kept

    def ahead(self, key: TokenKey, *, beyond: int) -> asyncio.Task[KeptToken | None] | None:
        """Renew in the background, unless that is under way or too soon after a failure.

        The task ends with None where another node is at it.
        """
        if key in self._renewals or self._is_too_soon(key):
            return None
        task = self._start(key, beyond=beyond, ahead=True)
        # The old token still serves; the failure is logged and counted where it happened.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return task

    async def close(self) -> None:
        """Wait for renewals under way: an answer that is on its way must be written, not thrown away."""
        running = list(self._renewals.values())
        if running:
            await asyncio.wait(running, timeout=self._terms.ttl.total_seconds())

    def _start(self, key: TokenKey, *, beyond: int, ahead: bool) -> asyncio.Task[KeptToken | None]:
        task = asyncio.create_task(
            self._renew_and_note(key, beyond, ahead), name=f"renew {key.kind} {key.account}"
        )
        self._renewals[key] = task
        task.add_done_callback(lambda _: self._renewals.pop(key, None))
        return task

    async def _renew_and_note(self, key: TokenKey, beyond: int, ahead: bool) -> KeptToken | None:
        try:
            kept = await self._renew(key, beyond, ahead)
        except HeldBack:
            raise  # nothing was tried, and the failures before are told already
        except GatewayError as error:
            if not isinstance(error, TicketMissing) and not self._is_too_soon(key):
                pause = BACKOFF if isinstance(error, UPSTREAM) else LET_BE
                self._not_before[key] = self._clock.now() + pause
            self._listener.renewal_failed(key, error)
            log.warning(
                "token.renewal_failed",
                issuer=key.issuer,
                account=key.account,
                kind=key.kind,
                **told(error),
            )
            raise
        if kept is not None:
            self._not_before.pop(key, None)
            self._reasons.pop(key, None)
            self._memory.keep(kept)
        return kept

    async def _renew(self, key: TokenKey, beyond: int, ahead: bool) -> KeptToken | None:
        loop = asyncio.get_running_loop()
        # Long enough to outlast any holder and then to fetch.
        patience = (self._terms.longest + self._terms.ttl).total_seconds()
        overtaken, pause = 0, POLL_SECONDS
        with self._memory.watching(key) as watch:
            while True:
                row = await self._store.look(key)
                if self._is_good(row.kept, beyond):
                    return row.kept
                if patience < 0 or overtaken == ATTEMPTS:
                    break
                now = self._clock.now()
                if ahead and (later := self._better_later(row.not_before, row.lease_until, now)):
                    self._not_before[key] = later
                    return None
                if _lies_ahead(row.held_until, now, HOLD_MOST):
                    raise self._held_back(key, row.held_until - now)
                lease = await self._claim(key, row.lease_until, now)
                if lease is None:
                    begun = loop.time()
                    await watch.wait(pause)
                    patience -= loop.time() - begun
                    pause = min(1.5 * pause, POLL_MOST_SECONDS)
                elif (kept := await self._fetch_under(lease, beyond)) is not None:
                    return kept
                else:
                    overtaken += 1
        raise UpstreamError(
            f"the {key.kind} token of {key.account} is being renewed elsewhere and does not arrive; "
            "try again in a moment",
            sent=False,
        )

    def _held_back(self, key: TokenKey, left: timedelta) -> HeldBack:
        reason = self._reasons.get(key, "the log says what was answered")
        return HeldBack(
            f"no {key.kind} token of {key.account} is fetched for {math.ceil(left.total_seconds())} s, since "
            f"WeChat failed for it more than once in a row: {reason}",
            retry_after=left.total_seconds(),
        )

    def _better_later(
        self, not_before: datetime | None, lease_until: datetime | None, now: datetime
    ) -> datetime | None:
        """Say until when a renewal that nobody waits for should be left alone, if it should."""
        if _lies_ahead(not_before, now):
            return not_before
        return now + LET_BE if self._is_running(lease_until, now) else None

    def _is_too_soon(self, key: TokenKey) -> bool:
        return _lies_ahead(self._not_before.get(key), self._clock.now())

    async def _claim(self, key: TokenKey, lease_until: datetime | None, now: datetime) -> Lease | None:
        # Reading costs less than writing, and of many who wait all but one would write in vain.
        if self._is_running(lease_until, now):
            return None
        return await self._store.claim(key, holder=self._holder, now=now, ttl=self._terms.ttl)

    def _is_running(self, lease_until: datetime | None, now: datetime) -> bool:
        # One that ends too far ahead is no genuine lease: a clock was set back.
        return lease_until is not None and now < lease_until <= now + 2 * self._terms.ttl

    async def _fetch_under(self, lease: Lease, beyond: int) -> KeptToken | None:
        """Fetch and write a token; None when somebody else took over meanwhile."""
        holding = asyncio.create_task(self._hold_on(lease), name=f"hold {lease.key.kind} {lease.key.account}")
        ended = False
        try:
            # Second look, now that nobody else can be writing: the last holder may just have finished.
            newest = await self._store.load(lease.key)
            if self._is_good(newest, beyond):
                return newest
            # If we stalled, or the clock has jumped, since the claim, the others count our lease as over and
            # may be fetching already.
            if self._clock.now() >= lease.until:
                return None
            fetched = await self._source.fetch(lease.key, rejected=lease.rejected)
            kept = await self._store.finish(lease, self._planned(lease.key, fetched))
            ended = True
        except UPSTREAM as error:
            ended = True
            if not await self._note_failure(lease, error):
                return None
            raise
        finally:
            holding.cancel()
            if not ended:
                await self._store.release(lease)
        self._note_outcome(lease, kept)
        return kept

    def _note_outcome(self, lease: Lease, kept: KeptToken | None) -> None:
        key = lease.key
        if kept is None:
            self._listener.overtaken(key)
            log.warning("token.overtaken", issuer=key.issuer, account=key.account, kind=key.kind)
            return
        self._listener.renewed(key)
        log.info(
            "token.renewed",
            issuer=key.issuer,
            account=key.account,
            kind=key.kind,
            version=kept.version,
            expires_at=kept.expires_at.isoformat(),
        )

    async def _note_failure(self, lease: Lease, error: GatewayError) -> bool:
        """Let all nodes know of a failure; return whether it counts, that is, nobody had taken over."""
        wait = min(BACKOFF * 2 ** min(lease.failures, 10), BACKOFF_MOST)
        now = self._clock.now()
        not_before = now + wait * (1 + BACKOFF_JITTER * self._random())
        held_until = None
        # An honest caller may try once more at once; of what failed elsewhere this key knows nothing.
        if lease.failures and _was_for(lease.key, error):
            held_until = now + min(HOLD * 2 ** min(lease.failures - 1, 10), HOLD_MOST)
            self._reasons[lease.key] = told(error)["error"]
        self._not_before[lease.key] = not_before
        try:
            if await self._store.fail(lease, not_before=not_before, held_until=held_until):
                return True
        except StorageError:
            return True  # the trouble to be told is the first one
        self._note_outcome(lease, None)
        return False

    async def _hold_on(self, lease: Lease) -> None:
        """Keep the lease from ending while we are alive, but not for ever."""
        ttl = self._terms.ttl
        beats = int(3 * (self._terms.longest - ttl) / ttl)
        for _ in range(beats):
            await asyncio.sleep(ttl.total_seconds() / 3)
            with contextlib.suppress(StorageError):
                if not await self._store.extend(lease, self._clock.now() + ttl):
                    return

    def _planned(self, key: TokenKey, fetched: FetchedToken) -> FetchedToken:
        """Spread the renewals of tokens that were fetched together."""
        moment = renew_at(fetched.fetched_at, fetched.expires_at, key.kind, early=self._random())
        return replace(fetched, renew_at=moment)

    def _is_good(self, kept: KeptToken | None, beyond: int) -> bool:
        return (
            kept is not None
            and kept.version > beyond
            and freshness(kept.fetched_at, kept.expires_at, self._clock.now()) is not Freshness.EXPIRED
        )


def _was_for(key: TokenKey, error: GatewayError) -> bool:
    """Tell whether a failure was an answer, or the lack of one, to a call for this very token."""
    if isinstance(error, UpstreamError) and error.sent:
        return True
    return judge(key, error) is not Verdict.NEUTRAL


def _lies_ahead(
    moment: datetime | None, now: datetime, most: timedelta = BACKOFF_MOST
) -> TypeGuard[datetime]:
    # Further ahead than any back-off reaches, it is what a clock that was set back has left behind.
    return moment is not None and now < moment <= now + 2 * most
