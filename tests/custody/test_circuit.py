"""The circuit breaker and the budget by themselves: what opens, what closes, and when the next try may be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.custody.budget import day_of, not_before
from wxgate.custody.circuit import (
    BACKOFF,
    BACKOFF_MOST,
    FAILURES,
    OTHERS_FIRST,
    SPENT_PROBE,
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
from wxgate.errors import (
    CircuitOpen,
    GatewayError,
    NeedsReauthorization,
    TicketMissing,
    Unreachable,
    UpstreamError,
)
from wxgate.protocol.answers import error_of
from wxgate.protocol.tokens import TokenKey, TokenKind

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)  # noon in China
RESET = datetime(2026, 3, 1, 16, tzinfo=UTC)

COMPONENT = TokenKey("wxp", "wxp", TokenKind.COMPONENT)
AUTHORIZER = TokenKey("wxp", "wxa", TokenKind.AUTHORIZER)
DIRECT = TokenKey("direct", "wxa", TokenKind.DIRECT)

OWN_PATH = "/cgi-bin/component/api_authorizer_token"
COMPONENT_PATH = "/cgi-bin/component/api_component_token"


def failed(circuit: Circuit, times: int = 1, *, accounts: int = 1, answered: bool = False) -> Circuit:
    """Let fetches fail one after another, for one account or several in turn."""
    for turn in range(times):
        failure = Failure(f"wx{turn % accounts}", "busy", answered)
        circuit = after(circuit, Verdict.BAD, NOW, failure=failure, shared=True)
    return circuit


OPEN = failed(Circuit(), FAILURES)


@pytest.mark.parametrize(
    ("key", "error", "verdict"),
    [
        (AUTHORIZER, error_of(61023, "", OWN_PATH), Verdict.GOOD),
        (AUTHORIZER, error_of(61003, "", OWN_PATH), Verdict.GOOD),
        (AUTHORIZER, error_of(45009, "", OWN_PATH), Verdict.SPENT),
        (AUTHORIZER, error_of(45009, "", COMPONENT_PATH), Verdict.NEUTRAL),
        (AUTHORIZER, error_of(61005, "", COMPONENT_PATH), Verdict.NEUTRAL),
        (AUTHORIZER, error_of(45011, "", OWN_PATH), Verdict.BAD),
        (COMPONENT, error_of(-1, "", COMPONENT_PATH), Verdict.BAD),
        (COMPONENT, Unreachable("no route", sent=False), Verdict.BAD),
        (AUTHORIZER, UpstreamError("asked again later", sent=False), Verdict.NEUTRAL),
        (COMPONENT, TicketMissing("none"), Verdict.NEUTRAL),
        (AUTHORIZER, NeedsReauthorization("gone"), Verdict.NEUTRAL),
        (AUTHORIZER, CircuitOpen("the platform's", retry_after=1), Verdict.NEUTRAL),
        (DIRECT, error_of(40125, "", "/cgi-bin/stable_token"), Verdict.GOOD),
    ],
)
def test_only_what_concerns_all_tokens_of_a_kind_counts(
    key: TokenKey, error: GatewayError, verdict: Verdict
) -> None:
    assert judge(key, error) is verdict


def test_all_accounts_of_a_platform_share_a_circuit_and_others_have_their_own() -> None:
    assert scope_of(AUTHORIZER) == scope_of(replace(AUTHORIZER, account="wxb"))
    assert scope_of(AUTHORIZER) != scope_of(replace(AUTHORIZER, issuer="wxq"))
    assert scope_of(DIRECT) != scope_of(replace(DIRECT, account="wxb"))
    assert scope_of(AUTHORIZER) != scope_of(COMPONENT)


def test_a_few_failures_in_a_row_open_and_a_success_between_them_starts_over() -> None:
    assert failed(Circuit(), FAILURES - 1).state is CircuitState.CLOSED
    assert OPEN.state is CircuitState.OPEN
    mended = after(failed(Circuit(), FAILURES - 1), Verdict.GOOD, NOW)
    assert failed(mended, FAILURES - 1).state is CircuitState.CLOSED


def test_what_wechat_answers_for_one_account_does_not_stop_the_others() -> None:
    assert failed(Circuit(), 50, answered=True).state is CircuitState.CLOSED
    assert failed(Circuit(), FAILURES, accounts=2, answered=True).state is CircuitState.OPEN


def test_one_account_over_its_quota_does_not_stop_the_others() -> None:
    def spent(circuit: Circuit, account: str) -> Circuit:
        failure = Failure(account, "45009", answered=True, spent=True)
        return after(circuit, Verdict.SPENT, NOW, failure=failure, shared=True, reset=RESET)

    one = spent(spent(Circuit(), "wxa"), "wxa")
    assert one.state is CircuitState.CLOSED
    assert spent(failed(one), "wxa").state is CircuitState.CLOSED
    two = spent(one, "wxb")
    assert (two.state, two.until) == (CircuitState.OPEN, RESET)


def test_a_quota_of_ones_own_opens_at_once_until_the_day_ends() -> None:
    failure = Failure("wxp", "45009", answered=True, spent=True)
    circuit = after(Circuit(), Verdict.SPENT, NOW, failure=failure, reset=RESET)
    assert (circuit.state, circuit.until) == (CircuitState.OPEN, RESET)
    assert admit(circuit, NOW + SPENT_PROBE - timedelta(seconds=1)) is None
    assert admit(circuit, RESET) is not None


def test_a_spent_quota_is_tried_now_and_then_and_closes_when_it_was_cleared_elsewhere() -> None:
    trying = admit(spent_elsewhere(RESET, "45009", NOW), NOW + SPENT_PROBE)
    assert trying is not None
    cut_off = after(trying, Verdict.BAD, NOW, failure=Failure("wxp", "no route", answered=False))
    assert (cut_off.state, cut_off.until) == (CircuitState.OPEN, RESET)
    assert after(trying, Verdict.GOOD, NOW) == Circuit()


def test_one_attempt_at_a_time_goes_through_after_the_wait() -> None:
    assert admit(OPEN, NOW + BACKOFF - timedelta(seconds=1)) is None
    trying = admit(OPEN, NOW + BACKOFF)
    assert trying is not None
    assert trying.state is CircuitState.HALF_OPEN
    assert admit(trying, NOW + BACKOFF) is None


def test_each_failed_attempt_makes_the_wait_longer_up_to_a_limit() -> None:
    circuit, now, waits = OPEN, NOW, []
    for _ in range(10):
        assert circuit.next_try is not None
        waits.append(circuit.next_try - now)
        now = circuit.next_try
        trying = admit(circuit, now)
        assert trying is not None
        circuit = after(trying, Verdict.BAD, now, failure=Failure("wxa", "busy", answered=False))
    assert waits[:3] == [BACKOFF, 2 * BACKOFF, 4 * BACKOFF]
    assert max(waits) == BACKOFF_MOST


def test_an_attempt_that_says_nothing_lets_the_next_one_try() -> None:
    trying = admit(OPEN, NOW + BACKOFF)
    assert trying is not None
    undecided = after(trying, Verdict.NEUTRAL, NOW + BACKOFF)
    assert undecided.state is CircuitState.OPEN
    assert admit(undecided, NOW + BACKOFF) is not None


def test_late_failures_of_an_open_circuit_do_not_prolong_it() -> None:
    assert failed(OPEN, 20) == OPEN


def test_a_clock_that_was_set_back_does_not_keep_a_circuit_open() -> None:
    assert admit(OPEN, NOW - timedelta(days=1)) is not None


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("state", CircuitState)
def test_every_outcome_in_every_state_leads_somewhere(state: CircuitState, verdict: Verdict) -> None:
    circuit = replace(OPEN if state is not CircuitState.CLOSED else Circuit(), state=state)
    failure = Failure("wxp", "busy", answered=False, spent=verdict is Verdict.SPENT)
    then = after(circuit, verdict, NOW, failure=failure, reset=RESET)
    expected = {
        Verdict.GOOD: CircuitState.CLOSED,
        Verdict.BAD: state if state is CircuitState.CLOSED else CircuitState.OPEN,
        Verdict.SPENT: CircuitState.OPEN,
        Verdict.NEUTRAL: CircuitState.CLOSED if state is CircuitState.CLOSED else CircuitState.OPEN,
    }
    assert then.state is expected[verdict]


def test_a_budget_is_free_until_its_reserve_and_ends_with_the_day() -> None:
    assert day_of(NOW) == "2026-03-01"
    assert day_of(RESET) == "2026-03-02"
    assert not_before(94, 100, NOW, NOW) is None
    assert not_before(10**9, 0, NOW, NOW) is None
    assert not_before(100, 100, NOW, NOW) == RESET
    assert not_before(101, 100, None, NOW) == RESET


def test_the_reserve_is_spread_over_what_is_left_of_the_day() -> None:
    wait = not_before(95, 100, NOW, NOW)
    assert wait == NOW + (RESET - NOW) / 5
    assert not_before(95, 100, NOW - timedelta(hours=3), NOW) is None
    assert not_before(95, 100, None, NOW) is None


def test_one_bad_account_does_not_keep_a_circuit_open_for_the_others() -> None:
    bad, now = Failure("wxbad", "busy", answered=True), OPEN.next_try
    assert now is not None
    tried = admit(OPEN, now, account="wxbad")
    assert tried is not None
    again = after(tried, Verdict.BAD, now, failure=bad, shared=True)
    assert (again.state, again.next_try) == (CircuitState.OPEN, now)
    assert admit(again, now, account="wxbad") is None, "the others go first"
    other = admit(again, now, account="wxgood")
    assert other is not None
    assert after(other, Verdict.GOOD, now) == Circuit()
    late = admit(again, now + OTHERS_FIRST, account="wxbad")
    assert late is not None, "an account that is alone is not shut out"


def test_one_accounts_spent_quota_stops_nobody_else_until_midnight() -> None:
    spent, now = Failure("wxbad", "45009", answered=True, spent=True), OPEN.next_try
    assert now is not None
    tried = admit(OPEN, now, account="wxbad")
    assert tried is not None
    lone = after(tried, Verdict.SPENT, now, failure=spent, shared=True, reset=RESET)
    assert (lone.until, lone.next_try) == (None, now)
    tried = admit(lone, now, account="wxother")
    assert tried is not None
    both = after(
        tried, Verdict.SPENT, now, failure=replace(spent, account="wxother"), shared=True, reset=RESET
    )
    assert both.until == RESET


def tried(circuit: Circuit, account: str, now: datetime, *, answered: bool) -> Circuit:
    """Let one attempt through for an account, and let it fail."""
    trying = admit(circuit, now, account=account)
    assert trying is not None
    failure = Failure(account, "busy", answered)
    return after(trying, Verdict.BAD, now, failure=failure, shared=True)


def test_what_wechat_answers_to_several_accounts_keeps_the_circuit_open() -> None:
    now = NOW + BACKOFF
    both = tried(tried(OPEN, "wxa", now, answered=True), "wxb", now, answered=True)
    assert (both.state, both.next_try) == (CircuitState.OPEN, now + 2 * BACKOFF)
    assert admit(both, now, account="wxc") is None


def test_one_bad_account_and_another_over_its_quota_stop_nobody_until_midnight() -> None:
    now = NOW + BACKOFF
    trying = admit(tried(OPEN, "wxa", now, answered=True), now, account="wxb")
    assert trying is not None
    spent = Failure("wxb", "45009", answered=True, spent=True)
    opened = after(trying, Verdict.SPENT, now, failure=spent, shared=True, reset=RESET)
    assert (opened.until, opened.next_try) == (None, now + 2 * BACKOFF)


def test_an_account_that_gets_no_answer_does_not_take_every_turn() -> None:
    circuit = tried(OPEN, "wxbad", NOW + BACKOFF, answered=False)
    assert circuit.next_try is not None
    assert admit(circuit, circuit.next_try, account="wxbad") is None
    assert admit(circuit, circuit.next_try, account="wxgood") is not None
    assert admit(circuit, circuit.next_try + OTHERS_FIRST, account="wxbad") is not None
