"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.events.schedule import (
    FAILURES,
    FEWEST_ATTEMPTS,
    LIFETIME,
    LONGEST_OPEN,
    next_attempt,
    open_for,
    read_retry_after,
)

BEGAN = datetime(2026, 3, 1, 10, tzinfo=UTC)
CHANCE = st.floats(0, 1)


@given(st.lists(CHANCE, min_size=40, max_size=40))
def test_attempts_spread_over_a_day_and_end(chances: list[float]) -> None:
    now, times = BEGAN, [BEGAN]
    for attempts, chance in enumerate(chances, 1):
        due = next_attempt(attempts, first_at=BEGAN, now=now, random=chance)
        if due is None:
            break
        assert due > now
        now = due
        times.append(due)
    assert times[-1] == BEGAN + LIFETIME
    assert 12 <= len(times) <= 20
    assert times[1] <= BEGAN + timedelta(seconds=6)


def test_what_waited_for_days_gets_three_attempts() -> None:
    now = BEGAN + timedelta(days=3)
    assert next_attempt(FEWEST_ATTEMPTS - 1, first_at=BEGAN, now=now, random=0.5) is not None
    assert next_attempt(FEWEST_ATTEMPTS, first_at=BEGAN, now=now, random=0.5) is None


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(minutes=3), timedelta(minutes=3)),
        (timedelta(days=9), LIFETIME),
    ],
)
def test_retry_after_makes_the_wait_longer_within_the_day(asked: timedelta, waited: timedelta) -> None:
    assert next_attempt(1, first_at=BEGAN, now=BEGAN, random=0.5, retry_after=asked) == BEGAN + waited


def test_the_circuit_opens_after_ten_failures_and_for_ever_longer() -> None:
    assert open_for(FAILURES - 1) is None
    waits = [open_for(failures) for failures in range(FAILURES, FAILURES + 6)]
    assert waits == [timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 480, 600)]
    assert open_for(10**9) == LONGEST_OPEN


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", timedelta(minutes=2)),
        ("99999999999999999999", LIFETIME),
        ("Sun, 01 Mar 2026 10:05:00 GMT", timedelta(minutes=5)),
        ("Sun, 01 Mar 2026 09:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("Sun, 01 Mar 2026 10:05:00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: timedelta | None) -> None:
    assert read_retry_after(value, BEGAN) == expected


@given(st.text())
def test_no_retry_after_breaks_anything(value: str) -> None:
    read_retry_after(value, BEGAN)
