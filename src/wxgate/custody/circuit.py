"""A circuit breaker as a pure state machine: it opens on failures that concern all tokens of a kind.

    state      GOOD      BAD                   SPENT             NEUTRAL
    closed     closed    closed, at last open  open              closed
    open       closed    open                  open              open
    half open  closed    open, for longer      open              open, and the next may try

Where several accounts hang on a circuit, what WeChat answers to one of them is not held against the others:
it neither opens the circuit nor keeps it open, and another account has the next try. When that fails too, the
trouble is everybody's.

An open circuit lets one attempt through now and then (half open). One that is open because a daily quota is
spent does so too: the quota may have been cleared in WeChat's own console.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.errors import Busy, CircuitOpen, GatewayError, RateLimited, Unreachable, WeChatError
from wxgate.protocol.tokens import TokenKey, TokenKind

FAILURES = 5
"""How many failures in a row open a circuit."""

BACKOFF = timedelta(seconds=5)
BACKOFF_MOST = timedelta(minutes=5)
JITTER = 0.2

OTHERS_FIRST = timedelta(seconds=10)
"""How long an account whose attempt failed lets others try."""

SPENT_PROBE = timedelta(minutes=10)
"""How often a spent quota is tried again before its day ends."""

PATHS = {
    TokenKind.COMPONENT: "/api_component_token",
    TokenKind.AUTHORIZER: "/api_authorizer_token",
    TokenKind.DIRECT: "/stable_token",
    TokenKind.JSAPI_TICKET: "/ticket/getticket",
    TokenKind.WX_CARD: "/ticket/getticket",
}
"""How the path ends that gives tokens of a kind; what another path refuses is another circuit's matter."""


class CircuitState(StrEnum):
    """Whether tokens of a kind are fetched."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What the outcome of one fetch says about all others of its kind."""

    GOOD = "good"
    BAD = "bad"
    SPENT = "spent"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed fetch: for which account, in which words, and whether WeChat answered at all."""

    account: str
    reason: str
    answered: bool
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where a circuit stands; `until` is when it ends by itself, `next_try` when one may try before.

    `doubted` is the account whose attempt alone has failed since, if that may be its own trouble.
    """

    state: CircuitState = CircuitState.CLOSED
    failures: tuple[Failure, ...] = ()
    trips: int = 0
    next_try: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    doubted: str = ""


def scope_of(key: TokenKey) -> TokenKey:
    """Say whose circuit and count a token belongs to: the platform's, or the account's own."""
    return TokenKey(key.issuer, key.issuer, key.kind) if key.kind is TokenKind.AUTHORIZER else key


def judge(key: TokenKey, error: GatewayError) -> Verdict:
    """Judge a failure: what concerns one account alone (61003, 61023) is proof that WeChat works."""
    match error:
        case CircuitOpen():
            return Verdict.NEUTRAL
        case WeChatError() if error.path and not error.path.endswith(PATHS[key.kind]):
            return Verdict.NEUTRAL
        case RateLimited(errcode=45009):
            return Verdict.SPENT
        case RateLimited() | Busy() | Unreachable():
            return Verdict.BAD
        case WeChatError():
            return Verdict.GOOD
        case _:
            return Verdict.NEUTRAL


def admit(circuit: Circuit, now: datetime, *, account: str = "") -> Circuit | None:
    """Return the circuit with one more attempt under way, or None where there must be none.

    `account` names who would try, where several hang on the circuit.
    """
    if circuit.state is CircuitState.CLOSED:
        return circuit
    if circuit.until is not None and now >= circuit.until:
        return replace(circuit, state=CircuitState.HALF_OPEN)
    if circuit.state is CircuitState.OPEN and not _lies_ahead(circuit.next_try, now):
        last = circuit.failures[-1] if circuit.failures else None
        failed_trying = last is not None and (last.answered or circuit.trips > 1)
        if account and last is not None and failed_trying and last.account == account:
            # Who asks most often would have every attempt: after one that failed the others go first.
            turn = (circuit.next_try or now) + OTHERS_FIRST
            return None if _lies_ahead(turn, now) else replace(circuit, state=CircuitState.HALF_OPEN)
        return replace(circuit, state=CircuitState.HALF_OPEN)
    return None


def after(
    circuit: Circuit,
    verdict: Verdict,
    now: datetime,
    *,
    failure: Failure | None = None,
    shared: bool = False,
    reset: datetime | None = None,
    chance: float = 0.0,
) -> Circuit:
    """Return the circuit after an outcome.

    `shared` says that several accounts hang on it: then no one account opens it by what WeChat answers.
    `reset` is when a spent quota begins anew, `chance` a number from 0 to 1 that spreads the nodes' attempts.
    """
    match verdict:
        case Verdict.GOOD:
            return Circuit()
        case Verdict.NEUTRAL:
            if circuit.state is CircuitState.HALF_OPEN:
                return replace(circuit, state=CircuitState.OPEN, next_try=now)
            return circuit
    if circuit.state is CircuitState.OPEN:
        return circuit
    failures = (*circuit.failures, failure)[-FAILURES:] if failure else circuit.failures
    counted = replace(circuit, failures=failures)
    spent = verdict is Verdict.SPENT
    if circuit.state is CircuitState.CLOSED and not _opens(failures, spent=spent, shared=shared):
        return counted
    if circuit.state is CircuitState.HALF_OPEN and shared and _is_lone(failure, counted, spent=spent):
        doubted = failure.account if failure else ""
        return replace(counted, state=CircuitState.OPEN, next_try=now, doubted=doubted)
    spent = spent and _opens(failures, spent=True, shared=shared)
    wait = SPENT_PROBE if spent else min(BACKOFF * 2 ** min(circuit.trips, 10), BACKOFF_MOST)
    return replace(
        counted,
        state=CircuitState.OPEN,
        trips=circuit.trips + 1,
        next_try=now + wait * (1 + JITTER * chance),
        until=reset if spent else circuit.until,
        reason=failures[-1].reason if failures else circuit.reason,
        doubted="",
    )


def spent_elsewhere(until: datetime, reason: str, now: datetime) -> Circuit:
    """Make the circuit that another node has opened because a daily quota is spent."""
    return Circuit(
        CircuitState.OPEN, trips=1, next_try=min(now + SPENT_PROBE, until), until=until, reason=reason
    )


def _opens(failures: tuple[Failure, ...], *, spent: bool, shared: bool) -> bool:
    if spent:
        return not shared or len({failure.account for failure in failures if failure.spent}) > 1
    if len(failures) < FAILURES:
        return False
    accounts = {failure.account for failure in failures}
    return not shared or len(accounts) > 1 or not any(failure.answered for failure in failures)


def _is_lone(failure: Failure | None, circuit: Circuit, *, spent: bool) -> bool:
    """Tell whether a failure may be its account's own: WeChat answered, and failed no other that tried."""
    if failure is None or not failure.answered or circuit.doubted not in ("", failure.account):
        return False
    return not spent or not _opens(circuit.failures, spent=True, shared=True)


def _lies_ahead(moment: datetime | None, now: datetime) -> bool:
    # Further ahead than any wait reaches, it is what a clock that was set back has left behind.
    return moment is not None and now < moment <= now + 2 * SPENT_PROBE
