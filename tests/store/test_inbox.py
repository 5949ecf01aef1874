"""The inbox: a push is recorded once, held by one, finished by its holder, and many share a commit."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from tests.store.moments import NOW, after
from wxgate.events.records import Event, EventKind, EventState, Fanout, NewEvent, Recorded, ReplyState
from wxgate.events.replying import Turn
from wxgate.store import Store


def message(number: int = 1, **changes: Any) -> NewEvent:
    new = NewEvent(
        dedup_key=f"{number:064x}",
        issuer="wxplatform",
        appid="wxaccount",
        kind=EventKind.MESSAGE,
        name="text",
        openid="o-follower",
        msg_id=str(number),
        created_at=1_700_000_000,
        received_at=NOW,
        source_ip="127.0.0.1",
        fields={"Content": "你好 🎉", "Nested": {"List": ["a", "b"]}},
    )
    return replace(new, **changes)


async def record(store: Store, new: NewEvent | None = None, *, holder: str = "node-a") -> Recorded:
    return await store.inbox.record(new or message(), holder=holder, lease_until=after(6))


async def finish(store: Store, event: Event, *, holder: str = "node-a", reply: str | None = None) -> bool:
    turn = Turn.NOTHING if reply is None else Turn.CARRY
    ended = await store.inbox.finish(
        event.id, holder=holder, state=EventState.DONE, reply=reply, error="", now=after(1), turn=turn
    )
    return ended is not None


async def claim(store: Store, event: Event, holder: str, now: datetime) -> Event | None:
    return await store.inbox.claim(event.id, holder=holder, now=now, lease_until=after(20))


async def load(store: Store, event: Event) -> Event:
    loaded = await store.inbox.load(event.id)
    assert loaded is not None
    return loaded


async def test_a_new_push_is_recorded_as_handled_by_its_holder(store: Store) -> None:
    recorded = await record(store)
    new = message()
    assert recorded.fresh
    assert recorded.event == Event(
        **{name: getattr(new, name) for name in NewEvent.__slots__},
        id=recorded.event.id,
        state=EventState.HANDLING,
        holder="node-a",
        lease_until=after(6),
        reply=None,
        error="",
        handled_at=None,
        attempts=1,
        size=recorded.event.size,
    )
    assert await load(store, recorded.event) == recorded.event


async def test_an_unknown_event_is_none(store: Store) -> None:
    assert await store.inbox.load(12345) is None


async def test_a_duplicate_gets_the_event_that_is_there(store: Store, other: Store) -> None:
    first = await record(store)
    again = await record(other, message(received_at=after(5)), holder="node-b")
    assert again == Recorded(replace(first.event, arrivals=2), fresh=False)


async def test_a_duplicate_of_a_finished_event_gets_its_reply(store: Store) -> None:
    first = await record(store)
    await finish(store, first.event, reply="<xml>回复</xml>")
    again = await record(store, holder="node-b")
    assert not again.fresh
    assert (again.event.state, again.event.reply) == (EventState.DONE, "<xml>回复</xml>")


async def test_duplicates_in_one_batch_have_one_first(store: Store) -> None:
    holders = [f"node-{number}" for number in range(10)]
    recorded = await asyncio.gather(*(record(store, holder=holder) for holder in holders))
    assert [one.fresh for one in recorded].count(True) == 1
    winner = next(one.event for one in recorded if one.fresh)
    assert all(replace(one.event, arrivals=1) == winner for one in recorded)


async def test_of_many_nodes_with_the_same_pushes_one_is_first_for_each(store: Store, other: Store) -> None:
    """In opposite order, so that two groups would block each other if they did not sort."""
    numbers = list(range(100))
    calls = [record(store, message(n)) for n in numbers]
    calls += [record(other, message(n), holder="node-b") for n in reversed(numbers)]
    recorded = await asyncio.gather(*calls)
    fresh = [one.event.dedup_key for one in recorded if one.fresh]
    assert len(fresh) == len(set(fresh)) == 100
    assert len({one.event.id for one in recorded}) == 100


async def test_more_callers_than_a_batch_holds_are_all_served(store: Store) -> None:
    recorded = await asyncio.gather(*(record(store, message(number)) for number in range(450)))
    assert all(one.fresh for one in recorded)
    assert await asyncio.gather(*(finish(store, one.event) for one in recorded)) == [True] * 450


async def test_records_and_finishes_share_a_batch(store: Store) -> None:
    old = (await record(store)).event
    recorded, finished, again = await asyncio.gather(
        record(store, message(2)), finish(store, old), record(store, message(1))
    )
    assert recorded.fresh
    assert finished
    assert not again.fresh


async def test_a_cancelled_caller_does_not_break_the_batch(store: Store) -> None:
    calls = [asyncio.create_task(record(store, message(number))) for number in range(5)]
    await asyncio.sleep(0)
    calls[2].cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(one, Recorded) for one in done] == [True, True, False, True, True]


@pytest.mark.parametrize(
    "odd",
    [
        {"openid": "a\0b"},
        {"name": "\ud800"},
        {"msg_id": "\0"},
        {"fields": {"Content": "a\0b\ud800"}},
        {"created_at": 10**30},
        {"created_at": -(10**30)},
    ],
    ids=["nul", "surrogate", "nul-id", "nul-in-fields", "huge", "hugely-negative"],
)
async def test_an_odd_message_is_kept_and_does_not_fail_those_next_to_it(
    store: Store, odd: dict[str, Any]
) -> None:
    calls = [record(store, message(1)), record(store, message(2, **odd)), record(store, message(3))]
    recorded = await asyncio.gather(*calls)
    assert all(one.fresh for one in recorded)
    assert (await load(store, recorded[1].event)).id == recorded[1].event.id


async def test_a_message_no_engine_can_store_fails_alone(store: Store) -> None:
    calls = [
        record(store, message(1)),
        record(store, message(2, fields={"no JSON": object()})),
        record(store, message(3)),
    ]
    first, refused, last = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, Exception)
    assert [event.msg_id for event in await store.inbox.find()] == ["3", "1"]
    assert isinstance(first, Recorded)
    assert isinstance(last, Recorded)
    assert first.fresh
    assert last.fresh


async def test_an_odd_reply_is_kept_too(store: Store) -> None:
    event = (await record(store)).event
    assert await finish(store, event, reply="a\0b")
    assert (await load(store, event)).reply == "a\ufffdb"


async def deliveries_of(store: Store) -> list[tuple[Any, ...]]:
    async with store.database.read() as connection:
        rows = await connection.execute(
            text("SELECT event_id, subscriber, state, attempts, holder FROM deliveries ORDER BY subscriber")
        )
        return [tuple(row) for row in rows]


async def test_an_event_is_queued_for_its_subscribers_once(store: Store, other: Store) -> None:
    fanout = (Fanout("sub_a"), Fanout("sub_b", ordered=True, held=True))

    async def bring(where: Store) -> Recorded:
        return await where.inbox.record(message(), holder="node-a", lease_until=after(6), fanout=fanout)

    recorded = await asyncio.gather(*(bring(where) for where in (store, other) * 10))
    event_id = recorded[0].event.id
    assert sum(each.fresh for each in recorded) == 1
    assert await deliveries_of(store) == [
        (event_id, "sub_a", "pending", 0, None),
        (event_id, "sub_b", "sending", 1, "node-a"),
    ]


async def test_what_is_recorded_with_a_remark_is_over_and_never_handled(store: Store, other: Store) -> None:
    first = await store.inbox.record(message(), holder="node-a", lease_until=NOW, remark="not for us")
    assert first.fresh
    event = first.event
    assert (event.state, event.reply_state, event.error, event.handled_at) == (
        EventState.DONE,
        ReplyState.CLOSED,
        "not for us",
        NOW,
    )
    assert await load(other, event) == event
    assert await other.inbox.abandoned(now=after(60)) == []
    assert await claim(other, event, "node-b", after(60)) is None
    again, plain = await asyncio.gather(record(store), record(store, message(2)))
    assert again == Recorded(replace(event, arrivals=2), fresh=False)
    assert plain.event.state is EventState.HANDLING


async def test_every_arrival_is_counted_on_every_node(store: Store, other: Store) -> None:
    first = await record(store)
    assert first.event.arrivals == 1
    assert (await record(other)).event.arrivals == 2
    again = await asyncio.gather(*(record(where) for where in (store, other) * 5))
    assert max(each.event.arrivals for each in again) == 12
    assert (await load(store, first.event)).arrivals == 12


async def test_arrivals_and_ends_of_one_event_do_not_block_two_nodes(store: Store, other: Store) -> None:
    """Each node brings again what the other one finishes at that moment."""
    mine = [(await record(store, message(1 + n), holder="a")).event for n in range(40)]
    theirs = [(await record(other, message(101 + n), holder="b")).event for n in range(40)]
    await asyncio.gather(
        *(finish(store, event, holder="a") for event in reversed(mine)),
        *(record(store, message(101 + n)) for n in range(40)),
        *(finish(other, event, holder="b") for event in theirs),
        *(record(other, message(1 + n)) for n in reversed(range(40))),
    )
    for event in (*mine, *theirs):
        now = await load(store, event)
        assert (now.state, now.arrivals) == (EventState.DONE, 2)


async def test_finishing_writes_how_it_ended(store: Store) -> None:
    event = (await record(store)).event
    finished = await store.inbox.finish(
        event.id, holder="node-a", state=EventState.FAILED, reply=None, error="KeyError: 'x'", now=after(2)
    )
    assert finished
    assert await load(store, event) == replace(
        event,
        state=EventState.FAILED,
        error="KeyError: 'x'",
        handled_at=after(2),
        reply_state=ReplyState.CLOSED,
    )


async def test_only_the_holder_finishes(store: Store) -> None:
    event = (await record(store)).event
    assert not await finish(store, event, holder="node-b")
    assert (await load(store, event)).state is EventState.HANDLING


async def test_an_event_is_finished_once_even_within_one_batch(store: Store) -> None:
    event = (await record(store)).event
    finished = await asyncio.gather(*(finish(store, event, reply=f"reply {n}") for n in range(5)))
    assert finished.count(True) == 1
    assert (await load(store, event)).reply == f"reply {finished.index(True)}"
    assert not await finish(store, event)


async def test_an_ended_lease_is_taken_over_by_exactly_one(store: Store, other: Store) -> None:
    event = (await record(store)).event
    claims = [claim((store, other)[n % 2], event, f"node-{n}", after(6)) for n in range(20)]
    won = [claimed for claimed in await asyncio.gather(*claims) if claimed]
    assert len(won) == 1
    assert won[0] == replace(event, holder=won[0].holder, lease_until=after(20), attempts=2)
    assert not await finish(store, event), "the old holder has lost it"
    assert await finish(store, event, holder=won[0].holder)


async def test_a_running_lease_is_not_taken_over(store: Store) -> None:
    event = (await record(store)).event
    assert await claim(store, event, "node-b", after(5.9)) is None


async def test_a_finished_event_is_not_taken_over(store: Store) -> None:
    event = (await record(store)).event
    await finish(store, event)
    assert await claim(store, event, "node-b", after(60)) is None


async def test_the_holder_extends_its_lease(store: Store) -> None:
    event = (await record(store)).event
    assert await store.inbox.extend(event.id, holder="node-a", lease_until=after(12))
    assert await claim(store, event, "node-b", after(6)) is None
    assert not await store.inbox.extend(event.id, holder="node-b", lease_until=after(99))
    await finish(store, event)
    assert not await store.inbox.extend(event.id, holder="node-a", lease_until=after(99))


async def test_abandoned_events_are_listed_oldest_first(store: Store) -> None:
    events = [(await record(store, message(number))).event for number in range(4)]
    await finish(store, events[0])
    await store.inbox.extend(events[2].id, holder="node-a", lease_until=after(60))
    abandoned = await store.inbox.abandoned(now=after(6))
    assert [event.id for event in abandoned] == [events[1].id, events[3].id]
    assert len(await store.inbox.abandoned(now=after(6), limit=1)) == 1
    assert list(await store.inbox.abandoned(now=after(5.9))) == []


async def test_events_are_found_newest_first_by_account_and_issuer(store: Store) -> None:
    pairs = [("wxp", "wx1"), ("direct", "wx1"), ("wxp", "wx2")]
    for number, (issuer, appid) in enumerate(pairs):
        await record(store, message(number, issuer=issuer, appid=appid))

    async def find(**where: Any) -> list[str | None]:
        return [event.msg_id for event in await store.inbox.find(**where)]

    assert await find() == ["2", "1", "0"]
    assert await find(appid="wx1") == ["1", "0"]
    assert await find(issuer="wxp") == ["2", "0"]
    assert await find(appid="wx1", issuer="wxp") == ["0"]
    assert await find(limit=2) == ["2", "1"]


async def test_closing_commits_what_is_waiting(store: Store, other: Store) -> None:
    calls = [asyncio.create_task(record(other, message(number))) for number in range(3)]
    await asyncio.sleep(0)
    await other.close()
    recorded = await asyncio.gather(*calls)
    assert len(await store.inbox.find()) == len(recorded) == 3
