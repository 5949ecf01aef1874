"""When a token is fresh, due or expired."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.protocol.tokens import Freshness, TokenKind, freshness, renew_at

START = datetime(2026, 1, 1, tzinfo=UTC)


def _seconds_until_renewal(lifetime: int) -> float:
    return (renew_at(START, START + timedelta(seconds=lifetime)) - START).total_seconds()


@pytest.mark.parametrize(
    ("lifetime", "renewed_after"),
    [(7200, 6600), (86400, 85800), (3600, 3300), (300, 270), (60, 30), (40, 20), (10, 5), (1, 0.5), (0, 0)],
)
def test_a_token_is_renewed_a_twelfth_of_its_life_early_within_bounds(
    lifetime: int, renewed_after: float
) -> None:
    assert _seconds_until_renewal(lifetime) == renewed_after


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Freshness.FRESH),
        (6599, Freshness.FRESH),
        (6600, Freshness.DUE),
        (7189, Freshness.DUE),
        (7190, Freshness.EXPIRED),
        (7200, Freshness.EXPIRED),
        (10**6, Freshness.EXPIRED),
        (-100, Freshness.FRESH),
    ],
)
def test_a_token_of_two_hours_ages_through_its_three_states(age: int, expected: Freshness) -> None:
    assert freshness(START, START + timedelta(seconds=7200), START + timedelta(seconds=age)) is expected


def test_a_direct_token_is_not_asked_for_while_wechat_would_give_the_same_again() -> None:
    end = START + timedelta(hours=2)
    for early in (0.0, 0.5, 1.0):
        left = end - renew_at(START, end, TokenKind.DIRECT, early=early)
        assert timedelta(minutes=3) < left < timedelta(minutes=5)


@given(st.integers(1, 100_000), st.floats(0, 1), st.sampled_from([None, *TokenKind]))
def test_spreading_renews_earlier_but_never_in_the_first_half_of_a_life(
    lifetime: int, early: float, kind: TokenKind | None
) -> None:
    end = START + timedelta(seconds=lifetime)
    moment = renew_at(START, end, kind, early=early)
    assert START + timedelta(seconds=lifetime) / 2 <= moment <= renew_at(START, end, kind)


@given(st.integers(1, 100_000), st.integers(0, 100_000))
def test_every_token_is_fresh_first_then_due_then_expired(lifetime: int, age: int) -> None:
    end = START + timedelta(seconds=lifetime)
    assert freshness(START, end, START) is Freshness.FRESH
    assert freshness(START, end, renew_at(START, end)) is Freshness.DUE
    assert freshness(START, end, end) is Freshness.EXPIRED
    order = list(Freshness)
    now = START + timedelta(seconds=age)
    later = freshness(START, end, now + timedelta(seconds=1))
    assert order.index(freshness(START, end, now)) <= order.index(later)
