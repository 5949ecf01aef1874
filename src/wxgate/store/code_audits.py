"""Audits of mini programs' code, and which of them somebody must ask about."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, select, tuple_, update

from wxgate.events.audit_records import AuditSource, AuditState, CodeAudit
from wxgate.store.database import Database
from wxgate.store.tables import audits
from wxgate.store.upsert import insert_for

OPEN = [state.value for state in AuditState if state.is_open]


class SqlCodeAudits:
    """Implements the events' CodeAuditStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, audit: CodeAudit) -> bool:
        """Insert an audit unless it is there."""
        async with self._database.write() as connection:
            statement = insert_for(connection, audits).values(**asdict(audit)).on_conflict_do_nothing()
            noted = await connection.execute(statement.returning(audits.c.audit_id))
            return noted.first() is not None

    async def load(self, appid: str, audit_id: str) -> CodeAudit | None:
        """Load one audit."""
        query = select(audits).where(audits.c.appid == appid, audits.c.audit_id == audit_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _read(row) if row else None

    async def find(
        self,
        *,
        appid: str | None = None,
        platform: str | None = None,
        state: AuditState | None = None,
        open_only: bool = False,
        before: CodeAudit | None = None,
        limit: int = 20,
    ) -> Sequence[CodeAudit]:
        """List audits, newest first."""
        place = (audits.c.submitted_at, audits.c.audit_id, audits.c.appid)
        query = select(audits).order_by(*(column.desc() for column in place)).limit(limit)
        if appid is not None:
            query = query.where(audits.c.appid == appid)
        if platform is not None:
            query = query.where(audits.c.platform == platform)
        if state is not None:
            query = query.where(audits.c.state == state.value)
        if open_only:
            query = query.where(audits.c.state.in_(OPEN))
        if before is not None:
            types = [column.type for column in place]
            last = tuple_(before.submitted_at, before.audit_id, before.appid, types=types)
            query = query.where(tuple_(*place) < last)
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    async def claim(self, *, now: datetime, until: datetime, limit: int) -> Sequence[CodeAudit]:
        """Take what is due."""
        due = (
            select(audits.c.appid, audits.c.audit_id)
            .where(audits.c.next_check_at <= now)
            .order_by(audits.c.next_check_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._database.write() as connection:
            keys = [tuple(row) for row in (await connection.execute(due)).all()]
            if not keys:
                return []
            taken = await connection.execute(
                update(audits)
                .where(tuple_(audits.c.appid, audits.c.audit_id).in_(keys))
                .values(next_check_at=until)
                .returning(*audits.c)
            )
            return [_read(row) for row in taken.all()]

    async def change(self, audit: CodeAudit, *, before: AuditState) -> bool:
        """Replace an audit, if its state is still `before`."""
        same = and_(audits.c.appid == audit.appid, audits.c.audit_id == audit.audit_id)
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(audits).where(same, audits.c.state == before.value).values(**asdict(audit))
            )
        return changed.rowcount > 0

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete what is settled and old."""
        over = and_(
            audits.c.submitted_at < before,
            audits.c.state.not_in(OPEN),
            audits.c.told,
            audits.c.next_check_at.is_(None),
        )
        async with self._database.write() as connection:
            old = select(audits.c.appid, audits.c.audit_id).where(over).limit(limit)
            keys = [tuple(row) for row in (await connection.execute(old)).all()]
            if not keys:
                return 0
            theirs = tuple_(audits.c.appid, audits.c.audit_id).in_(keys)
            return (await connection.execute(delete(audits).where(theirs, over))).rowcount


def _read(row: Row[Any]) -> CodeAudit:
    values = dict(row._mapping)
    return CodeAudit(**{**values, "state": AuditState(row.state), "source": AuditSource(row.source)})
