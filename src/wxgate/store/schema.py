"""The schema: migrations run from the package itself, by one process at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from wxgate.errors import ConfigError
from wxgate.store.database import prepare_sqlite

T = TypeVar("T")

MIGRATION_LOCK = 0x77786761
"""The advisory lock ("wxga") at which two starting nodes meet on PostgreSQL."""


async def upgrade(url: URL) -> None:
    """Bring the schema up to date."""
    await _run(url, _upgrade)


async def revisions(url: URL) -> tuple[str | None, str | None]:
    """Return the schema's revision and the newest there is; they are equal when it is up to date."""
    return await _run(url, _revision), ScriptDirectory.from_config(_config()).get_current_head()


async def _run(url: URL, work: Callable[[Connection], T]) -> T:
    """Run something in one transaction that keeps other migrations out."""
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    if url.get_backend_name() == "sqlite":
        prepare_sqlite(engine, begin="BEGIN IMMEDIATE")
    try:
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            return await connection.run_sync(work)
    except (DBAPIError, OSError) as error:
        raise ConfigError(
            f"cannot use the database {url.render_as_string(hide_password=True)}: {_reason(error)}; "
            "check WXGATE_DATABASE_URL"
        ) from None
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _reason(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
