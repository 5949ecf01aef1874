"""Codes of ours: each is spent once, and a second time is remembered."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, update

from wxgate.login.records import LoginCode, Purpose
from wxgate.store.database import Database
from wxgate.store.login_tables import codes
from wxgate.store.steps import delete_in_steps

table = codes.c

FIELDS = tuple(column for column in table if column.name != "replayed_at")


class SqlCodes:
    """Implements login's Codes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, code: LoginCode) -> None:
        """Insert a code."""
        row = {column.name: getattr(code, column.name) for column in FIELDS}
        row |= {"purpose": code.purpose.value, "data": dict(code.data)}
        async with self._database.write() as connection:
            await connection.execute(codes.insert().values(**row))

    async def take(self, code_hash: str, *, now: datetime) -> tuple[LoginCode, bool] | None:
        """Spend a code; `used_at` is when it was spent first."""
        return await self._database.batch(partial(_take, code_hash=code_hash, now=now))

    async def prune(self, *, expired_before: datetime) -> int:
        """Delete old codes."""
        return await delete_in_steps(self._database, codes, table.expires_at < expired_before)


def _take(connection: Connection, code_hash: str, now: datetime) -> tuple[LoginCode, bool] | None:
    fresh = update(codes).where(table.code_hash == code_hash, table.used_at.is_(None)).values(used_at=now)
    if (row := connection.execute(fresh.returning(*FIELDS)).first()) is not None:
        return _read(row), True
    # Whoever keeps tokens of this code at this moment holds its row (SqlGrants.put): they are there after it.
    again = update(codes).where(table.code_hash == code_hash).values(replayed_at=now)
    row = connection.execute(again.returning(*FIELDS)).first()
    return (_read(row), False) if row is not None else None


def _read(row: Row[Any]) -> LoginCode:
    return LoginCode(**{**row._mapping, "purpose": Purpose(row.purpose)})
