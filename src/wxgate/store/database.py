"""The engine: one set of queries for SQLite and PostgreSQL, and who may write when.

SQLite has one writer. Inside a process all writing goes through one connection; between processes a
transaction takes the write lock at its start (BEGIN IMMEDIATE) and waits for it, so that no transaction
fails half-way for want of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from wxgate.errors import ConfigError

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

LOCK_WAIT_SECONDS = 10
"""How long a writer waits for another process's transaction; ours take milliseconds."""

READERS = 4
"""Connections that read beside the one that writes."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={LOCK_WAIT_SECONDS * 1000}",
    "PRAGMA foreign_keys=ON",
)


def read_url(url: str) -> URL:
    """Read a database address as people write it and name the driver we use for it."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "WXGATE_DATABASE_URL is not an address; write sqlite:///wxgate.db or postgresql://…"
        ) from None
    driver = DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigError(
            f"databases of kind {parsed.get_backend_name()!r} are not supported; use sqlite:///… or postgresql://…"
        )
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ConfigError("a database in memory would lose every token; name a file: sqlite:///wxgate.db")
    return parsed.set(drivername=driver)


class Database:
    """Connections to read and to write."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, size=1, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite_engine(url, size=READERS, begin="BEGIN")
        else:
            self._writer = self._reader = create_async_engine(
                url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True
            )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; it is committed when the block ends, undone when it raises."""
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that reads."""
        async with self._reader.connect() as connection:
            yield connection

    async def ping(self) -> bool:
        """Tell whether the database answers."""
        try:
            async with self.read() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()


def _sqlite_engine(url: URL, *, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, hide_parameters=True)
    prepare_sqlite(engine, begin=begin)
    return engine


def prepare_sqlite(engine: AsyncEngine, *, begin: str) -> None:
    """Make an engine's connections durable and say how its transactions begin."""

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we say where they begin.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def open_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)
