"""Counts of clearings and fetches: the contract of QuotaStore on both engines."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.store.moments import NOW
from wxgate.custody.records import Clear, ClearOutcome, ClearWay, FetchCount
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.store import Store

MONTH = "2026-03"
KEY = TokenKey("wxplatform", "wxplatform", TokenKind.AUTHORIZER)


async def reserve(store: Store, month: str = MONTH, most: int = 10) -> Clear | None:
    """Note one clearing."""
    return await store.quota.reserve_clear("wxa", month, most=most, way=ClearWay.ACCESS, at=NOW)


async def test_a_clearing_counts_until_it_is_taken_back(store: Store) -> None:
    first = await reserve(store)
    second = await reserve(store)
    assert first is not None
    assert second is not None
    await store.quota.settle_clear(first, accepted=True)
    await store.quota.settle_clear(second, accepted=False)
    third = await reserve(store)
    assert third == replace(first, number=2)
    assert await store.quota.clears("wxa", MONTH) == [replace(first, outcome=ClearOutcome.ACCEPTED), third]


async def test_every_month_and_appid_has_its_own_clearings(store: Store) -> None:
    assert await reserve(store, most=1)
    assert await reserve(store, most=1) is None
    assert await reserve(store, "2026-04", most=1)
    assert await store.quota.reserve_clear("wxb", MONTH, most=1, way=ClearWay.APPSECRET, at=NOW)


async def test_however_many_ask_at_once_no_more_than_ten_clear(store: Store, other: Store) -> None:
    got = await asyncio.gather(*(reserve(each) for _ in range(8) for each in (store, other)))
    numbers = [clear.number for clear in got if clear is not None]
    assert len(numbers) == len(set(numbers)) <= 10
    while (more := await reserve(store)) is not None:
        numbers.append(more.number)
    assert sorted(numbers) == list(range(1, 11))


async def test_fetches_of_all_nodes_are_counted_together_and_anew_each_day(
    store: Store, other: Store
) -> None:
    await store.quota.count_fetches(KEY, day="2026-03-01", by=2)
    assert await other.quota.count_fetches(KEY, day="2026-03-01", by=3) == FetchCount(KEY, "2026-03-01", 5)
    assert (await store.quota.count_fetches(KEY, day="2026-03-02", by=1)).fetched == 1


async def test_a_node_whose_clock_is_behind_does_not_bring_yesterday_back(store: Store) -> None:
    await store.quota.count_fetches(KEY, day="2026-03-02", by=7)
    late = await store.quota.count_fetches(KEY, day="2026-03-01", by=1)
    assert (late.day, late.fetched) == ("2026-03-02", 8)


async def test_a_day_that_only_a_wrong_clock_can_have_written_is_over(store: Store) -> None:
    await store.quota.count_fetches(KEY, day="2099-01-01", by=7)
    ours = await store.quota.count_fetches(KEY, day="2026-02-28", by=1)
    assert (ours.day, ours.fetched) == ("2026-02-28", 1)
    await store.quota.count_fetches(KEY, day="2026-03-01", by=7)
    assert await store.quota.reset_fetches(KEY.issuer, day="2026-02-28") == 1
    (reset,) = await store.quota.fetch_counts()
    assert (reset.day, reset.fetched) == ("2026-02-28", 0)


async def test_an_open_circuit_is_seen_by_all_and_outlives_the_count(store: Store, other: Store) -> None:
    until = NOW + timedelta(hours=5)
    await store.quota.open_circuit(KEY, day="2026-03-01", until=until, reason="45009")
    seen = await other.quota.count_fetches(KEY, day="2026-03-02", by=1)
    assert (seen.open_until, seen.reason, seen.fetched) == (until, "45009", 1)
    assert await other.quota.fetch_counts() == [seen]


async def test_a_closed_circuit_is_closed_for_all_and_the_count_stays(store: Store, other: Store) -> None:
    await store.quota.count_fetches(KEY, day="2026-03-01", by=4)
    await store.quota.open_circuit(KEY, day="2026-03-01", until=NOW, reason="45009")
    await store.quota.close_circuit(KEY)
    (left,) = await other.quota.fetch_counts()
    assert (left.fetched, left.open_until, left.reason) == (4, None, "")


async def test_a_reset_concerns_one_issuer_or_one_account(store: Store) -> None:
    direct = TokenKey("direct", "wxa", TokenKind.DIRECT)
    neighbour = replace(direct, account="wxb")
    for key in (KEY, direct, neighbour):
        await store.quota.count_fetches(key, day="2026-03-01", by=4)
        await store.quota.open_circuit(key, day="2026-03-01", until=NOW, reason="45009")
    assert await store.quota.reset_fetches("direct", "wxa", day="2026-03-01") == 1
    assert await store.quota.reset_fetches("wxplatform", day="2026-03-01") == 1
    left = {count.key: count for count in await store.quota.fetch_counts()}
    assert (left[KEY].fetched, left[KEY].open_until, left[KEY].reason) == (0, None, "")
    assert left[direct].fetched == 0
    assert (left[neighbour].fetched, left[neighbour].open_until) == (4, NOW)
