"""What WeChat told of accounts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, select

from wxgate.custody.records import AccountInfo
from wxgate.store.database import Database
from wxgate.store.tables import accounts
from wxgate.store.upsert import put


class SqlAccounts:
    """Implements custody's AccountStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, info: AccountInfo) -> None:
        """Insert or replace."""
        async with self._database.write() as connection:
            await put(connection, accounts, asdict(info))

    async def load(self, appid: str) -> AccountInfo | None:
        """Load one."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(accounts).where(accounts.c.appid == appid))).first()
        return _read(row) if row else None

    async def list(self) -> Sequence[AccountInfo]:
        """List all."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(accounts).order_by(accounts.c.appid))).all()
        return [_read(row) for row in rows]


def _read(row: Row[Any]) -> AccountInfo:
    return AccountInfo(**row._mapping)
