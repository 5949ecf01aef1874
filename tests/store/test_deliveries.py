"""The queue of deliveries: taken by one node at a time, finished once, in order where that is asked."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from tests.store.moments import NOW, after
from tests.store.test_inbox import message
from tests.store.test_subscribers import subscriber
from wxgate.custody.records import Evidence
from wxgate.custody.states import Trigger
from wxgate.events.records import (
    Backlog,
    Delivery,
    DeliveryState,
    Fanout,
    NewEvent,
    Sent,
    Subscriber,
)
from wxgate.store import Store
from wxgate.store.deliveries import due_query, list_query
from wxgate.store.lanes import BEHIND, IS_HEAD, WINDOW
from wxgate.store.tables import EPOCH, deliveries

DONE = Sent(DeliveryState.DELIVERED, 200, "")


async def add(store: Store, number: int = 1, **changes: Any) -> Subscriber:
    one = subscriber(number, **{"ordered": False, **changes})
    assert await store.subscribers.add(one)
    return one


async def queue(store: Store, to: Subscriber, *numbers: int, appid: str = "wxaccount") -> Sequence[int]:
    """Record events for a subscriber, one second after the other; return their ids."""
    ids = []
    for number in numbers:
        new = message(number, appid=appid, received_at=after(number))
        recorded = await store.inbox.record(
            new, holder="node", lease_until=after(99), fanout=[Fanout(to.id, ordered=to.ordered)]
        )
        ids.append(recorded.event.id)
    return ids


async def claim(
    store: Store,
    of: Subscriber,
    *,
    now: datetime = NOW + timedelta(hours=1),
    holder: str = "a",
    limit: int = 10,
) -> Sequence[Delivery]:
    return await store.deliveries.claim(
        of.id, holder=holder, now=now, lease_until=now + timedelta(seconds=30), limit=limit
    )


async def held(store: Store, event_id: int, of: Subscriber) -> Delivery:
    found = await store.deliveries.held(event_id, of.id)
    assert found is not None
    return found


async def test_what_is_due_is_claimed_oldest_first_and_only_once(store: Store, other: Store) -> None:
    one = await add(store)
    ids = await queue(store, one, 3, 1, 2)
    assert await store.deliveries.due(now=NOW) == []
    assert await claim(store, one, now=NOW) == []
    assert await store.deliveries.due(now=after(2)) == [one.id]
    first = await claim(store, one, now=after(2))
    assert [delivery.event_id for delivery in first] == [ids[1], ids[2]]
    assert {(delivery.state, delivery.attempts, delivery.holder) for delivery in first} == {
        (DeliveryState.SENDING, 1, "a")
    }
    assert first[0].lease_until == after(32)
    assert await claim(other, one, now=after(2)) == []
    assert [delivery.event_id for delivery in await claim(other, one, now=after(3))] == [ids[0]]
    assert await claim(store, one, limit=0) == []


async def test_an_ended_lease_is_due_and_the_slower_node_may_not_finish(store: Store, other: Store) -> None:
    one = await add(store)
    (event_id,) = await queue(store, one, 1)
    (slow,) = await claim(store, one, now=after(10))
    assert await store.deliveries.due(now=after(39)) == []
    assert await store.deliveries.due(now=after(40)) == [one.id]
    (fast,) = await claim(other, one, now=after(40), holder="b")
    assert (fast.attempts, fast.holder) == (2, "b")
    assert not await store.deliveries.finish(slow, Sent(DeliveryState.DEAD, None, "late"), now=after(41))
    assert await other.deliveries.finish(fast, DONE, now=after(42))
    assert not await other.deliveries.finish(fast, DONE, now=after(43))
    now = await held(store, event_id, one)
    assert (now.state, now.status, now.delivered_at) == (DeliveryState.DELIVERED, 200, after(42))
    assert (now.holder, now.lease_until) == (None, None)


async def test_a_stale_finish_in_the_same_group_does_not_take_the_place_of_the_true_one(store: Store) -> None:
    one = await add(store)
    await queue(store, one, 1)
    (slow,) = await claim(store, one, now=after(10))
    (fast,) = await claim(store, one, now=after(40))
    ends = (
        store.deliveries.finish(slow, DONE, now=after(41)),
        store.deliveries.finish(fast, DONE, now=after(41)),
    )
    assert await asyncio.gather(*ends) == [False, True]


async def test_a_failed_attempt_waits_for_its_time(store: Store) -> None:
    one = await add(store)
    (event_id,) = await queue(store, one, 1)
    (taken,) = await claim(store, one, now=after(10))
    again = Sent(DeliveryState.PENDING, 500, "x" * 5000, not_before=after(100))
    assert await store.deliveries.finish(taken, again, now=after(11))
    waiting = await held(store, event_id, one)
    assert (waiting.state, waiting.status, waiting.not_before) == (DeliveryState.PENDING, 500, after(100))
    assert waiting.error == "x" * 1000
    assert await claim(store, one, now=after(99)) == []
    assert [delivery.attempts for delivery in await claim(store, one, now=after(100))] == [2]


async def test_what_a_node_held_from_the_start_is_finished_like_a_claimed_one(store: Store) -> None:
    one = await add(store)
    recorded = await store.inbox.record(
        message(), holder="node", lease_until=after(6), fanout=[Fanout(one.id, held=True)]
    )
    mine = await held(store, recorded.event.id, one)
    assert (mine.state, mine.attempts, mine.holder) == (DeliveryState.SENDING, 1, "node")
    assert await store.deliveries.finish(mine, DONE, now=after(1))


async def test_one_that_is_paused_or_cut_off_is_left_alone(store: Store) -> None:
    one = await add(store)
    await queue(store, one, 1)
    await store.subscribers.pause(one.id, reason="", now=NOW)
    assert await store.deliveries.due(now=after(10)) == []
    assert await claim(store, one, now=after(10)) == []
    await store.subscribers.resume(one.id, now=NOW)
    await store.subscribers.note_failure(one.id, error="", failures=10, open_until=after(20), now=NOW)
    assert await store.deliveries.due(now=after(19)) == []
    assert await claim(store, one, now=after(19)) == []
    assert await store.deliveries.due(now=after(20)) == [one.id]
    assert len(await claim(store, one, now=after(20))) == 1


async def test_of_an_ordered_account_only_the_first_that_is_not_over_is_taken(
    store: Store, other: Store
) -> None:
    one = await add(store, ordered=True)
    mine = await queue(store, one, 1, 2, 3, appid="wxa")
    theirs = await queue(store, one, 4, 5, appid="wxb")
    first = await claim(store, one)
    assert [delivery.event_id for delivery in first] == [mine[0], theirs[0]]
    assert await claim(other, one) == []
    await store.deliveries.finish(first[0], Sent(DeliveryState.PENDING, 500, "", after(7200)), now=NOW)
    await store.deliveries.finish(first[1], Sent(DeliveryState.DEAD, 500, ""), now=NOW)
    second = await claim(other, one)
    assert [delivery.event_id for delivery in second] == [theirs[1]]
    again = await claim(other, one, now=after(7200))
    assert {delivery.event_id for delivery in again} == {mine[0], theirs[1]}, "the other lease has ended too"


async def test_accounts_without_a_name_and_a_replayed_head_keep_the_order_too(store: Store) -> None:
    one = await add(store, ordered=True)
    ids = await queue(store, one, 1, 2, appid="")
    (first,) = await claim(store, one)
    await store.deliveries.finish(first, DONE, now=NOW)
    (second,) = await claim(store, one)
    assert [first.event_id, second.event_id] == list(ids)
    assert await store.deliveries.replay(one.id, ids, now=after(60)) == 1, "the second is being sent"
    assert await claim(store, one) == [], "not beside the second, although it comes before it"


async def test_switching_the_order_off_frees_what_waits_behind_a_failure(store: Store) -> None:
    one = await add(store, ordered=True)
    ids = await queue(store, one, 1, 2, 3)
    (first,) = await claim(store, one)
    await store.deliveries.finish(first, Sent(DeliveryState.PENDING, 500, "", after(10**6)), now=NOW)
    assert await claim(store, one) == []
    await store.subscribers.change(replace(one, ordered=False), was=one.updated_at)
    assert [delivery.event_id for delivery in await claim(store, one)] == list(ids[1:])


async def test_every_account_gets_its_turn(store: Store) -> None:
    one = await add(store, ordered=True)
    for index, appid in enumerate(("wxa", "wxb", "wxc")):
        await queue(store, one, *range(10 * index, 10 * index + 3), appid=appid)
    turns = []
    for _ in range(6):
        (taken,) = await claim(store, one, limit=1)
        await store.deliveries.finish(taken, DONE, now=NOW)
        turns.append(taken.appid)
    assert turns == ["wxa", "wxb", "wxc"] * 2


@pytest.mark.parametrize("ordered", [False, True])
async def test_nodes_that_race_deliver_each_once_and_ordered_ones_in_order(
    store: Store, other: Store, ordered: bool
) -> None:
    one = await add(store, ordered=ordered)
    numbers = range(120)
    await asyncio.gather(*(queue(store, one, number, appid=f"wx{number % 5}") for number in numbers))
    lanes: dict[str, list[int]] = {}
    under_way: Counter[str] = Counter()

    async def deliver(node: Store) -> None:
        while taken := await claim(node, one, limit=4) or await _any_open(node):
            for delivery in taken:
                under_way[delivery.appid] += 1
                assert not ordered or under_way[delivery.appid] == 1
                await asyncio.sleep(0)
                lanes.setdefault(delivery.appid, []).append(delivery.id)
                under_way[delivery.appid] -= 1
                assert await node.deliveries.finish(delivery, DONE, now=NOW)

    async def _any_open(node: Store) -> Sequence[Delivery]:
        """Look again while others are at it: a lane is blocked by what they hold."""
        while any(backlog.waiting for backlog in await node.deliveries.backlog()):
            if taken := await claim(node, one, limit=4):
                return taken
        return ()

    await asyncio.gather(*(deliver(node) for node in (store, other) * 2))
    assert sum(map(len, lanes.values())) == len({one for lane in lanes.values() for one in lane}) == 120
    if ordered:
        assert all(lane == sorted(lane) for lane in lanes.values())


async def test_a_replay_begins_anew_and_queues_what_never_was(store: Store) -> None:
    one, late = await add(store), await add(store, 2)
    first, second = await queue(store, one, 1, 2)
    taken = await claim(store, one)
    await store.deliveries.finish(taken[0], DONE, now=after(5))
    await store.deliveries.finish(taken[1], Sent(DeliveryState.DEAD, 404, "gone"), now=after(5))
    assert await store.deliveries.replay(one.id, [first, second], now=after(60), only_dead=True) == 1
    assert await store.deliveries.replay(one.id, [first, second, 999], now=after(90)) == 2
    again = await held(store, second, one)
    assert (again.state, again.attempts, again.replays, again.error) == (DeliveryState.PENDING, 0, 2, "")
    assert (again.first_at, again.not_before) == (after(90), after(90))
    assert await store.deliveries.replay(late.id, [first, second], now=after(90)) == 2
    assert await store.deliveries.replay(late.id, [first], now=after(90), only_dead=True) == 0
    assert await store.deliveries.replay("sub_gone", [first], now=after(90)) == 0
    assert [delivery.event_id for delivery in await claim(store, late)] == [first, second]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_replay_keeps_the_order_of_events_delivered_before_and_never(
    store: Store, ordered: bool
) -> None:
    """Of these events the subscriber was given the second and the fourth only."""
    early, late = await add(store, 2), await add(store, ordered=ordered)
    ids = [*await queue(store, early, 1), *await queue(store, late, 2)]
    ids += [*await queue(store, early, 3), *await queue(store, late, 4)]
    for delivery in (*await claim(store, late), *await claim(store, late)):
        await store.deliveries.finish(delivery, DONE, now=after(5))
    assert await store.deliveries.replay(late.id, ids, now=after(60)) == 4
    came: list[int] = []
    while taken := await claim(store, late):
        came += [delivery.event_id for delivery in taken]
        for delivery in taken:
            await store.deliveries.finish(delivery, DONE, now=after(70))
    assert came == ids


async def test_a_replay_fences_off_who_claimed_before_it(store: Store) -> None:
    one = await add(store)
    (event_id,) = await queue(store, one, 1)
    (slow,) = await claim(store, one, now=after(10))
    (fast,) = await claim(store, one, now=after(40))
    await store.deliveries.finish(fast, Sent(DeliveryState.DEAD, None, ""), now=after(41))
    await store.deliveries.replay(one.id, [event_id], now=after(42))
    (again,) = await claim(store, one, now=after(43))
    assert again.attempts == slow.attempts == 1
    assert not await store.deliveries.finish(slow, DONE, now=after(44))
    assert await store.deliveries.finish(again, DONE, now=after(44))


async def test_deliveries_are_listed_by_event_subscriber_and_state(store: Store) -> None:
    one, two = await add(store), await add(store, 2)
    first, second = await queue(store, one, 1, 2)
    await store.deliveries.replay(two.id, [first], now=NOW)
    (dead,) = await claim(store, one, limit=1)
    await store.deliveries.finish(dead, Sent(DeliveryState.DEAD, None, ""), now=NOW)
    of_event = await store.deliveries.of_event(first)
    assert [delivery.subscriber for delivery in of_event] == [one.id, two.id]
    newest = await store.deliveries.find(limit=1)
    assert [delivery.id for delivery in newest] == [of_event[1].id]
    assert [delivery.event_id for delivery in await store.deliveries.find(before=newest[0].id)] == [
        second,
        first,
    ]
    found = await store.deliveries.find(subscriber_id=one.id, state=DeliveryState.DEAD)
    assert [delivery.event_id for delivery in found] == [first]
    assert await store.deliveries.held(second, two.id) is None


async def test_the_backlog_counts_what_waits_and_what_is_given_up(store: Store) -> None:
    one, idle = await add(store), await add(store, 2)
    await queue(store, one, 1, 2, 3, 4)
    taken = await claim(store, one, limit=3)
    await store.deliveries.finish(taken[0], DONE, now=NOW)
    await store.deliveries.finish(taken[1], Sent(DeliveryState.DEAD, None, ""), now=NOW)
    assert await store.deliveries.backlog() == [Backlog(one.id, 2, after(3), 1), Backlog(idle.id, 0, None, 0)]


FILL = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)",
    "postgresql": "WITH n AS (SELECT i FROM generate_series(1, 100000) AS i)",
}


async def test_the_queries_look_at_what_is_due_and_not_at_a_hundred_thousand_others(store: Store) -> None:
    """Most deliveries are over; of the open ones only the query for what is due may see those that are."""
    engine = "sqlite" if store.database.is_sqlite else "postgresql"
    now: Any = (NOW - EPOCH) // timedelta(microseconds=1) if engine == "sqlite" else NOW
    fill = (
        f"{FILL[engine]} INSERT INTO deliveries (subscriber, event_id, appid, ordered, state, attempts,"
        " first_at, not_before, error, replays) SELECT CASE WHEN i % 500 = 7 THEN 'sub_few'"
        " ELSE 'sub_' || (i % 2) END, i, 'wx' || (i % 50), true,"
        " CASE WHEN i % 20 = 0 THEN 'pending' ELSE 'delivered' END, 0, {now}, {now}, '', 0 FROM n"
    ).replace("{now}", ":now" if engine == "sqlite" else "CAST(:now AS timestamptz)")
    async with store.database.write() as connection:
        await connection.execute(text(fill), {"now": now})
    async with store.database.write() as connection:
        await connection.execute(text("ANALYZE"))
    dialect = sqlite.dialect() if engine == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped
    due = str(due_query("sub_1", NOW, 10).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    lanes = BEHIND.bindparams(subscriber="sub_0", since="", now=NOW, accounts=10)
    heads = str(lanes.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    pages = [
        str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for query in (
            list_query("sub_few", None, 99_000, 50),
            list_query(None, DeliveryState.DEAD, None, 50),
        )
    ]
    explain = "EXPLAIN QUERY PLAN " if engine == "sqlite" else "EXPLAIN "
    async with store.database.read() as connection:
        plans = [
            "\n".join(
                str(row[-1]) for row in await connection.execute(text((explain + query).replace(":", r"\:")))
            )
            for query in (due, heads, *pages)
        ]
    assert "ix_deliveries_subscriber_state_not_before_id" in plans[0], plans[0]
    assert plans[1].count("ix_deliveries_lanes") >= 3, plans[1]
    assert "ix_deliveries_subscriber_id" in plans[2], plans[2]
    assert "ix_deliveries_dead" in plans[3], plans[3]
    for plan in plans:
        assert "Seq Scan on deliveries" not in plan, plan
        assert "SCAN deliveries" not in plan.replace("SCAN deliveries USING INDEX ix_deliveries_dead", ""), (
            plan
        )
        assert "TEMP B-TREE" not in plan, plan


async def test_a_lease_is_extended_for_who_claimed_last(store: Store, other: Store) -> None:
    one = await add(store)
    await queue(store, one, 1)
    [first] = await claim(store, one, now=after(1))
    assert await store.deliveries.extend(first, lease_until=after(100))
    assert await claim(other, one, now=after(99)) == []
    [second] = await claim(other, one, now=after(100), holder="b")
    assert not await store.deliveries.extend(first, lease_until=after(200))
    assert await store.deliveries.finish(second, DONE, now=after(101))
    assert not await store.deliveries.extend(second, lease_until=after(200))


async def test_a_notice_is_queued_with_the_change_it_tells_of(store: Store) -> None:
    one = await add(store)
    told: list[str] = []

    def fanout_of(new: NewEvent) -> Sequence[Fanout]:
        told.append(new.name)
        return [Fanout(one.id)]

    store.notices.deliver_to(fanout_of)
    platform, appid = "wxplatform", "wxaccount"
    await store.authorizations.apply(
        platform, appid, trigger=Trigger.CODE_GIVEN, event_at=NOW, reason="authorized", now=NOW
    )
    evidence = Evidence(platform=platform, appid=appid, event_at=NOW, held=None, reason="refused")
    await store.authorizations.observe(evidence, Trigger.REFUSED, now=NOW)
    [delivery] = await store.deliveries.find(subscriber_id=one.id)
    [event] = await store.inbox.find(appid=appid)
    assert told == ["wxgate.needs_reauthorization"] == [event.name]
    assert (delivery.event_id, delivery.appid) == (event.id, appid)


async def test_the_one_account_that_is_due_is_found_among_very_many_that_wait(store: Store) -> None:
    one = await add(store, ordered=True)
    row = {"subscriber": one.id, "ordered": True, "state": "pending", "attempts": 0, "first_at": NOW}
    row |= {"error": "", "replays": 0}
    accounts = 2 * WINDOW + 10
    due = (WINDOW - 1, WINDOW, accounts - 1)
    rows = [
        {
            **row,
            "event_id": number,
            "appid": f"wx{number:04}",
            "not_before": after(0 if number in due else 9999),
        }
        for number in range(accounts)
    ]
    async with store.database.write() as connection:
        await connection.execute(insert(deliveries), rows)
    turns = []
    for _ in due:
        [taken] = await claim(store, one, limit=1)
        turns.append(taken.event_id)
        await store.deliveries.finish(taken, DONE, now=NOW)
        assert len(await claim(store, one, now=NOW - timedelta(hours=1))) == 0
    assert turns == list(due)
    assert await claim(store, one) == []
    everything = await claim(store, one, now=after(9999), limit=accounts)
    assert len(everything) == accounts - len(due)


async def test_only_the_first_that_is_not_over_is_taken_whatever_was_found_before(store: Store) -> None:
    one = await add(store, ordered=True)
    ids = await queue(store, one, 1, 2)
    second = (await held(store, ids[1], one)).id
    now = NOW + timedelta(hours=1)

    async def is_head() -> bool:
        async with store.database.read() as connection:
            found = select(deliveries.c.id).where(deliveries.c.id == second, IS_HEAD.bindparams(at=now))
            return await connection.scalar(found) is not None

    assert not await is_head(), "the first waits"
    (first,) = await claim(store, one)
    assert not await is_head(), "the first is being sent"
    await store.deliveries.finish(first, DONE, now=NOW)
    assert await is_head()
    await claim(store, one)
    assert not await is_head(), "it is being sent itself"
