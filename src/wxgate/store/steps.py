"""Changing much without holding anybody up: a little at a time, in transactions of their own."""

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, select, tuple_

from wxgate.store.database import Database

AT_ONCE = 500
"""Rows changed in one transaction: on SQLite other writers wait for it."""

PAUSE_SECONDS = 0.002
"""How long those who wait have to take their turn."""


def lock_some(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    """Select the keys of some rows, locked in one order, so that two who change many do not block each other.

    They are found first and put in order then: asked for both at once, SQLite goes through the whole table
    in the order of its key.
    """
    key = list(table.primary_key)
    found = select(*key).where(condition).limit(AT_ONCE)
    return select(*key).where(_among(table, found), condition).order_by(*key).with_for_update()


async def delete_in_steps(database: Database, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete the rows of a table that a condition names; return how many."""
    deleted = 0
    while step := await database.batch(partial(_delete_some, table=table, condition=condition)):
        deleted += step
        if step == AT_ONCE:
            await asyncio.sleep(PAUSE_SECONDS)
    return deleted


def _delete_some(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    keys = [tuple(row) for row in connection.execute(lock_some(table, condition)).all()]
    if keys:
        connection.execute(delete(table).where(_among(table, keys)))
    return len(keys)


def _among(table: Table, keys: Any) -> ColumnElement[bool]:
    """Compare a table's key with those of a query or a list."""
    key = list(table.primary_key)
    if len(key) > 1:
        return tuple_(*key).in_(keys)
    return key[0].in_(keys if isinstance(keys, Select) else [value for (value,) in keys])
