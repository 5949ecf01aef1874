"""Addresses and connections: what people write is understood, what cannot work is refused in words."""

import asyncio
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.store import Store
from wxgate.store.database import read_url


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("sqlite:///wxgate.db", "sqlite+aiosqlite:///wxgate.db"),
        ("sqlite+aiosqlite:////var/lib/wxgate.db", "sqlite+aiosqlite:////var/lib/wxgate.db"),
        ("postgresql://u:p@db/wxgate", "postgresql+asyncpg://u:p@db/wxgate"),
        ("postgres://u@db:6432/wxgate", "postgresql+asyncpg://u@db:6432/wxgate"),
        ("postgresql+asyncpg://db/wxgate", "postgresql+asyncpg://db/wxgate"),
        ("postgresql://db/wxgate?sslmode=require", "postgresql+asyncpg://db/wxgate?ssl=require"),
    ],
)
def test_addresses_are_read_as_people_write_them(written: str, used: str) -> None:
    assert read_url(written).render_as_string(hide_password=False) == used


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("wxgate.db", "not an address"),
        ("", "not an address"),
        ("mysql://db/wxgate", "'mysql' are not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://db/wxgate?sslmod=require", "sslmod"),
    ],
)
def test_addresses_that_cannot_work_are_refused_in_words(written: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_url(written)


@pytest.mark.parametrize(
    "address",
    ["sqlite:////nowhere/at/all/wxgate.db", "postgresql://someone:hidden-password@127.0.0.1:1/wxgate"],
)
async def test_a_database_that_cannot_be_opened_is_an_error_of_the_settings(address: str) -> None:
    with pytest.raises(ConfigError, match="WXGATE_DATABASE_URL") as raised:
        await Store.open(address, Vault(KeyRing.generate()))
    assert "hidden-password" not in str(raised.value)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("dear reader, " * 100)
    with pytest.raises(ConfigError, match="WXGATE_DATABASE_URL"):
        await Store.open(f"sqlite:///{file}", Vault(KeyRing.generate()))
    assert file.read_text() == "dear reader, " * 100


async def test_an_open_store_answers_a_ping(store: Store) -> None:
    assert await store.ping()


async def test_sqlite_is_durable_by_every_connection(sqlite_url: str, vault: Vault) -> None:
    store = await Store.open(sqlite_url, vault)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for open_connection in (store.database.write, store.database.read):
        async with open_connection() as connection:
            found = {name: await connection.scalar(text(f"PRAGMA {name}")) for name in wanted}
            assert found == wanted
            assert await connection.scalar(text("PRAGMA busy_timeout")) >= 5000
    await store.close()


async def test_what_a_block_wrote_before_it_failed_is_undone(store: Store) -> None:
    async def write_and_fail() -> None:
        async with store.database.write() as connection:
            await connection.execute(text("INSERT INTO alembic_version VALUES ('x')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with store.database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


async def test_a_cancelled_writer_leaves_the_way_free(store: Store) -> None:
    async def write_for_ever() -> None:
        async with store.database.write() as connection:
            await connection.execute(text("INSERT INTO alembic_version VALUES ('x')"))
            writing.set()
            await asyncio.Event().wait()

    writing = asyncio.Event()
    writer = asyncio.create_task(write_for_ever())
    await writing.wait()
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    async with asyncio.timeout(30), store.database.write() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


async def test_a_sqlite_file_is_made_for_its_owner_only(
    sqlite_url: str, vault: Vault, tmp_path: Path
) -> None:
    store = await Store.open(sqlite_url, vault)
    async with store.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
    modes = {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.db*")}
    await store.close()
    assert modes == {".db": 0o600, ".db-wal": 0o600, ".db-shm": 0o600}
