"""Deleting much without holding anybody up: a little at a time, in transactions of their own."""

import asyncio

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

from wxgate.store.database import Database

AT_ONCE = 500
"""Rows deleted in one transaction: on SQLite other writers wait for it."""

PAUSE_SECONDS = 0.002
"""How long those who wait have to take their turn."""


async def delete_in_steps(database: Database, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete the rows of a table that a condition names; return how many."""
    deleted = 0
    while True:
        step = await database.batch(lambda connection: delete_some(connection, table, condition, AT_ONCE))
        deleted += step
        if step < AT_ONCE:
            return deleted
        await asyncio.sleep(PAUSE_SECONDS)


def delete_some(connection: Connection, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    """Delete some of these rows, passing over what another node has locked."""
    key = list(table.primary_key)
    found = select(*key).where(condition).order_by(*key).limit(limit).with_for_update(skip_locked=True)
    rows = [tuple(row) for row in connection.execute(found).all()]
    if rows:
        theirs = tuple_(*key).in_(rows) if len(key) > 1 else key[0].in_([row[0] for row in rows])
        connection.execute(delete(table).where(theirs))
    return len(rows)
