"""The schema: migrations run from the package itself, by one process at a time."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from wxgate.errors import ConfigError
from wxgate.store.database import prepare_sqlite, use_write_ahead_log

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

NEWEST = "0004"
"""The revision this code is written for; every opening compares it, and only a difference loads Alembic."""

MIGRATION_LOCK = 0x77786761
"""The advisory lock ("wxga") at which two starting nodes meet on PostgreSQL."""


async def upgrade(url: URL) -> None:
    """Bring the schema up to date."""
    await _run(url, _upgrade)


async def revisions(url: URL) -> tuple[str | None, str]:
    """Return the schema's revision and the newest there is; they are equal when it is up to date.

    Looking changes nothing: a SQLite file that is not there is not made.
    """
    return await look(url, _revision), NEWEST


async def look(url: URL, work: Callable[[Connection], T]) -> T | None:
    """Look at a database as it is, whatever its schema; None where there is none yet."""
    return None if _is_missing(url) else await _run(url, work)


async def _run(url: URL, work: Callable[[Connection], T]) -> T:
    """Run something in one transaction that keeps other migrations out."""
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        if _is_sqlite(url):
            await asyncio.to_thread(use_write_ahead_log, url.database or "")
            prepare_sqlite(engine.sync_engine, begin="BEGIN IMMEDIATE")
        async with engine.begin() as connection:
            if not _is_sqlite(url):
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            return await connection.run_sync(work)
    except (DBAPIError, sqlite3.Error, OSError) as error:
        shown = url.set(query={}).render_as_string(hide_password=True)
        raise ConfigError(
            f"cannot use the database {shown}: {_reason(error)}; check WXGATE_DATABASE_URL"
        ) from None
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    found = _revision(connection)
    if found == NEWEST:
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigError(
            f"the database has schema {found}, which a newer wxgate made; this one knows schemas up to "
            f"{NEWEST}: run the newer one, or go back to a backup from before it"
        )
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # % is special to its parser
    return config


def _is_missing(url: URL) -> bool:
    return _is_sqlite(url) and not Path(url.database or "").exists()


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause) or type(cause).__name__  # a TimeoutError says nothing
