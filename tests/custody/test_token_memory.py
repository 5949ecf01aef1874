"""What a node remembers of tokens: trusted for a moment, loaded once however many ask, ended by news."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.clock import ManualClock
from wxgate.custody.records import KeptToken
from wxgate.custody.token_memory import RECHECK, USED_EVERY, TokenMemory
from wxgate.errors import StorageError
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizerToken

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def token(version: int, at: datetime = NOW) -> KeptToken:
    return KeptToken(KEY, AuthorizerToken(f"token-{version}"), version, at, at + timedelta(hours=2))


class Shelf:
    """Where the memory loads from: what is on it, how often that was asked, and a door to close."""

    def __init__(self) -> None:
        self.kept: KeptToken | None = token(1)
        self.loads = 0
        self.trouble: StorageError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.clock = ManualClock(NOW)
        self.memory = TokenMemory(self.load, self.clock, patience=0.02)

    async def load(self, _key: TokenKey) -> KeptToken | None:
        self.loads += 1
        kept = self.kept
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        return kept


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


async def test_a_row_is_loaded_once_for_all_who_ask_at_once(shelf: Shelf) -> None:
    for round_number in (1, 2):
        served = await asyncio.gather(*(shelf.memory.current(KEY) for _ in range(100)))
        assert set(served) == {token(1)}
        assert shelf.loads == round_number
        shelf.clock.advance(RECHECK)


async def test_memory_is_trusted_for_a_moment_only(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    shelf.kept = token(2)
    shelf.clock.advance(RECHECK * 0.9)
    assert shelf.memory.fresh(KEY) == await shelf.memory.current(KEY) == token(1)
    shelf.clock.advance(RECHECK * 0.2)
    assert shelf.memory.fresh(KEY) is None
    assert await shelf.memory.current(KEY) == token(2)


async def test_a_token_that_is_due_is_not_served_as_a_fresh_one(shelf: Shelf) -> None:
    shelf.kept = token(1, NOW - timedelta(hours=1, minutes=49, seconds=59.5))
    await shelf.memory.current(KEY)
    assert shelf.memory.fresh(KEY) is not None
    shelf.clock.advance(RECHECK / 2)
    assert shelf.memory.fresh(KEY) is None


async def test_a_clock_set_back_makes_memory_look_again(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    shelf.clock.advance(-timedelta(hours=1))
    assert shelf.memory.fresh(KEY) is None
    await shelf.memory.current(KEY)
    assert shelf.loads == 2


async def test_a_load_under_way_does_not_bring_back_what_was_forgotten_meanwhile(shelf: Shelf) -> None:
    shelf.open.clear()
    early = asyncio.create_task(shelf.memory.current(KEY))
    await asyncio.sleep(0)
    shelf.kept = token(2)
    shelf.memory.forget(KEY)
    shelf.open.set()
    await early
    assert shelf.memory.fresh(KEY) is None
    assert await shelf.memory.current(KEY) == token(2)


async def test_news_of_what_is_known_already_changes_nothing(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    shelf.memory.heard(KEY, 1)
    assert shelf.memory.fresh(KEY) == token(1)
    shelf.memory.heard(KEY, 2)
    assert shelf.memory.fresh(KEY) is None


@pytest.mark.parametrize("news", ["dropped", "missed", "forgotten"])
async def test_whatever_may_have_ended_a_token_ends_the_trust_in_memory(shelf: Shelf, news: str) -> None:
    await shelf.memory.current(KEY)
    match news:
        case "dropped":
            shelf.memory.heard(KEY, 0)
        case "missed":
            shelf.memory.missed()
        case _:
            shelf.memory.forget_account("wxplatform", "wxaccount")
    assert shelf.memory.fresh(KEY) is None


async def test_whoever_watches_is_woken_by_news_even_from_between_two_waits(shelf: Shelf) -> None:
    with shelf.memory.watching(KEY) as watch:
        shelf.memory.keep(token(2))
        await asyncio.wait_for(watch.wait(60), 30)
        waiting = asyncio.create_task(watch.wait(60))
        await asyncio.sleep(0)
        shelf.memory.heard(KEY, 3)
        await asyncio.wait_for(waiting, 30)


async def test_while_the_database_is_in_trouble_a_living_token_serves_on(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    shelf.trouble = StorageError("gone")
    shelf.clock.advance(timedelta(hours=1))
    assert await shelf.memory.current(KEY) == token(1)
    assert shelf.memory.fresh(KEY) == token(1)
    shelf.clock.advance(timedelta(hours=1))
    with pytest.raises(StorageError):
        await shelf.memory.current(KEY)


async def test_a_database_that_says_nothing_holds_nobody_up_while_a_token_lives(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    shelf.open.clear()
    shelf.clock.advance(RECHECK)
    async with asyncio.timeout(30):
        assert await shelf.memory.current(KEY) == token(1)
    shelf.kept = token(2)
    shelf.open.set()
    shelf.clock.advance(RECHECK)
    await shelf.memory.current(KEY)
    shelf.clock.advance(RECHECK)
    assert await shelf.memory.current(KEY) == token(2)


async def test_without_anything_remembered_trouble_is_told(shelf: Shelf) -> None:
    shelf.trouble = StorageError("gone")
    with pytest.raises(StorageError):
        await shelf.memory.current(KEY)


async def test_a_use_is_noted_once_in_a_while(shelf: Shelf) -> None:
    await shelf.memory.current(KEY)
    for expected in ({KEY}, set()):
        for _ in range(3):
            shelf.memory.fresh(KEY)
        assert shelf.memory.take_used() == expected
    shelf.clock.advance(USED_EVERY)
    await shelf.memory.current(KEY)
    shelf.memory.fresh(KEY)
    assert shelf.memory.take_used() == {KEY}
