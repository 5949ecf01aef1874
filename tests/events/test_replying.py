"""The table of replies: nothing that can happen leads to two answers for one message."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.events.records import ReplyState
from wxgate.events.replying import (
    CLAIMING,
    OFFERS,
    REPLIED_BEFORE,
    TOO_LATE,
    TRANSITIONS,
    Turn,
    claims,
    lose_claim,
    rule,
)

TURNS = st.lists(st.tuples(st.sampled_from(Turn), st.booleans()), max_size=12)

ENDS = {ReplyState.SENT, ReplyState.FAILED, ReplyState.DROPPED}


def states_through(turns: Sequence[tuple[Turn, bool]]) -> list[ReplyState]:
    """Play turns, whoever brings them; list every state that was come to."""
    path = [ReplyState.OPEN]
    for turn, fallback in turns:
        ruling = rule(path[-1], turn, fallback=fallback)
        if ruling is not None and ruling.state is not path[-1]:
            path.append(ruling.state)
    return path


@given(TURNS)
def test_no_order_of_turns_leads_to_a_reply_and_a_message_besides(turns: list[tuple[Turn, bool]]) -> None:
    path = states_through(turns)
    assert not {ReplyState.CARRIED, ReplyState.SENDING} <= set(path)


@given(TURNS)
def test_no_state_is_come_to_twice_but_for_another_try(turns: list[tuple[Turn, bool]]) -> None:
    path = states_through([turn for turn in turns if turn[0] is not Turn.AGAIN])
    assert len(path) == len(set(path))


@given(TURNS)
def test_the_claim_is_taken_once_at_most_and_before_anything_is_shown(turns: list[tuple[Turn, bool]]) -> None:
    path = states_through(turns)
    taken = [after for before, after in pairwise(path) if claims(before, after)]
    assert len(taken) <= 1
    shown = {ReplyState.CARRIED, ReplyState.SENDING} & set(path)
    assert not shown or taken


@given(TURNS)
def test_without_the_fallback_nothing_is_sent(turns: list[tuple[Turn, bool]]) -> None:
    path = states_through([(turn, False) for turn, _ in turns])
    assert {ReplyState.CUSTOM, ReplyState.SENDING}.isdisjoint(path)


@pytest.mark.parametrize("state", ReplyState)
def test_every_state_is_come_to_and_only_ends_are_final(state: ReplyState) -> None:
    assert state in {ReplyState.OPEN, ReplyState.DROPPED} | set(TRANSITIONS.values())
    leaves = any(before is state for before, _ in TRANSITIONS)
    assert leaves is (state not in ENDS | {ReplyState.CARRIED})


@pytest.mark.parametrize("turn", sorted(OFFERS))
def test_a_second_reply_is_dropped_and_leaves_the_first(turn: Turn) -> None:
    for state in (*CLAIMING, ReplyState.SENDING, *ENDS):
        ruling = rule(state, turn, fallback=True)
        assert ruling is not None
        assert (ruling.state, ruling.of_reply, ruling.remark) == (state, ReplyState.DROPPED, REPLIED_BEFORE)


def test_a_late_reply_without_the_fallback_says_why_nobody_saw_it() -> None:
    ruling = rule(ReplyState.CLOSED, Turn.LATE, fallback=False)
    assert ruling is not None
    assert (ruling.state, ruling.remark) == (ReplyState.DROPPED, TOO_LATE)


def test_a_lost_claim_is_explained() -> None:
    assert "another of your platforms" in lose_claim().remark
