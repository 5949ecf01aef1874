"""When a delivery is tried again, and when a subscriber is left alone for a while.

    attempt   1    2     3      4       5       6     7    8, 9, ...
    after    5 s  30 s  2 min  10 min  30 min  1 h   2 h  3 h each, the last one after a day

A delivery is given up when a day has passed and an attempt has failed; never before the third attempt, so
that what waited through a long pause is not lost over one bad moment. Ten failures in a row open the circuit:
nothing is sent for 30 seconds, then one event as a trial, and every trial that fails doubles the time, up to
ten minutes.
"""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 10800))
JITTER = 0.2
"""How far a wait is varied, either way, so that what failed together does not come back together."""

LIFETIME = timedelta(hours=24)
FEWEST_ATTEMPTS = 3

FAILURES = 10
"""How many failures in a row open the circuit."""

SHORTEST_OPEN = timedelta(seconds=30)
LONGEST_OPEN = timedelta(minutes=10)


def next_attempt(
    attempts: int,
    *,
    first_at: datetime,
    now: datetime,
    random: float,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """Say when to try again after so many failed attempts; None when it is over.

    `random` is between 0 and 1. A `retry_after` that the subscriber asked for makes the wait longer, not
    shorter, and never longer than the day.
    """
    end = first_at + LIFETIME
    over = now >= end
    if over and attempts >= FEWEST_ATTEMPTS:
        return None
    wait = WAITS[min(max(attempts, 1), len(WAITS)) - 1] * (1 - JITTER + 2 * JITTER * random)
    due = now + max(wait, min(retry_after or wait, LIFETIME))
    return due if over else min(due, end)


def open_for(failures: int) -> timedelta | None:
    """Say for how long nothing is sent after so many failures in a row; None while sending goes on."""
    if failures < FAILURES:
        return None
    doublings = min(failures - FAILURES, 10)
    return min(SHORTEST_OPEN * (1 << doublings), LONGEST_OPEN)


def read_retry_after(value: str, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds or a date; None for anything else."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), int(LIFETIME.total_seconds())))
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        return None
    return max(date - now, timedelta(0))
