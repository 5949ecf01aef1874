"""News of tokens on PostgreSQL: heard once committed, and again after the connection was lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import FetchedToken
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizerToken
from wxgate.store import Store
from wxgate.store.tokens import replace_token
from wxgate.store.wakeups import read

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
FETCHED = FetchedToken(AuthorizerToken("token"), NOW, after(7200))


class Listener:
    """What one node hears."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[tuple[TokenKey, int]] = asyncio.Queue()
        self.missed = asyncio.Event()

    def heard(self, key: TokenKey, version: int) -> None:
        self.news.put_nowait((key, version))

    async def hears(self) -> tuple[TokenKey, int]:
        async with asyncio.timeout(30):
            return await self.news.get()

    async def looks_again(self) -> None:
        async with asyncio.timeout(30):
            await self.missed.wait()
        self.missed.clear()


@contextlib.asynccontextmanager
async def listening(store: Store) -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(store.wakeups.listen(listener.heard, listener.missed.set))
    try:
        # Whatever changed before it listened, it has not heard of.
        await listener.looks_again()
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def fill(store: Store) -> None:
    lease = await store.tokens.claim(KEY, holder="node", now=NOW, ttl=TTL)
    assert lease is not None
    await store.tokens.finish(lease, FETCHED)


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.mark.postgres
async def test_every_change_of_a_token_is_heard_by_the_other_node(store: Store, other: Store) -> None:
    async with listening(other) as listener:
        await fill(store)
        assert await listener.hears() == (KEY, 1)
        await store.tokens.drop(KEY)
        assert await listener.hears() == (KEY, 0)
        await fill(store)
        assert await listener.hears() == (KEY, 2)
        await store.tokens.reject(KEY, version=2, now=NOW)
        assert await listener.hears() == (KEY, 0)
        await store.tokens.drop_account(KEY.issuer, KEY.account)
        assert await listener.hears() == (KEY, 0)


@pytest.mark.postgres
async def test_news_waits_for_the_commit_and_is_not_heard_after_an_undone_change(
    store: Store, other: Store
) -> None:
    async with listening(other) as listener:
        with contextlib.suppress(RuntimeError):
            async with store.database.write() as connection:
                await replace_token(connection, store.tokens._seals, KEY, FETCHED)
                raise RuntimeError("undone")
        async with store.database.write() as connection:
            await replace_token(connection, store.tokens._seals, KEY, FETCHED)
            assert listener.news.empty()
        assert await listener.hears() == (KEY, 1)
        assert listener.news.empty()


@pytest.mark.postgres
async def test_a_lost_listener_comes_back_and_takes_it_that_it_missed_something(
    store: Store, other: Store
) -> None:
    async with listening(other) as listener:
        assert other.wakeups.connected
        async with store.database.write() as connection:
            ended = await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
            assert len(ended.all()) == 1
        await listener.looks_again()
        assert not other.wakeups.connected
        await listener.looks_again()
        assert other.wakeups.connected
        await fill(store)
        assert await listener.hears() == (KEY, 1)


@pytest.mark.parametrize("payload", ["", "x", "1/authorizer/wx", "one/authorizer/wx/wx", "1/neither/wx/wx"])
def test_what_others_say_on_the_channel_is_passed_over(payload: str) -> None:
    assert read(payload) is None
