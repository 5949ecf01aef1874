"""The event log: listed by what is asked, numbered without a gap, forgotten and redacted in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Text, cast, func, select, text

from tests.store.moments import NOW, after
from tests.store.test_deliveries import DONE, add, claim
from tests.store.test_inbox import message
from wxgate.events.records import (
    DeliveryState,
    Event,
    EventKind,
    EventQuery,
    EventState,
    Fanout,
    PushLine,
    Sent,
)
from wxgate.events.replying import Turn
from wxgate.store import Store
from wxgate.store.tables import events

MONTH = timedelta(days=30)


async def record(store: Store, number: int, *, to: str = "", done: bool = True, **changes: Any) -> Event:
    new = message(number, **{"received_at": after(number), "message_key": f"key-{number}", **changes})
    fanout = [Fanout(to)] if to else []
    recorded = await store.inbox.record(new, holder="node", lease_until=after(99), fanout=fanout)
    if done:
        await store.inbox.finish(
            recorded.event.id, holder="node", state=EventState.DONE, reply=None, error="", now=after(number)
        )
    return recorded.event


async def find(store: Store, **query: Any) -> list[str | None]:
    return [event.msg_id for event in await store.event_log.find_events(EventQuery(**query))]


async def load(store: Store, event: Event) -> Event:
    (loaded,) = await store.event_log.load_many([event.id])
    return loaded


async def prune(
    store: Store, now: timedelta, *, keep: timedelta = MONTH, most_bytes: int | None = None, limit: int = 100
) -> int:
    return await store.event_log.prune(
        EventKind.MESSAGE, now=NOW + now, before=NOW + now - keep, most_bytes=most_bytes, limit=limit
    )


async def test_events_are_found_by_everything_that_is_asked(store: Store) -> None:
    await record(store, 1)
    await record(store, 2, appid="wxother", issuer="direct", openid="o-2")
    third = await record(store, 3, kind=EventKind.EVENT, name="CLICK", done=False)
    assert await find(store) == ["3", "2", "1"]
    assert await find(store, limit=2) == ["3", "2"]
    assert await find(store, before=third.id, limit=1) == ["2"]
    assert await find(store, appid="wxother") == ["2"]
    assert await find(store, issuer="direct") == ["2"]
    assert await find(store, openid="o-2", appid="wxaccount") == []
    assert await find(store, kind=EventKind.EVENT) == ["3"]
    assert await find(store, names=("click", "VIEW")) == ["3"]
    assert await find(store, state=EventState.HANDLING) == ["3"]
    assert await find(store, since=after(2)) == ["3", "2"]
    assert await find(store, until=after(2)) == ["1"]


async def test_many_are_loaded_in_the_order_of_their_ids(store: Store) -> None:
    events = [await record(store, number) for number in range(5)]
    wanted = [events[3].id, events[1].id, 99999, events[3].id]
    loaded = await store.event_log.load_many(wanted)
    assert [event.msg_id for event in loaded] == ["1", "3"]
    assert await store.event_log.load_many([]) == []


async def test_positions_follow_the_commits_and_go_on_after_deletions(store: Store, other: Store) -> None:
    assert await store.event_log.newest_position() == 0
    assert await store.event_log.after(0) == []
    for number in range(5):
        await record(store, number)
    first = await store.event_log.after(0, limit=3)
    assert [(event.msg_id, event.position) for event in first] == [("0", 1), ("1", 2), ("2", 3)]
    assert [event.position for event in await other.event_log.after(3)] == [4, 5]
    assert await other.event_log.newest_position() == 5
    await store.event_log.forget("o-follower")
    await record(store, 6)
    assert await store.event_log.number() == 1
    assert [event.position for event in await other.event_log.after(5)] == [6]
    assert await store.event_log.newest_position() == 6


async def test_a_reader_misses_nothing_that_commits_late(store: Store) -> None:
    """The lower id is committed after the higher one has been read."""
    if store.database.is_sqlite:
        return  # it has one writer, so ids are committed in order
    late = text(
        "INSERT INTO events (dedup_key, issuer, appid, kind, name, openid, created_at, received_at,"
        " source_ip, fields, state, holder, lease_until, error, attempts)"
        " VALUES ('late', 'wx', 'wx', 'message', 'text', 'o', 0, now(), '::1', '{}', 'done',"
        " '', now(), '', 1)"
    )
    async with store.database.write() as connection:
        await connection.execute(late)
        early = await record(store, 1)
        (read,) = await store.event_log.after(0)
        assert read.id == early.id
    assert read.position is not None
    (missed,) = await store.event_log.after(read.position)
    assert missed.id < early.id


async def test_readers_beside_writers_on_two_nodes_see_everything_once(store: Store, other: Store) -> None:
    writing = True

    async def read(node: Store) -> Sequence[int]:
        seen: list[int] = []
        position = 0
        while True:
            ending = not writing
            found = await node.event_log.after(position, limit=7)
            for event in found:
                assert event.position is not None
                assert event.position > position
                position = event.position
                seen.append(event.id)
            if ending and not found:
                return seen
            await asyncio.sleep(0)

    async def write(node: Store, first: int) -> None:
        for start in range(first, first + 60, 6):
            await asyncio.gather(*(record(node, number) for number in range(start, start + 6)))

    readers = [asyncio.create_task(read(node)) for node in (store, other, store)]
    await asyncio.gather(write(store, 0), write(other, 100))
    writing = False
    seen = await asyncio.gather(*readers)
    assert [len(one) for one in seen] == [len(set(one)) for one in seen] == [120, 120, 120]
    assert seen[0] == seen[1] == seen[2]


async def test_a_person_is_forgotten_with_all_that_hangs_on_them(store: Store) -> None:
    one = await add(store)
    theirs = [await record(store, number, to=one.id, openid="o-gone") for number in range(3)]
    elsewhere = await record(store, 7, openid="o-gone", appid="wxother")
    kept = await record(store, 8, to=one.id)
    for event in (*theirs, kept):
        line = PushLine(
            at=NOW, receiver="wxplatform", appid="wxaccount", source_ip="::1", verdict="accepted",
            answer="success", status=200, milliseconds=1, event_id=event.id,
        )  # fmt: skip
        await store.push_log.add([line])
    async with store.database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO answers (message_key, event_id, at)"
                " SELECT message_key, id, received_at FROM events"
            )
        )
    assert await store.event_log.forget("o-gone", appid="wxaccount") == 3
    assert await find(store) == ["8", "7"]
    assert [delivery.event_id for delivery in await store.deliveries.find()] == [kept.id]
    assert [line.event_id for _, line in await store.push_log.find_pushes()] == [kept.id]
    async with store.database.read() as connection:
        claimed = (await connection.scalars(text("SELECT event_id FROM answers ORDER BY event_id"))).all()
    assert list(claimed) == [elsewhere.id, kept.id]
    assert await store.event_log.forget("o-gone") == 1
    assert await store.event_log.forget("o-gone") == 0


async def test_old_events_are_pruned_a_few_at_a_time(store: Store) -> None:
    for number in range(5):
        await record(store, number)
    await record(store, 8, kind=EventKind.EVENT)
    assert await prune(store, MONTH) == 0
    due = MONTH + timedelta(seconds=4)
    assert await prune(store, due, limit=3) == 3
    assert await prune(store, due, limit=3) == 1
    assert await find(store) == ["8", "4"]


async def test_what_is_handled_or_on_its_way_is_not_pruned(store: Store) -> None:
    one = await add(store)
    await record(store, 1, done=False)
    await record(store, 2, to=one.id)
    sent = await record(store, 3, to=one.id)
    failed = await record(store, 4, to=one.id)
    for delivery in await claim(store, one):
        if delivery.event_id in (sent.id, failed.id):
            ended = DONE if delivery.event_id == sent.id else Sent(DeliveryState.DEAD, None, "")
            await store.deliveries.finish(delivery, ended, now=NOW)
    soon = timedelta(hours=20)
    assert await prune(store, soon, keep=timedelta(hours=1)) == 2
    assert await find(store) == ["2", "1"]
    assert await prune(store, soon + timedelta(hours=5), keep=timedelta(hours=1)) == 1
    assert await find(store) == ["1"]


async def test_the_oldest_beyond_so_many_bytes_go_but_not_what_has_just_come(store: Store) -> None:
    events = [await record(store, number) for number in range(6)]
    size = events[0].size
    assert size > 0
    later = timedelta(hours=2)
    assert await prune(store, timedelta(minutes=50), most_bytes=0) == 0
    assert await prune(store, later, most_bytes=6 * size) == 0
    assert await prune(store, later, most_bytes=4 * size + 1) == 2
    assert await find(store) == ["5", "4", "3", "2"]
    assert await prune(store, later, most_bytes=0, limit=3) == 3
    assert await prune(store, later, most_bytes=0) == 1


async def test_what_an_event_takes_is_counted_in_bytes(store: Store) -> None:
    """Chinese takes three bytes a character as text, and six in the fields, where it is escaped."""
    words = "在" * 1000
    plain = await record(store, 1, fields={"Content": "x" * 1000}, plain="x" * 1000)
    chinese = await record(store, 2, fields={"Content": words}, plain=words)
    assert chinese.size - plain.size == 7000
    async with store.database.read() as connection:
        kept = select(func.length(cast(events.c.fields, Text)) + 3000).where(events.c.id == chinese.id)
        stored = await connection.scalar(kept)
    assert stored is not None
    assert stored <= chinese.size <= stored + 200


async def test_words_are_taken_out_of_old_messages_and_nothing_else(store: Store) -> None:
    fields = {"MsgType": "voice", "Recognition": "你好", "MediaId": "m-1", "MsgId": "1"}
    reply = "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[您好 </Content>]]></Content></xml>"
    spoken = await record(store, 1, fields=fields, plain="<xml>你好</xml>", done=False)
    await store.inbox.finish(
        spoken.id, holder="node", state=EventState.DONE, reply=reply, error="", now=after(1)
    )
    event = await record(store, 2, kind=EventKind.EVENT)
    young = await record(store, 50)
    now = after(3600)
    assert await store.event_log.redact(now=now, before=after(40), limit=10) == 1
    assert await store.event_log.redact(now=now, before=after(40), limit=10) == 0
    hidden = await load(store, spoken)
    assert hidden.fields == {**fields, "Recognition": "****"}
    assert (hidden.plain, hidden.redacted_at) == (None, now)
    assert hidden.reply == reply.replace("您好 </Content>", "****")
    for untouched in (event, young):
        assert (await load(store, untouched)).fields == untouched.fields


@pytest.mark.parametrize(
    "turns", [[], [Turn.LEAVE], [Turn.LEAVE, Turn.SEND]], ids=["ready", "custom", "sending"]
)
async def test_what_is_still_to_be_replied_to_keeps_its_words(store: Store, turns: list[Turn]) -> None:
    event = await record(store, 1, done=False)
    reply = "<xml><Content>still to be said</Content></xml>"
    await store.inbox.finish(
        event.id, holder="node", state=EventState.DONE, reply=reply, error="", now=after(1), turn=Turn.KEEP
    )
    for turn in turns:
        await store.answers.advance(event.id, turn, now=after(2), lease_until=after(60))
    now = after(7200)
    assert await store.event_log.redact(now=now, before=now, limit=10) == 0
    assert await prune(store, MONTH, keep=timedelta(hours=1)) == 0
    assert (await load(store, event)).reply == reply
    rest = [Turn.LEAVE, Turn.SEND, Turn.ARRIVED]
    for turn in rest[len(turns) :]:
        await store.answers.advance(event.id, turn, now=now)
    assert await store.event_log.redact(now=now, before=now, limit=10) == 1
    assert await prune(store, MONTH, keep=timedelta(hours=1)) == 1


async def test_what_is_still_to_be_delivered_keeps_its_words(store: Store) -> None:
    one = await add(store)
    waiting = await record(store, 1, to=one.id)
    hours = timedelta(hours=1)
    assert await store.event_log.redact(now=NOW + 20 * hours, before=after(60), limit=10) == 0
    assert await store.event_log.redact(now=NOW + 25 * hours, before=after(60), limit=10) == 1
    assert replace(await load(store, waiting)).fields["Content"] == "****"
