"""The audit log of what clients did."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, or_, select, update

from wxgate.custody.clients import AuditLine
from wxgate.store.database import Database
from wxgate.store.tables import Name, audit_lines, clients

USED = (
    update(clients)
    .where(
        clients.c.id == bindparam("client_id"),
        or_(clients.c.last_used_at.is_(None), clients.c.last_used_at < bindparam("at")),
    )
    .values(last_used_at=bindparam("at"))
)

LENGTHS = {column.name: column.type.length for column in audit_lines.c if isinstance(column.type, Name)}


class SqlAudit:
    """Implements custody's AuditStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, lines: Sequence[AuditLine]) -> None:
        """Append lines in one transaction."""
        rows = [_cut(asdict(line)) for line in lines]
        used: dict[str, datetime] = {}
        for line in lines:
            if line.client:
                used[line.client] = max(line.last_at, used.get(line.client, line.last_at))
        # In one order on every node, so that two of them cannot block each other.
        moved = [{"client_id": client, "at": at} for client, at in sorted(used.items())]

        def work(connection: Connection) -> None:
            connection.execute(insert(audit_lines), rows)
            if moved:
                connection.execute(USED, moved)

        await self._database.batch(work)

    async def read(
        self, *, client: str | None = None, account: str | None = None, limit: int = 100
    ) -> Sequence[AuditLine]:
        """List the newest lines."""
        query = select(audit_lines).order_by(audit_lines.c.id.desc()).limit(limit)
        if client is not None:
            query = query.where(audit_lines.c.client == client)
        if account is not None:
            query = query.where(audit_lines.c.account == account)
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    async def prune(self, *, before: datetime, most: int) -> int:
        """Drop old lines."""
        old = select(audit_lines.c.id).where(audit_lines.c.last_at < before).limit(most)
        async with self._database.write() as connection:
            dropped = await connection.execute(delete(audit_lines).where(audit_lines.c.id.in_(old)))
        return dropped.rowcount


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """Cut what is longer than its column: a request may name anything, an address may come from a proxy."""
    return {name: value[: LENGTHS[name]] if name in LENGTHS else value for name, value in row.items()}


def _read(row: Row[Any]) -> AuditLine:
    return AuditLine(**{field.name: row._mapping[field.name] for field in fields(AuditLine)})
