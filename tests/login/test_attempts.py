"""What every request that comes back from WeChat gets, by the state of its attempt (P1, P5)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.login.attempts import (
    LEASE,
    LIFETIME,
    OUTCOME_KEPT,
    SAME_CALL,
    Step,
    judge_callback,
    may_restart,
)
from wxgate.login.records import Attempt, AttemptState, Goal, Mode, Outcome, Purpose
from wxgate.secret import BrowserKey, OAuthCode, Secret, fingerprint

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = BrowserKey("the browser's key")
PENDING = Attempt(
    state_hash="s",
    browser_hash=fingerprint(KEY),
    realm="r",
    app="shop",
    mode=Mode.SILENT,
    goal=Goal(Purpose.PAGE),
    started_at=NOW,
    expires_at=NOW + LIFETIME,
)
EXCHANGING = replace(PENDING, state=AttemptState.EXCHANGING, holder="a node", lease_until=NOW + LEASE)
DONE = replace(
    PENDING, state=AttemptState.DONE, finished_at=NOW, outcome=Outcome("session", "https://a.example/")
)
SECOND = timedelta(seconds=1)
SPENT = fingerprint(OAuthCode("code"))
REFUSED = replace(DONE, outcome=Outcome("cancelled", "/"))
LET_IN = replace(DONE, outcome=Outcome("session", "/", Secret("id"), Secret("presence")), code_hash=SPENT)

TABLE = {
    "no such attempt": (None, NOW, Step.UNKNOWN),
    "the first": (PENDING, NOW + LIFETIME - SECOND, Step.CLAIM),
    "the first, too late": (PENDING, NOW + LIFETIME, Step.AGAIN),
    "another one is at it": (EXCHANGING, NOW + LEASE - SECOND, Step.WAIT),
    "whoever was at it has died": (EXCHANGING, NOW + LEASE, Step.AGAIN),
    "done just now": (DONE, NOW + OUTCOME_KEPT - SECOND, Step.REPLAY),
    "done a while ago": (DONE, NOW + OUTCOME_KEPT, Step.AGAIN),
    "done, and its outcome forgotten": (replace(DONE, outcome=None), NOW + SECOND, Step.AGAIN),
}


@pytest.mark.parametrize(("attempt", "now", "step"), TABLE.values(), ids=TABLE)
def test_the_state_decides(attempt: Attempt | None, now: datetime, step: Step) -> None:
    assert judge_callback(attempt, KEY, now) is step


CODES = {
    "refused, and no code": (REFUSED, None, NOW, Step.REPLAY),
    "refused, and a code now": (REFUSED, "code", NOW, Step.RECLAIM),
    "refused a while ago": (REFUSED, "code", NOW + OUTCOME_KEPT, Step.RECLAIM),
    "refused too long ago": (REFUSED, "code", NOW + LIFETIME, Step.AGAIN),
    "refused twice": (replace(REFUSED, reclaimed=True), "code", NOW, Step.REPLAY),
    "refused with this very code": (replace(REFUSED, code_hash=SPENT), "code", NOW, Step.REPLAY),
    "started again": (replace(DONE, outcome=Outcome("restarted", "/")), "code", NOW, Step.REPLAY),
    "let in by this very code": (LET_IN, "code", NOW + OUTCOME_KEPT - SECOND, Step.REPLAY),
    "let in, and no code": (LET_IN, None, NOW + OUTCOME_KEPT - SECOND, Step.REPLAY),
    "let in, and WeChat's second call": (LET_IN, "another", NOW + SAME_CALL - SECOND, Step.REPLAY),
    "let in, and another person's code": (LET_IN, "another", NOW + SAME_CALL, Step.AGAIN),
}


@pytest.mark.parametrize(("attempt", "code", "now", "step"), CODES.values(), ids=CODES)
def test_the_code_decides_what_becomes_of_an_attempt_that_is_done(
    attempt: Attempt, code: str | None, now: datetime, step: Step
) -> None:
    code_hash = fingerprint(OAuthCode(code)) if code else None
    assert judge_callback(attempt, KEY, now, code_hash=code_hash) is step


@pytest.mark.parametrize("attempt", [PENDING, EXCHANGING, DONE], ids=["pending", "exchanging", "done"])
@pytest.mark.parametrize("key", [None, BrowserKey("another"), BrowserKey("")])
def test_another_browser_gets_nothing_whatever_the_state(attempt: Attempt, key: BrowserKey | None) -> None:
    assert judge_callback(attempt, key, NOW) is Step.STRANGER
    assert judge_callback(attempt, key, NOW, account_fits=False) is Step.STRANGER


@pytest.mark.parametrize("attempt", [PENDING, EXCHANGING, DONE], ids=["pending", "exchanging", "done"])
def test_another_account_gets_nothing_whatever_the_state(attempt: Attempt) -> None:
    assert judge_callback(attempt, KEY, NOW, account_fits=False) is Step.WRONG_ACCOUNT


def test_another_try_follows_by_itself_once() -> None:
    assert may_restart(PENDING)
    assert not may_restart(replace(PENDING, restarts=1))
