"""What WeChat told of accounts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from wxgate.custody.records import AccountInfo, AuthorizationState
from wxgate.store.database import Database
from wxgate.store.tables import accounts, authorizations
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

    async def unknown(self, *, since: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Name accounts that WeChat has not told of yet, those of the latest changes first."""
        known = select(accounts.c.appid).where(accounts.c.appid == authorizations.c.appid).exists()
        query = (
            select(authorizations.c.platform, authorizations.c.appid)
            .where(
                authorizations.c.updated_at >= since,
                authorizations.c.state == AuthorizationState.ACTIVE.value,
                ~known,
            )
            .order_by(authorizations.c.updated_at.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(row.platform, row.appid) for row in (await connection.execute(query)).all()]


def _read(row: Row[Any]) -> AccountInfo:
    return AccountInfo(**row._mapping)
