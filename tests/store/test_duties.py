"""Duties: one node at a time, when they are due, and the slower one writes nothing."""

import asyncio
from datetime import timedelta

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import Duty
from wxgate.store import Store

HOUR = timedelta(hours=1)


async def take(store: Store, at: float = 0, every: timedelta | None = HOUR) -> Duty | None:
    return await store.duties.claim("count", holder="node-1", now=after(at), ttl=TTL, every=every)


async def start(store: Store, at: float = 0) -> Duty:
    duty = await take(store, at)
    assert duty is not None
    return duty


async def test_a_duty_never_taken_is_due_and_has_no_result(store: Store) -> None:
    assert await store.duties.load("count") == Duty("count")
    assert await start(store) == Duty("count", 1, "node-1", NOW + TTL)


async def test_exactly_one_of_many_nodes_gets_a_duty(store: Store, other: Store) -> None:
    claims = [take((store, other)[n % 2]) for n in range(20)]
    assert [duty.fence for duty in await asyncio.gather(*claims) if duty] == [1]


async def test_a_duty_that_is_done_is_due_again_at_its_time_and_keeps_its_result(store: Store) -> None:
    assert await store.duties.finish(await start(store), {"found": 3}, now=after(5), due_at=after(1800))
    assert await store.duties.load("count") == Duty(
        "count", 1, due_at=after(1800), done_at=after(5), result={"found": 3}
    )
    assert await take(store, 1799) is None
    again = await start(store, 1800)
    assert (again.fence, again.result) == (2, {"found": 3})


async def test_a_duty_put_off_keeps_the_result_of_the_last_time(store: Store) -> None:
    await store.duties.finish(await start(store), {"found": 3}, now=NOW, due_at=after(60))
    assert await store.duties.postpone(await start(store, 60), due_at=after(90))
    assert await take(store, 89) is None
    assert (await start(store, 90)).result == {"found": 3}


async def test_a_duty_asked_for_out_of_turn_is_due_at_once_and_then_at_its_old_time(store: Store) -> None:
    await store.duties.finish(await start(store), {}, now=NOW, due_at=after(600))
    now = await take(store, 10, every=None)
    assert now is not None
    await store.duties.finish(now, {"found": 1}, now=after(11), due_at=None)
    assert (await store.duties.load("count")).due_at == after(600)
    assert await take(store, 12) is None


async def test_a_duty_further_away_than_its_interval_is_due(store: Store) -> None:
    await store.duties.finish(await start(store), {}, now=NOW, due_at=after(86400))
    assert await take(store, 1, every=timedelta(days=1)) is None
    assert await take(store, 1, every=HOUR) is not None, "the interval was made shorter meanwhile"


async def test_whoever_stalls_past_the_lease_is_overtaken_and_writes_nothing(
    store: Store, other: Store
) -> None:
    stalled = await start(store)
    assert await take(other, 14) is None
    taken = await start(other, 15)
    assert taken.fence == stalled.fence + 1
    assert not await store.duties.extend(stalled, after(60))
    assert not await store.duties.finish(stalled, {"late": True}, now=after(16), due_at=after(60))
    assert not await store.duties.postpone(stalled, due_at=after(60))
    assert await other.duties.load("count") == taken


async def test_a_lease_that_is_extended_is_not_taken_over(store: Store) -> None:
    duty = await start(store)
    assert await store.duties.extend(duty, after(30))
    assert await take(store, 20) is None
    assert await store.duties.finish(duty, {}, now=after(29), due_at=after(60))
