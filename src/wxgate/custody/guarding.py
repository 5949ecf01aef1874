"""Keeps fetches of tokens within a daily budget, and stops them while they can only fail.

Tokens that are still valid are served all the while. Fetches are counted for all nodes in the database, not
more often than every second or so; a spent quota is told to all nodes there, other trouble each node sees
for itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from wxgate.clock import Clock
from wxgate.custody.budget import WARN_AT, day_of, not_before, share
from wxgate.custody.circuit import (
    Circuit,
    CircuitState,
    Failure,
    Verdict,
    admit,
    after,
    judge,
    scope_of,
    spent_elsewhere,
)
from wxgate.custody.ports import QuotaStore
from wxgate.custody.records import FetchCount, FetchedToken
from wxgate.custody.renewing import TokenSource
from wxgate.custody.wording import next_day
from wxgate.errors import CircuitOpen, GatewayError, StorageError, WeChatError
from wxgate.protocol.tokens import TokenKey, TokenKind

log = structlog.get_logger("wxgate.fetches")

SYNC_SECONDS = 1.0
SYNC_FETCHES = 20
"""How long, and how many fetches, a node counts for itself before it looks at everybody's count."""

LONGEST_DAY_SECONDS = 26 * 3600.0
"""A circuit that another node opened for longer than a day is what a wrong clock has left behind."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How fetches of one kind stand, as shown to people and probes; `limit` 0 means none."""

    scope: TokenKey
    state: CircuitState
    fetched: int
    limit: int
    reason: str = ""
    until: datetime | None = None

    @property
    def share(self) -> float:
        """The part of today's budget that is used."""
        return share(self.fetched, self.limit)


@dataclass(slots=True)
class _Watch:
    circuit: Circuit = field(default_factory=Circuit)
    day: str = ""
    fetched: int = 0
    pending: int = 0
    looked_at: datetime | None = None
    last: datetime | None = None
    warned: str = ""

    def fetched_on(self, day: str) -> int:
        """Tell the count of a day; where another node's clock is past midnight already, theirs is ours."""
        return self.pending + (self.fetched if self.day >= day else 0)


class GuardedTokens:
    """A source of tokens with a budget and a circuit breaker per kind and issuer."""

    def __init__(
        self,
        source: TokenSource,
        store: QuotaStore,
        clock: Clock,
        *,
        limits: Mapping[TokenKind, int],
        random: Callable[[], float],
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._limits = limits
        self._random = random
        self._watches: dict[TokenKey, _Watch] = {}

    async def fetch(self, key: TokenKey, *, rejected: str = "") -> FetchedToken:
        """Fetch a token, or raise CircuitOpen at once with when it is worth trying again."""
        scope = scope_of(key)
        watch = self._watches.setdefault(scope, _Watch())
        await self._look(scope, watch)
        self._admit(key, scope, watch)
        watch.pending += 1
        watch.last = self._clock.now()
        verdict, failure = Verdict.NEUTRAL, None
        try:
            fetched = await self._source.fetch(key, rejected=rejected)
            verdict = Verdict.GOOD
        except GatewayError as error:
            verdict = judge(key, error)
            reason = error.answer if isinstance(error, WeChatError) else str(error)
            failure = Failure(key.account, reason, isinstance(error, WeChatError), verdict is Verdict.SPENT)
            raise
        finally:
            before = watch.circuit
            self._note(scope, watch, verdict, failure)
            await self._tell(scope, before, watch.circuit)
        return fetched

    async def look(self, key: TokenKey) -> Standing:
        """Tell how fetches of a token's kind stand for all nodes, as far as this one can know."""
        scope = scope_of(key)
        watch = self._watches.setdefault(scope, _Watch())
        await self._look(scope, watch)
        return self._standing(scope, watch)

    def standings(self) -> Sequence[Standing]:
        """Tell how all kinds stand that this node has fetched."""
        return [self._standing(scope, watch) for scope, watch in self._watches.items()]

    async def forget(self, issuer: str, account: str) -> None:
        """Begin anew after a quota was cleared, on all nodes."""
        await self._store.reset_fetches(issuer, account, day=day_of(self._clock.now()))
        for scope in [one for one in self._watches if (one.issuer, one.account) == (issuer, account)]:
            self._watches[scope] = _Watch()

    async def close(self) -> None:
        """Write what is counted and not written yet."""
        for scope, watch in self._watches.items():
            if watch.pending > 0:
                watch.looked_at = None
                await self._look(scope, watch)

    async def _look(self, scope: TokenKey, watch: _Watch) -> None:
        """Add our count to everybody's and take theirs, where the last time is not just past."""
        now = self._clock.now()
        recent = watch.looked_at is not None and abs((now - watch.looked_at).total_seconds()) < SYNC_SECONDS
        if recent and watch.pending < SYNC_FETCHES:
            return
        watch.looked_at, pending, watch.pending = now, watch.pending, 0
        try:
            count = await self._store.count_fetches(scope, day=day_of(now), by=pending)
        except StorageError as error:
            # A count that is a little low is better than no token.
            watch.pending += pending
            log.warning("fetches.not_counted", issuer=scope.issuer, kind=scope.kind, error=str(error))
            return
        self._take(scope, watch, count, now)

    def _take(self, scope: TokenKey, watch: _Watch, count: FetchCount, now: datetime) -> None:
        watch.day, watch.fetched = count.day, count.fetched
        spent_here = watch.circuit.until is not None
        until = count.open_until
        if until is None or not 0 < (until - now).total_seconds() < LONGEST_DAY_SECONDS:
            if spent_here and watch.circuit.state is CircuitState.OPEN:
                watch.circuit = Circuit()
        elif not spent_here:
            watch.circuit = spent_elsewhere(until, count.reason, now)
        used = share(count.fetched, self._limit(scope))
        if used >= WARN_AT and watch.warned != count.day:
            watch.warned = count.day
            log.warning(
                "fetches.budget_low",
                issuer=scope.issuer,
                account=scope.account,
                kind=scope.kind,
                fetched=count.fetched,
                limit=self._limit(scope),
                hint="find out who makes tokens invalid or asks for so many; see docs/operations.md",
            )

    def _admit(self, key: TokenKey, scope: TokenKey, watch: _Watch) -> None:
        now = self._clock.now()
        fetched = watch.fetched_on(day_of(now))
        limit = self._limit(scope)
        if (later := not_before(fetched, limit, watch.last, now)) is not None:
            raise _closed(
                scope, now, later, f"{fetched} of the {limit} fetches that this gateway allows a day are used"
            )
        shared = scope.kind is TokenKind.AUTHORIZER
        admitted = admit(watch.circuit, now, account=key.account if shared else "")
        if admitted is None:
            circuit = watch.circuit
            # While one attempt is under way its end is seconds away.
            later = circuit.next_try if circuit.state is CircuitState.OPEN else None
            raise _closed(scope, now, later, circuit.reason)
        watch.circuit = admitted

    def _note(self, scope: TokenKey, watch: _Watch, verdict: Verdict, failure: Failure | None) -> None:
        now = self._clock.now()
        watch.circuit = after(
            watch.circuit,
            verdict,
            now,
            failure=failure,
            shared=scope.kind is TokenKind.AUTHORIZER,
            reset=next_day(now),
            chance=self._random(),
        )

    async def _tell(self, scope: TokenKey, before: Circuit, now: Circuit) -> None:
        """Log a change, and let all nodes know of a quota that is spent or has come back."""
        was_open, is_open = (one.state is not CircuitState.CLOSED for one in (before, now))
        names = {"issuer": scope.issuer, "account": scope.account, "kind": scope.kind}
        if is_open and not was_open:
            log.warning("fetches.stopped", **names, reason=now.reason, until=_iso(now.until or now.next_try))
        elif was_open and not is_open:
            log.info("fetches.resumed", **names)
        try:
            if now.until is not None and now.until != before.until:
                await self._store.open_circuit(
                    scope, day=day_of(self._clock.now()), until=now.until, reason=now.reason
                )
            elif before.until is not None and now.until is None:
                await self._store.close_circuit(scope)
        except StorageError as error:
            log.warning("fetches.not_told", **names, error=str(error))

    def _standing(self, scope: TokenKey, watch: _Watch) -> Standing:
        now = self._clock.now()
        fetched = watch.fetched_on(day_of(now))
        circuit, limit = watch.circuit, self._limit(scope)
        until = circuit.until or circuit.next_try
        state, reason = circuit.state, circuit.reason
        later = not_before(fetched, limit, watch.last, now)
        if state is CircuitState.CLOSED and later is not None:
            state, until, reason = CircuitState.OPEN, later, "the day's budget is used up"
        return Standing(scope, state, fetched, limit, reason, until)

    def _limit(self, scope: TokenKey) -> int:
        return self._limits.get(scope.kind, 0)


def _closed(scope: TokenKey, now: datetime, later: datetime | None, reason: str) -> CircuitOpen:
    seconds = 1.0 if later is None else max(1.0, (later - now).total_seconds())
    when = "in a moment" if later is None else f"from {later:%H:%M:%S} UTC"
    return CircuitOpen(
        f"no {scope.kind} token of {scope.account} is fetched now, tried again {when}: {reason}",
        retry_after=seconds,
    )


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
