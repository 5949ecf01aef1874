"""Group commit, by itself: who shares a commit, who waits, and who is told of trouble."""

import asyncio
from collections.abc import Sequence

import pytest

from wxgate.store.group_commit import GroupCommit


class Disk:
    """Notes what is committed together; a commit ends when it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.failing: Exception | None = None
        self.busy = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        self.busy.set()
        await self.free.wait()
        if self.failing is not None:
            raise self.failing
        return [item * 10 for item in items]


async def test_each_caller_gets_the_result_of_its_own_item() -> None:
    group = GroupCommit(Disk().commit)
    assert await asyncio.gather(*(group.submit(item) for item in (3, 1, 2))) == [30, 10, 20]


async def test_a_lone_item_is_committed_at_once() -> None:
    disk = Disk()
    group = GroupCommit(disk.commit)
    await group.submit(1)
    await group.submit(2)
    assert disk.groups == [[1], [2]]


async def test_items_that_come_during_a_commit_share_the_next_one() -> None:
    disk = Disk()
    group = GroupCommit(disk.commit)
    disk.free.clear()
    first = asyncio.create_task(group.submit(1))
    await disk.busy.wait()
    others = [asyncio.create_task(group.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(first, *others)
    assert disk.groups == [[1], [2, 3, 4]]


async def test_a_group_holds_no_more_than_it_may() -> None:
    disk = Disk()
    group = GroupCommit(disk.commit, most=2)
    await asyncio.gather(*(group.submit(item) for item in range(5)))
    assert disk.groups == [[0, 1], [2, 3], [4]]


async def test_trouble_reaches_every_caller_of_the_group_and_the_next_group_is_tried() -> None:
    disk = Disk()
    disk.failing = OSError("the disk is full")
    group = GroupCommit(disk.commit)
    results = await asyncio.gather(*(group.submit(item) for item in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["the disk is full"] * 3
    disk.failing = None
    assert await group.submit(4) == 40


async def test_a_caller_that_gives_up_does_not_disturb_the_others() -> None:
    disk = Disk()
    group = GroupCommit(disk.commit)
    disk.free.clear()
    callers = [asyncio.create_task(group.submit(item)) for item in range(3)]
    await disk.busy.wait()
    callers[1].cancel()
    disk.free.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert results[0] == 0
    assert isinstance(results[1], asyncio.CancelledError)
    assert results[2] == 20


async def test_draining_waits_for_everything_submitted() -> None:
    disk = Disk()
    group = GroupCommit(disk.commit, most=1)
    callers = [asyncio.create_task(group.submit(item)) for item in range(4)]
    await asyncio.sleep(0)
    await group.drain()
    assert disk.groups == [[0], [1], [2], [3]]
    assert await asyncio.gather(*callers) == [0, 10, 20, 30]


@pytest.mark.parametrize("refused", [ValueError("no number"), OverflowError("too large")])
async def test_a_refused_item_fails_alone(refused: Exception) -> None:
    async def commit(items: Sequence[int]) -> Sequence[int]:
        if 2 in items:
            raise refused
        return items

    group = GroupCommit(commit)
    results = await asyncio.gather(*(group.submit(item) for item in (1, 2, 3)), return_exceptions=True)
    assert results == [1, refused, 3]
