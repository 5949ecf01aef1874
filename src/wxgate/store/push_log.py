"""The push log: every push as it arrived, was judged and answered."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from wxgate.events.records import PushLine
from wxgate.store.database import Database
from wxgate.store.tables import Name, push_log

table = push_log.c

LENGTHS = {column.name: column.type.length for column in table if isinstance(column.type, Name)}

FIELDS = tuple(field.name for field in fields(PushLine))


class SqlPushLog:
    """Implements the events' PushLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, lines: Sequence[PushLine]) -> None:
        """Write lines in one transaction."""
        rows = [_cut(asdict(line)) for line in lines]

        def work(connection: Connection) -> None:
            connection.execute(insert(push_log), rows)

        if rows:
            await self._database.batch(work)

    async def find_pushes(
        self,
        *,
        appid: str | None = None,
        event_id: int | None = None,
        verdict: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[tuple[int, PushLine]]:
        """List lines with their ids, newest first."""
        query = select(push_log).order_by(table.id.desc()).limit(limit)
        if appid is not None:
            query = query.where(table.appid == appid)
        if event_id is not None:
            query = query.where(table.event_id == event_id)
        if verdict is not None:
            query = query.where(table.verdict == verdict)
        if before is not None:
            query = query.where(table.id < before)
        async with self._database.read() as connection:
            return [(row.id, _read(row)) for row in (await connection.execute(query)).all()]

    async def prune_pushes(self, *, before: datetime, most_rows: int | None, limit: int) -> int:
        """Delete old lines, and the oldest beyond so many."""
        is_old = table.at < before
        if most_rows is not None:
            last = select(table.id).order_by(table.id.desc()).offset(most_rows).limit(1)
            async with self._database.read() as connection:
                beyond = await connection.scalar(last)
            if beyond is not None:
                is_old = or_(is_old, table.id <= beyond)
        old = select(table.id).where(is_old).order_by(table.id).limit(limit)
        async with self._database.write() as connection:
            return (await connection.execute(delete(push_log).where(table.id.in_(old)))).rowcount


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """Cut what is longer than its column: strangers may write anything into an address."""
    return {name: value[: LENGTHS[name]] if name in LENGTHS else value for name, value in row.items()}


def _read(row: Row[Any]) -> PushLine:
    return PushLine(**{name: row._mapping[name] for name in FIELDS})
