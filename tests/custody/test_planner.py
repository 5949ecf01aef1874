"""Which due tokens are renewed ahead: platforms' always, accounts' while somebody uses them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wxgate.custody.planner import plan
from wxgate.custody.records import DueToken
from wxgate.protocol.tokens import TokenKey, TokenKind

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
WINDOW = timedelta(hours=24)


def due(
    account: str, kind: TokenKind = TokenKind.AUTHORIZER, used: float | None = None, left: float = 10
) -> DueToken:
    """A due token that was used so many hours ago and has so many minutes left."""
    used_at = None if used is None else NOW - timedelta(hours=used)
    key = TokenKey("wxplatform", account, kind)
    return DueToken(key, 1, NOW + timedelta(minutes=left), NOW, used_at)


def test_a_token_in_use_is_renewed_and_an_idle_one_parked() -> None:
    used, idle, never = due("a", used=24), due("b", used=24.1), due("c")
    decided = plan([used, idle, never], now=NOW, window=WINDOW, room=10)
    assert decided.renew == (used,)
    assert decided.park == (idle, never)


def test_a_use_that_seems_to_lie_ahead_is_a_use() -> None:
    ahead = due("a", used=-3)
    assert plan([ahead], now=NOW, window=WINDOW, room=1).renew == (ahead,)


def test_a_platforms_own_token_is_renewed_though_nobody_used_it_and_comes_first() -> None:
    rows = [
        due("a", used=1, left=1),
        due("wxplatform", TokenKind.COMPONENT, left=9),
        due("b", used=1, left=0),
    ]
    decided = plan(rows, now=NOW, window=timedelta(0), room=1)
    assert decided.renew == (rows[1],)
    decided = plan(rows, now=NOW, window=WINDOW, room=3)
    assert decided.renew == (rows[1], rows[2], rows[0])


def test_what_there_is_no_room_for_waits_and_the_most_urgent_does_not() -> None:
    rows = [due(str(left), used=1, left=left) for left in (5, 3, 4)]
    decided = plan(rows, now=NOW, window=WINDOW, room=1)
    assert (decided.renew, decided.later) == ((rows[1],), (rows[2], rows[0]))


ROWS = st.lists(
    st.builds(
        due,
        st.integers(0, 10_000).map(str),
        st.sampled_from(TokenKind),
        st.none() | st.floats(-48, 48),
        st.floats(-60, 60),
    ),
    unique_by=lambda row: row.key,
    max_size=20,
)


@given(ROWS, st.integers(0, 20))
def test_every_due_token_gets_exactly_one_decision(rows: list[DueToken], room: int) -> None:
    decided = plan(rows, now=NOW, window=WINDOW, room=room)
    assert sorted(map(str, (*decided.renew, *decided.park, *decided.later))) == sorted(map(str, rows))
    assert len(decided.renew) <= room
