"""The engine: one set of queries for SQLite and PostgreSQL, and who may write when.

SQLite has one writer. Inside a process all writing goes through one connection; between processes a
transaction takes the write lock at its start (BEGIN IMMEDIATE) and waits for it, so that no transaction
fails half-way for want of it.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from wxgate.errors import ConfigError, StorageError

T = TypeVar("T")

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

LOCK_WAIT_SECONDS = 10
"""How long a writer waits for another process's transaction; ours take milliseconds."""

READERS = 4
"""Connections that read beside the one that writes."""

SILENCE_SECONDS = 10.0
"""How long a transaction with PostgreSQL may take. Ours take milliseconds; one whose connection a firewall
has forgotten would wait for ever."""

PING_SECONDS = 5.0
"""How long a database may take to answer before it counts as silent."""

PRAGMAS = (
    f"PRAGMA busy_timeout={LOCK_WAIT_SECONDS * 1000}",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)


POSTGRES_OPTIONS = frozenset({"ssl", "sslmode", "host", "port", "prepared_statement_cache_size"})
"""What may stand after the `?` of an address; the driver would answer anything else with a TypeError."""


def read_url(url: str) -> URL:
    """Read a database address as people write it and name the driver we use for it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter when the port is no number
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
    return _read_options(parsed.set(drivername=driver))


def _read_options(url: URL) -> URL:
    if url.get_backend_name() == "sqlite":
        return url
    if unknown := sorted(url.query.keys() - POSTGRES_OPTIONS):
        raise ConfigError(
            f"WXGATE_DATABASE_URL has an option that is not understood: {unknown[0]}; "
            f"there are {', '.join(sorted(POSTGRES_OPTIONS))}"
        )
    # What every other PostgreSQL client calls sslmode, ours calls ssl.
    return url.set(query={"ssl" if name == "sslmode" else name: value for name, value in url.query.items()})


POSTGRES_REFUSALS = ("22", "23")
"""Classes of SQLSTATE that blame a value: one that cannot be stored, or that a constraint forbids."""

SQLITE_REFUSALS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,  # a value of a type that cannot be bound
)


ATTEMPTS = 5
"""How often a batch is done whose rows are deleted under its hands."""


class Gone(Exception):
    """A row that kept an insert from happening was deleted before it could be read; nothing is written."""


class Database:
    """Connections to read and to write."""

    def __init__(self, url: URL, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.url = url
        self._silence_seconds = silence_seconds
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._closed = False
        self._cannot_write = False
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, size=1, begin="BEGIN IMMEDIATE")
            self._batches = create_engine(
                url.set(drivername="sqlite"), poolclass=StaticPool, hide_parameters=True
            )
            prepare_sqlite(self._batches, begin="BEGIN IMMEDIATE")
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite batches")
            # Both ways of writing wait for each other here, and not by SQLite's sleeping and looking again.
            self._turn = asyncio.Lock()
            self._reader = _sqlite_engine(url, size=READERS, begin="BEGIN")
        else:
            # The queries count on this isolation, whatever the server's default: who waited for a row or a
            # key sees what the other one wrote.
            self._writer = self._reader = create_async_engine(
                url,
                pool_size=10,
                max_overflow=10,
                pool_pre_ping=True,
                hide_parameters=True,
                isolation_level="READ COMMITTED",
            )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; it is committed when the block ends, undone when it raises."""
        with self._noting_trouble():
            async with self._turn if self.is_sqlite else self._patience(), self._writer.begin() as connection:
                yield connection

    async def batch(self, work: Callable[[Connection], T]) -> T:
        """Run a function in one transaction that writes.

        On SQLite it runs in a thread as a whole: crossing to a thread and back for each statement, as the
        asynchronous driver does, would cost more than the statements. Where it raises Gone, it is undone and
        run again.
        """
        for _ in range(ATTEMPTS):
            with suppress(Gone):
                return await self._batch(work)
        raise StorageError("rows are deleted as fast as they are written; try again")

    async def _batch(self, work: Callable[[Connection], T]) -> T:
        with self._noting_trouble():
            if self.is_sqlite:
                loop = asyncio.get_running_loop()
                async with self._turn:
                    return await loop.run_in_executor(self._thread, self._run_batch, work)
            async with self._patience(), self._writer.begin() as connection:
                return await connection.run_sync(work)

    def _run_batch(self, work: Callable[[Connection], T]) -> T:
        with self._batches.begin() as connection:
            return work(connection)

    @contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        """Remember whether the last attempt to write showed that the database cannot be written."""
        try:
            with _trouble_named():
                yield
        except StorageError as error:
            self._cannot_write |= not error.refused
            raise
        self._cannot_write = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that reads."""
        with _trouble_named():
            patience = nullcontext() if self.is_sqlite else self._patience()
            async with patience, self._reader.connect() as connection:
                yield connection

    def _patience(self) -> asyncio.Timeout:
        # Cancelled from outside, the pool throws the connection away; the driver's own time-out would wait
        # for the server to confirm that it has stopped.
        return asyncio.timeout(self._silence_seconds)

    async def ping(self) -> bool:
        """Tell whether the database answers and, when it could not be written last time, whether it can."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                async with self.read() as connection:
                    await connection.execute(text("SELECT 1"))
                if self._cannot_write:
                    # It changes nothing, but is committed: a full disk shows only there.
                    async with self.write() as connection:
                        await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        except (StorageError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Close all connections; closing twice does no harm."""
        await self._reader.dispose()
        await self._writer.dispose()
        if self.is_sqlite and not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._batches.dispose)
            self._thread.shutdown()


@contextmanager
def _trouble_named() -> Iterator[None]:
    """Turn the drivers' many errors into the one that callers know."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = type(error.orig if isinstance(error, DBAPIError) else error).__name__
        if _is_refusal(error):
            raise StorageError(
                f"the database did not take what was to be written ({cause})", refused=True
            ) from error
        raise StorageError(f"the database cannot be used ({cause}); does it run, and has it room?") from error


def _is_refusal(error: Exception) -> bool:
    """Tell whether the database answered, but did not take the values; all else is trouble with itself."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError)  # a value that cannot be made a parameter
    if error.statement is None or error.connection_invalidated:
        return False  # while connecting or committing: no value was looked at
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(error.orig, SQLITE_REFUSALS)
    return (getattr(error.orig, "sqlstate", None) or "").startswith(POSTGRES_REFUSALS)


def _sqlite_engine(url: URL, *, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, hide_parameters=True)
    prepare_sqlite(engine.sync_engine, begin=begin)
    return engine


def prepare_sqlite(engine: Engine, *, begin: str) -> None:
    """Make an engine's connections durable and say how its transactions begin."""

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we say where they begin.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def use_write_ahead_log(path: str) -> None:
    """Have a SQLite file, made if need be, keep a write-ahead log from now on.

    The file remembers it. Of several processes that do this at once SQLite turns all but one away without
    waiting, `busy_timeout` or not, so the waiting is done here; call it in a thread.
    """
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    with suppress(FileExistsError):
        # For its owner only; what SQLite keeps beside the file gets the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, timeout=LOCK_WAIT_SECONDS)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.005)
