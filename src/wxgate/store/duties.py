"""Duties: what one node at a time does for all, with a lease whose fence makes the slower one lose."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, or_, select, true, update

from wxgate.custody.records import Duty
from wxgate.store.database import Database
from wxgate.store.tables import duties
from wxgate.store.upsert import insert_for

LEASES_AHEAD = 2
"""How many leases' time ahead a lease may end: one, and as much again for clocks that differ."""

FREE: Mapping[str, Any] = {"holder": None, "lease_until": None}


class SqlDuties:
    """Implements custody's DutyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, name: str) -> Duty:
        """Load how a duty stands."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(duties).where(duties.c.name == name))).first()
        return _read(row) if row is not None else Duty(name)

    async def claim(
        self, name: str, *, holder: str, now: datetime, ttl: timedelta, every: timedelta | None
    ) -> Duty | None:
        """Take a duty that is due and free."""
        free = or_(
            duties.c.lease_until.is_(None),
            duties.c.lease_until <= now,
            duties.c.lease_until > now + LEASES_AHEAD * ttl,
        )
        due: ColumnElement[bool] = true()
        if every is not None:
            due = or_(duties.c.due_at.is_(None), duties.c.due_at <= now, duties.c.due_at > now + every)
        async with self._database.write() as connection:
            new = insert_for(connection, duties).values(name=name, fence=0, result={})
            await connection.execute(new.on_conflict_do_nothing())
            taken = await connection.execute(
                update(duties)
                .where(duties.c.name == name, free, due)
                .values(fence=duties.c.fence + 1, holder=holder, lease_until=now + ttl)
                .returning(*duties.c)
            )
            row = taken.first()
        return None if row is None else _read(row)

    async def extend(self, duty: Duty, until: datetime) -> bool:
        """Move the end of the lease, if nobody has overtaken it."""
        return await self._settle(duty, {"lease_until": until})

    async def finish(
        self, duty: Duty, result: Mapping[str, Any], *, now: datetime, due_at: datetime | None
    ) -> bool:
        """Write the result and end the lease, if nobody has overtaken it."""
        return await self._settle(duty, {"result": dict(result), "done_at": now, **_due(due_at), **FREE})

    async def postpone(self, duty: Duty, *, due_at: datetime | None) -> bool:
        """End the lease without a result, if nobody has overtaken it."""
        return await self._settle(duty, {**_due(due_at), **FREE})

    async def _settle(self, duty: Duty, values: Mapping[str, Any]) -> bool:
        holds = and_(duties.c.name == duty.name, duties.c.fence == duty.fence, duties.c.holder == duty.holder)
        async with self._database.write() as connection:
            settled = await connection.execute(update(duties).where(holds).values(**values))
        return settled.rowcount > 0


def _due(due_at: datetime | None) -> dict[str, Any]:
    return {} if due_at is None else {"due_at": due_at}


def _read(row: Row[Any]) -> Duty:
    return Duty(row.name, row.fence, row.holder, row.lease_until, row.due_at, row.done_at, row.result)
