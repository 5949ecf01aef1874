"""A firewall has forgotten our connections to PostgreSQL: nothing answers on them, and nobody is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import Connection, text

from tests.chaos.links import Link
from wxgate.errors import StorageError
from wxgate.store.database import Database, read_url
from wxgate.store.wakeups import Wakeups

pytestmark = pytest.mark.postgres

SELECT = text("SELECT 1")


@pytest.fixture
async def link(postgres_url: str) -> AsyncIterator[Link]:
    """A wire to the server of this test."""
    url = read_url(postgres_url)
    async with Link((str(url.host), url.port or 0)) as link:
        yield link


@pytest.fixture
async def database(postgres_url: str, link: Link) -> AsyncIterator[Database]:
    """A database behind the wire, on which nobody waits for long."""
    database = Database(read_url(postgres_url).set(port=link.port), silence_seconds=0.3)
    yield database
    await database.close()


async def read(database: Database) -> None:
    """Read once."""
    async with database.read() as connection:
        await connection.execute(SELECT)


async def write(database: Database) -> None:
    """Write once."""
    async with database.write() as connection:
        await connection.execute(SELECT)


async def batch(database: Database) -> None:
    """Write a batch."""

    def work(connection: Connection) -> None:
        connection.execute(SELECT)

    await database.batch(work)


@pytest.mark.parametrize("use", [read, write, batch])
async def test_a_forgotten_connection_is_given_up_and_the_next_one_works(
    database: Database, link: Link, use: Callable[[Database], Awaitable[None]]
) -> None:
    await use(database)
    link.forget()
    async with asyncio.timeout(30):
        with pytest.raises(StorageError, match="cannot be used"):
            await use(database)
        await use(database)


async def test_a_listener_on_a_forgotten_connection_listens_on_another(
    database: Database, link: Link
) -> None:
    wakeups = Wakeups(database, check_seconds=0.2)
    missed: asyncio.Queue[bool] = asyncio.Queue()
    listening = asyncio.create_task(
        wakeups.listen(lambda *_: None, lambda: missed.put_nowait(wakeups.connected))
    )
    async with asyncio.timeout(30):
        assert await missed.get(), "it listens"
        link.forget()
        assert not await missed.get(), "it has noticed"
        assert await missed.get(), "it listens again"
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
