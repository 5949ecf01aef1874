"""Logins by scanning an account's QR code: each step is taken once, from the one before."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from wxgate.login.records import Goal, Purpose, Scan, ScanState
from wxgate.store.database import Database
from wxgate.store.login_tables import scans
from wxgate.store.steps import delete_in_steps

table = scans.c

COLUMNS = tuple(column.name for column in table if column.name not in ("purpose", "data"))

DECIDED = frozenset({ScanState.CONFIRMED, ScanState.REFUSED})


class SqlScans:
    """Implements login's Scans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, scan: Scan) -> None:
        """Insert a scan login."""
        row = {name: getattr(scan, name) for name in COLUMNS}
        row |= {
            "purpose": scan.goal.purpose.value,
            "data": dict(scan.goal.data),
            "asked_by": dict(scan.asked_by),
            "state": scan.state.value,
        }
        async with self._database.write() as connection:
            await connection.execute(scans.insert().values(**row))

    async def load(self, scan_id: str) -> Scan | None:
        """Load one."""
        return await self._first(table.id == scan_id)

    async def by_scene(self, scene_hash: str) -> Scan | None:
        """Load one by its scene."""
        return await self._first(table.scene_hash == scene_hash)

    async def advance(
        self,
        scan_id: str,
        *,
        before: ScanState,
        after: ScanState,
        now: datetime,
        openid: str | None = None,
        unionid: str | None = None,
    ) -> Scan | None:
        """Take a step; what is not given stays."""
        values: dict[str, Any] = {"state": after.value}
        if openid is not None:
            values["openid"] = openid
        if unionid is not None:
            values["proof_unionid"] = unionid
        if after in DECIDED:
            values["decided_at"] = now
        stands = update(scans).where(table.id == scan_id, table.state == before.value, table.expires_at > now)
        async with self._database.write() as connection:
            row = (await connection.execute(stands.values(**values).returning(*table))).first()
        return _read(row) if row is not None else None

    async def prune(self, *, expired_before: datetime) -> int:
        """Delete old ones."""
        return await delete_in_steps(self._database, scans, table.expires_at < expired_before)

    async def _first(self, condition: Any) -> Scan | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(scans).where(condition))).first()
        return _read(row) if row is not None else None


def _read(row: Row[Any]) -> Scan:
    values = dict(row._mapping)
    goal = Goal(Purpose(values.pop("purpose")), values.pop("data"))
    return Scan(**{**values, "goal": goal, "state": ScanState(row.state)})
