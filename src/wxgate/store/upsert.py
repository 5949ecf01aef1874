"""INSERT … ON CONFLICT, which both databases have but SQLAlchemy spells once for each."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Insert = sqlite.Insert | postgresql.Insert


def insert_for(connection: AsyncConnection | Connection, table: Table) -> Any:
    """Make an INSERT of the connection's own dialect."""
    return (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)


async def put(
    connection: AsyncConnection, table: Table, row: Mapping[str, Any], *, keep: frozenset[str] = frozenset()
) -> None:
    """Insert a row, or replace the one with the same primary key but for the columns to keep."""
    key = [column.name for column in table.primary_key]
    statement = insert_for(connection, table).values(**row)
    changes = {name: statement.excluded[name] for name in row if name not in key and name not in keep}
    await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changes))
