"""One try to log in: the state machine, and what every request that comes back to it gets (P1, P5).

    PENDING ──claim, by one request──> EXCHANGING ──finish──> DONE, with an outcome for a minute
                                           └──reclaim, once: refused, and here is another code──┘

WeChat calls back twice, people go back and reload: what comes after the first call waits for its outcome
and gets the same. A claim whose holder has died is never taken again, for its code may be spent; whoever
comes then starts again. Whoever said no, goes back and says yes brings a code that nobody has seen: it is
exchanged. After a login another code may be another person's, so it gets nothing of the first one's.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.login.records import Attempt, AttemptState
from wxgate.secret import BrowserKey, equal, fingerprint

LIFETIME = timedelta(minutes=10)
"""How long somebody may take at WeChat; a QR code is shown for five."""

OUTCOME_KEPT = timedelta(seconds=60)
"""How long the outcome is given again."""

SAME_CALL = timedelta(seconds=10)
"""How long after a login another code is still WeChat's second call: it comes within moments."""

LEASE = timedelta(seconds=30)
"""How long an exchange may take: two calls to WeChat, one of them perhaps after a new token."""

WAIT_SECONDS = 3.0
"""How long the second of two calls waits for the outcome of the first."""

POLL_SECONDS = 0.1

MOST_RESTARTS = 1

MOST_REPLAYS, MOST_REMEMBERED = 5, 10_000
"""How often one node makes an answer anew for an attempt that is over, and of how many attempts it counts."""

MOST_SUCCESSORS = 2
"""How many attempts may be begun in place of one: WeChat calls back twice, and shows the second answer."""


class Step(StrEnum):
    """What a request that comes back from WeChat gets."""

    UNKNOWN = "unknown"
    """There is no such attempt (any more)."""
    STRANGER = "stranger"
    """Another browser began it: nobody is ever logged in here."""
    WRONG_ACCOUNT = "wrong_account"
    """WeChat names another account than the one that was asked for."""
    CLAIM = "claim"
    """It is the first: exchange the code."""
    RECLAIM = "reclaim"
    """It ended without a session, and here is a code that was not exchanged."""
    WAIT = "wait"
    """Another request is at it."""
    REPLAY = "replay"
    """It is done: the same answer once more."""
    AGAIN = "again"
    """Too late, or the holder died: on to the goal with the session there is, else from the start."""


def judge_callback(
    attempt: Attempt | None,
    browser_key: BrowserKey | None,
    now: datetime,
    *,
    account_fits: bool = True,
    code_hash: str | None = None,
) -> Step:
    """Decide what a request that comes back gets; `code_hash` is of the code it brings, if any."""
    if attempt is None:
        return Step.UNKNOWN
    if browser_key is None or not equal(fingerprint(browser_key), attempt.browser_hash):
        return Step.STRANGER
    if not account_fits:
        return Step.WRONG_ACCOUNT
    match attempt.state:
        case AttemptState.PENDING:
            return Step.CLAIM if now < attempt.expires_at else Step.AGAIN
        case AttemptState.EXCHANGING:
            alive = attempt.lease_until is not None and now < attempt.lease_until
            return Step.WAIT if alive else Step.AGAIN
        case AttemptState.DONE:
            return _judge_done(attempt, now, code_hash)


def _judge_done(attempt: Attempt, now: datetime, code_hash: str | None) -> Step:
    outcome, finished_at = attempt.outcome, attempt.finished_at
    if outcome is None or finished_at is None:
        return Step.AGAIN
    another = brings_another_code(attempt, code_hash)
    if another and outcome.is_refusal and not attempt.reclaimed and now < attempt.expires_at:
        return Step.RECLAIM
    kept = SAME_CALL if another and outcome.session_id is not None else OUTCOME_KEPT
    return Step.REPLAY if now < finished_at + kept else Step.AGAIN


def brings_another_code(attempt: Attempt, code_hash: str | None) -> bool:
    """Tell whether a request brings a code, and not the one that was exchanged."""
    return code_hash is not None and not equal(code_hash, attempt.code_hash or "")


class Replays:
    """Counts what is made for attempts that are over: each time is a row, and a callback is sent for nothing.

    What is counted is this node's, for as long as it is among the newest.
    """

    def __init__(self, most: int = MOST_REPLAYS, remembered: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._remembered = remembered
        self._counts: dict[str, int] = {}

    def take(self, attempt: Attempt) -> bool:
        """Take one of an attempt's; False when it has had them all."""
        count = self._counts.pop(attempt.state_hash, 0)
        self._counts[attempt.state_hash] = min(count + 1, self._most)
        if len(self._counts) > self._remembered:
            del self._counts[next(iter(self._counts))]
        return count < self._most


def may_restart(attempt: Attempt) -> bool:
    """Tell whether another try may follow by itself."""
    return attempt.restarts < MOST_RESTARTS
