"""The limiter: so many at once, coming back evenly, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.server.limits import Limiter, household


@pytest.mark.parametrize("most", [1, 7, 20, 600])
def test_so_many_are_let_through_at_once_and_not_one_more(most: int) -> None:
    limiter = Limiter(most, 60)
    assert [limiter.take("a", 1000.1) for _ in range(most)] == [0] * most
    assert limiter.take("a", 1000.1) == pytest.approx(60 / most)


def test_the_allowance_comes_back_evenly_and_who_is_refused_loses_nothing() -> None:
    limiter = Limiter(20, 60)
    for _ in range(20):
        limiter.take("a", 0)
    assert [limiter.take("a", 1) for _ in range(5)] == pytest.approx([2] * 5)
    assert limiter.take("a", 3) == 0
    assert limiter.take("a", 3) == pytest.approx(3)
    assert [limiter.take("a", 100) for _ in range(20)] == [0] * 20


def test_keys_do_not_share() -> None:
    limiter = Limiter(1, 60)
    assert limiter.take("a", 0) == 0
    assert limiter.take("b", 0) == 0
    assert limiter.take("a", 0) > 0


def test_who_was_quiet_longest_is_forgotten_first() -> None:
    limiter = Limiter(2, 60, remembered=2)
    for key in ("a", "b", "a", "c"):
        assert limiter.take(key, 0) == 0
    assert limiter.take("a", 0) > 0
    assert len(limiter._whole_at) == 2


@given(st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_sees_more_than_two_allowances(pauses: list[float]) -> None:
    limiter, now, passed = Limiter(5, 60), 0.0, []
    for pause in pauses:
        now += pause
        if limiter.take("a", now) == 0:
            passed.append(now)
    assert all(sum(start <= each < start + 60 for each in passed) <= 10 for start in passed)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_household_shares_one_ipv6_network(address: str, name: str) -> None:
    assert household(address) == name
