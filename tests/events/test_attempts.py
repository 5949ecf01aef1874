"""Which of WeChat's attempts is the last."""

from datetime import timedelta

import pytest

from wxgate.events.attempts import Patience


@pytest.mark.parametrize(
    ("arrivals", "age", "last"),
    [
        (1, 0.0, False),
        (2, 5.0, False),
        (2, 5.4, False),
        (2, 10.0, True),  # the second was lost on the way
        (1, 10.0, True),
        (3, 10.0, True),
        (3, 0.2, True),  # each was refused at once
    ],
)
def test_the_attempt_after_two_time_outs_or_two_others_is_the_last(
    arrivals: int, age: float, last: bool
) -> None:
    assert Patience().is_last(arrivals, timedelta(seconds=age)) is last
