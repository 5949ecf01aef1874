"""What is believed for a while is loaded once however many ask, and not longer than it is trusted."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.clock import ManualClock
from wxgate.custody.memory import BRIDGED, Memory
from wxgate.errors import StorageError

TRUSTED = timedelta(seconds=2)


class Shelf:
    """Counts how often something is looked up."""

    def __init__(self) -> None:
        self.looked = 0
        self.broken: Exception | None = None

    async def load(self, key: str) -> str:
        self.looked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise self.broken
        return f"{key} {self.looked}"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def memory(shelf: Shelf, clock: ManualClock) -> Memory[str, str]:
    return Memory(shelf.load, clock, trusted=TRUSTED, most=2)


async def test_many_who_ask_at_once_cause_one_look(memory: Memory[str, str], shelf: Shelf) -> None:
    assert await asyncio.gather(*(memory.get("a") for _ in range(50))) == ["a 1"] * 50
    assert await memory.get("a") == "a 1"
    assert shelf.looked == 1


async def test_what_has_aged_is_looked_up_again(memory: Memory[str, str], clock: ManualClock) -> None:
    assert await memory.get("a") == "a 1"
    clock.advance(TRUSTED - timedelta(microseconds=1))
    assert await memory.get("a") == "a 1"
    clock.advance(timedelta(microseconds=1))
    assert await memory.get("a") == "a 2"


async def test_a_clock_set_back_does_not_make_old_things_new(
    memory: Memory[str, str], clock: ManualClock
) -> None:
    await memory.get("a")
    clock.advance(-timedelta(hours=1))
    assert await memory.get("a") == "a 2"


async def test_what_was_loaded_longest_ago_makes_room(memory: Memory[str, str]) -> None:
    for key in ("a", "b", "c"):
        await memory.get(key)
    assert [memory.holds(key) for key in ("a", "b", "c")] == [False, True, True]


async def test_trouble_is_told_and_not_remembered(memory: Memory[str, str], shelf: Shelf) -> None:
    shelf.broken = StorageError("broken")
    with pytest.raises(StorageError, match="broken"):
        await memory.get("a")
    shelf.broken = None
    assert await memory.get("a") == "a 2"


async def test_a_caller_that_gives_up_takes_nobody_along(memory: Memory[str, str]) -> None:
    leaving, staying = asyncio.create_task(memory.get("a")), asyncio.create_task(memory.get("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "a 1"


async def test_what_was_known_is_believed_while_the_database_is_away_and_not_for_ever(
    memory: Memory[str, str], shelf: Shelf, clock: ManualClock
) -> None:
    await memory.get("a")
    shelf.broken = StorageError("away")
    clock.advance(TRUSTED)
    assert [await memory.get("a") for _ in range(3)] == ["a 1"] * 3
    assert shelf.looked == 2  # and the database is not asked by every reader
    clock.advance(BRIDGED)
    with pytest.raises(StorageError):
        await memory.get("a")


async def test_a_refusal_of_the_database_is_not_bridged_over(
    memory: Memory[str, str], shelf: Shelf, clock: ManualClock
) -> None:
    await memory.get("a")
    shelf.broken = StorageError("no such value", refused=True)
    clock.advance(TRUSTED)
    with pytest.raises(StorageError):
        await memory.get("a")
