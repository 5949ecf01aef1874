"""Replies: each step happens once on any number of nodes, and a message is answered by one event."""

import asyncio
from typing import Any

import pytest

from tests.store.moments import after
from tests.store.test_inbox import load, message, record
from wxgate.events.records import Event, EventState, ReplyState
from wxgate.events.replying import REPLIED_BEFORE, REPLIED_ELSEWHERE, TOO_LATE, Turn
from wxgate.store import Store

HANDLING, DONE = EventState.HANDLING, EventState.DONE


async def end(
    store: Store,
    event: Event,
    turn: Turn,
    *,
    state: EventState = DONE,
    reply: str | None = "<xml/>",
    error: str = "",
    fallback: bool = True,
) -> ReplyState | None:
    return await store.inbox.finish(
        event.id,
        holder="node-a",
        state=state,
        reply=reply,
        error=error,
        now=after(1),
        turn=turn,
        fallback=fallback,
    )


async def advance(store: Store, event: Event, turn: Turn, **how: Any) -> ReplyState | None:
    return await store.answers.advance(event.id, turn, now=after(2), **how)


async def stands(store: Store, event: Event) -> tuple[EventState, ReplyState, str | None, str]:
    now = await load(store, event)
    return now.state, now.reply_state, now.reply, now.error


@pytest.mark.parametrize(
    ("turn", "state"),
    [
        (Turn.CARRY, ReplyState.CARRIED),
        (Turn.KEEP, ReplyState.READY),
        (Turn.LATE, ReplyState.CUSTOM),
    ],
)
async def test_a_reply_is_kept_with_what_is_to_become_of_it(
    store: Store, turn: Turn, state: ReplyState
) -> None:
    event = (await record(store)).event
    assert await end(store, event, turn) is state
    assert await stands(store, event) == (DONE, state, "<xml/>", "")


async def test_a_reply_may_be_committed_before_the_event_is_over(store: Store) -> None:
    event = (await record(store)).event
    assert await end(store, event, Turn.CARRY, state=HANDLING, error="first") is ReplyState.CARRIED
    assert await stands(store, event) == (HANDLING, ReplyState.CARRIED, "<xml/>", "first")
    assert (await load(store, event)).handled_at is None
    assert await end(store, event, Turn.NOTHING, reply=None) is ReplyState.CARRIED
    assert await stands(store, event) == (DONE, ReplyState.CARRIED, "<xml/>", "first")


async def test_a_second_reply_is_dropped(store: Store) -> None:
    event = (await record(store)).event
    await end(store, event, Turn.CARRY, state=HANDLING, reply="<one/>")
    assert await end(store, event, Turn.CARRY, reply="<two/>") is ReplyState.DROPPED
    assert await stands(store, event) == (DONE, ReplyState.CARRIED, "<one/>", REPLIED_BEFORE)


async def test_a_reply_after_the_last_deadline_goes_another_way(store: Store, other: Store) -> None:
    event = (await record(store)).event
    assert await advance(other, event, Turn.CLOSE) is ReplyState.CLOSED
    assert await end(store, event, Turn.CARRY) is ReplyState.CUSTOM


async def test_a_late_reply_that_may_not_be_sent_says_so(store: Store) -> None:
    event = (await record(store)).event
    await advance(store, event, Turn.CLOSE)
    assert await end(store, event, Turn.LATE, fallback=False, error="slow") is ReplyState.DROPPED
    assert await stands(store, event) == (DONE, ReplyState.DROPPED, None, f"slow; {TOO_LATE}")


async def test_closing_and_replying_at_once_have_one_winner(store: Store, other: Store) -> None:
    for number in range(20):
        event = (await record(store, message(number))).event
        closed, became = await asyncio.gather(
            advance(other, event, Turn.CLOSE), end(store, event, Turn.CARRY)
        )
        assert (closed, became) in [
            (ReplyState.CLOSED, ReplyState.CUSTOM),
            (None, ReplyState.CARRIED),
        ]


async def test_a_reply_that_waits_is_taken_or_left_but_not_both(store: Store, other: Store) -> None:
    for number in range(20):
        event = (await record(store, message(number))).event
        await end(store, event, Turn.KEEP)
        taken, left = await asyncio.gather(
            advance(store, event, Turn.TAKE), advance(other, event, Turn.LEAVE)
        )
        assert (taken is None) is not (left is None)


async def test_of_many_senders_one_sends(store: Store, other: Store) -> None:
    event = (await record(store)).event
    await end(store, event, Turn.LATE)
    tried = await asyncio.gather(
        *(advance(where, event, Turn.SEND, lease_until=after(60)) for where in (store, other) * 5)
    )
    assert [each for each in tried if each is not None] == [ReplyState.SENDING]
    assert (await load(store, event)).lease_until == after(60)
    assert await advance(other, event, Turn.ARRIVED, remark="it was late") is ReplyState.SENT
    assert await advance(store, event, Turn.REFUSED) is None
    assert (await load(store, event)).error == "it was late"


async def test_what_was_found_due_is_not_sent_when_somebody_has_tried_since(
    store: Store, other: Store
) -> None:
    event = (await record(store)).event
    await end(store, event, Turn.LATE)
    found_until = (await load(store, event)).lease_until
    await advance(store, event, Turn.SEND, lease_until=after(60), found_until=found_until)
    await advance(store, event, Turn.AGAIN, lease_until=after(30))
    assert await advance(other, event, Turn.SEND, lease_until=after(60), found_until=found_until) is None
    sent = await advance(other, event, Turn.SEND, lease_until=after(60), found_until=after(30))
    assert sent is ReplyState.SENDING


async def test_a_text_may_close_an_event(store: Store) -> None:
    event = (await record(store)).event
    assert await advance(store, event, Turn.CARRY, reply="<later/>") is ReplyState.CARRIED
    assert await end(store, event, Turn.CARRY) is ReplyState.DROPPED
    assert (await load(store, event)).reply == "<later/>"


async def test_the_default_text_is_not_said_to_what_is_answered_and_leaves_no_remark(store: Store) -> None:
    event = (await record(store)).event
    await end(store, event, Turn.KEEP)
    assert await advance(store, event, Turn.DEFAULT, reply="<later/>") is None
    assert await stands(store, event) == (DONE, ReplyState.READY, "<xml/>", "")


async def test_an_unknown_event_takes_no_step(store: Store) -> None:
    assert await store.answers.advance(12345, Turn.CLOSE, now=after(1)) is None


async def test_one_message_that_two_platforms_receive_is_answered_once(store: Store, other: Store) -> None:
    for number in range(0, 40, 2):
        key = f"{number:064x}"
        events = [
            (await record(store, message(number + n, issuer=f"wx{n}", message_key=key))).event for n in (0, 1)
        ]
        became = await asyncio.gather(end(store, events[0], Turn.CARRY), end(other, events[1], Turn.CARRY))
        assert sorted(filter(None, became)) == [ReplyState.CARRIED, ReplyState.DROPPED]
        loser = events[became.index(ReplyState.DROPPED)]
        assert await stands(store, loser) == (DONE, ReplyState.DROPPED, None, REPLIED_ELSEWHERE)


async def test_of_two_replies_to_one_message_in_one_group_one_is_given(store: Store) -> None:
    events = [(await record(store, message(n, message_key="k"))).event for n in range(4)]
    became = await asyncio.gather(*(end(store, event, Turn.KEEP) for event in events))
    assert sorted(filter(None, became)) == [ReplyState.DROPPED] * 3 + [ReplyState.READY]


async def test_a_claim_holds_for_late_steps_too(store: Store) -> None:
    first, second = [(await record(store, message(n, message_key="k"))).event for n in (1, 2)]
    assert await advance(store, first, Turn.CARRY, reply="<later/>") is ReplyState.CARRIED
    assert await advance(store, second, Turn.CARRY, reply="<other/>") is ReplyState.DROPPED
    assert await stands(store, second) == (HANDLING, ReplyState.DROPPED, None, REPLIED_ELSEWHERE)


async def test_silence_claims_nothing(store: Store) -> None:
    first, second = [(await record(store, message(n, message_key="k"))).event for n in (1, 2)]
    await end(store, first, Turn.NOTHING, reply=None)
    await end(store, first, Turn.CLOSE, reply=None)
    assert await end(store, second, Turn.CARRY) is ReplyState.CARRIED


async def test_claims_are_forgotten_in_time(store: Store) -> None:
    first, second = [(await record(store, message(n, message_key="k"))).event for n in (1, 2)]
    await end(store, first, Turn.CARRY)
    assert await store.answers.forget_claims(before=after(1)) == 0
    assert await store.answers.forget_claims(before=after(2)) == 1
    assert await end(store, second, Turn.CARRY) is ReplyState.CARRIED


async def test_what_is_still_to_be_sent_is_found(store: Store) -> None:
    names = ["carried", "ready", "young", "custom", "sending", "dead", "put off", "due"]
    made = {
        name: (await record(store, message(n, received_at=after(10 if name == "young" else 0)))).event
        for n, name in enumerate(names)
    }
    await end(store, made["carried"], Turn.CARRY)
    await end(store, made["ready"], Turn.KEEP)
    await end(store, made["young"], Turn.KEEP)
    for name in ("custom", "sending", "dead", "put off", "due"):
        await end(store, made[name], Turn.LATE)
    await advance(store, made["sending"], Turn.SEND, lease_until=after(60))
    await advance(store, made["dead"], Turn.SEND, lease_until=after(20))
    for name, seconds in (("put off", 60), ("due", 20)):
        await advance(store, made[name], Turn.SEND, lease_until=after(60))
        assert await advance(store, made[name], Turn.AGAIN, lease_until=after(seconds)) is ReplyState.CUSTOM

    found = await store.answers.unsent(now=after(30), received_before=after(5))
    assert [event.id for event in found] == [made[name].id for name in ("ready", "custom", "dead", "due")]
    assert len(await store.answers.unsent(now=after(30), received_before=after(5), limit=1)) == 1


async def test_replies_and_claims_of_two_nodes_do_not_block_each_other(store: Store, other: Store) -> None:
    """Each node answers, in opposite order, the messages that the other one answers as well."""
    pairs = [
        [(await record(store, message(100 * n + k, message_key=f"k{k}"))).event for n in (0, 1)]
        for k in range(30)
    ]
    became = await asyncio.gather(
        *(end(store, pair[0], Turn.CARRY) for pair in pairs),
        *(end(other, pair[1], Turn.CARRY) for pair in reversed(pairs)),
    )
    assert became.count(ReplyState.CARRIED) == 30
