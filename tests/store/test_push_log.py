"""The push log: lines in, lines out, the oldest dropped."""

from dataclasses import replace
from typing import Any

from tests.store.moments import NOW, after
from wxgate.events.records import PushLine
from wxgate.store import Store

LINE = PushLine(
    at=NOW,
    receiver="wxplatform",
    appid="wxaccount",
    source_ip="203.0.113.9",
    verdict="bad_signature",
    answer="refused",
    status=401,
    milliseconds=3,
    event_id=None,
    explanation="签名不对",
    count=7,
)


async def find(store: Store, **query: Any) -> list[PushLine]:
    return [line for _, line in await store.push_log.find_pushes(**query)]


async def test_lines_come_back_newest_first(store: Store) -> None:
    accepted = replace(LINE, verdict="accepted", answer="success", status=200, event_id=5, count=1)
    elsewhere = replace(LINE, appid="wxother")
    await store.push_log.add([LINE, accepted])
    await store.push_log.add([elsewhere])
    await store.push_log.add([])
    assert await find(store) == [elsewhere, accepted, LINE]
    assert await find(store, appid="wxaccount") == [accepted, LINE]
    assert await find(store, event_id=5) == [accepted]
    assert await find(store, verdict="bad_signature", limit=1) == [elsewhere]
    (newest, _), *_ = await store.push_log.find_pushes()
    assert await find(store, before=newest) == [accepted, LINE]


async def test_what_is_too_long_or_odd_is_kept_cut(store: Store) -> None:
    await store.push_log.add([replace(LINE, receiver="x" * 500, appid="a\0b", milliseconds=2**70)])
    (kept,) = await find(store)
    assert (kept.receiver, kept.appid) == ("x" * 64, "a\ufffdb")


async def test_old_lines_and_the_oldest_beyond_so_many_are_dropped(store: Store) -> None:
    await store.push_log.add([replace(LINE, at=after(number)) for number in range(10)])
    assert await store.push_log.prune_pushes(before=after(2), most_rows=None, limit=100) == 2
    assert await store.push_log.prune_pushes(before=after(2), most_rows=8, limit=100) == 0
    assert await store.push_log.prune_pushes(before=after(2), most_rows=5, limit=2) == 2
    assert await store.push_log.prune_pushes(before=after(2), most_rows=5, limit=2) == 1
    assert [line.at for line in await find(store)] == [after(number) for number in (9, 8, 7, 6, 5)]
