"""Whether the keys at hand are those of the database: a wrong key must not look like a fresh start."""

from contextlib import suppress

from sqlalchemy import Column, Connection, Table, inspect, select
from sqlalchemy.engine import URL

from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.store import login_tables
from wxgate.store.database import Database
from wxgate.store.schema import look
from wxgate.store.seals import Seals
from wxgate.store.tables import authorizations, direct_accounts, platforms

KEPT_SECRETS = (
    platforms.c.secret,
    direct_accounts.c.secret,
    authorizations.c.refresh_token,
    login_tables.apps.c.secret,
    login_tables.signing_keys.c.private,
)
"""What cannot be fetched anew, and so tells whose database it is."""

SAMPLE = 20
"""How many rows of a table are tried before its verdict; one that was damaged proves nothing."""


async def holds_secrets(url: URL) -> bool:
    """Tell whether a database, which need not be there yet, holds anything that only its old keys open."""
    return bool(await look(url, _holds_secrets))


def _holds_secrets(connection: Connection) -> bool:
    there = inspect(connection).get_table_names()
    return any(
        connection.execute(select(column).where(column.is_not(None)).limit(1)).first() is not None
        for column in KEPT_SECRETS
        if _table(column).name in there
    )


async def check_keys(database: Database, vault: Vault) -> None:
    """Raise ConfigError when there are secrets and none of them opens."""
    found = False
    for column in KEPT_SECRETS:
        table = _table(column)
        seals, key = Seals(vault, table.name), list(table.primary_key)
        query = select(column, *key).where(column.is_not(None)).limit(SAMPLE)
        async with database.read() as connection:
            rows = (await connection.execute(query)).all()
        for sealed, *row in rows:
            found = True
            with suppress(ConfigError):
                seals.open(sealed, column.name, *row)
                return
    if found:
        raise ConfigError(
            "the key file or WXGATE_KEYS does not fit this database: none of its keys opens what was sealed "
            "here; put the old one back (a key that was replaced stays in the list, after the new one)"
        )


def _table(column: Column[bytes]) -> Table:
    assert isinstance(column.table, Table)
    return column.table
