"""The record of WeChat's release tests (全网发布检测)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update

from wxgate.custody.vault import Vault
from wxgate.events.release_remarks import Remark, read_remarks, write_remarks
from wxgate.events.release_test import ReleaseLine, ReleaseStep
from wxgate.secret import AuthorizationCode
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import release_tests
from wxgate.store.upsert import insert_for

table = release_tests.c

MOST_DUE = 100


class SqlReleaseTests:
    """Implements events' ReleaseTests."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "release_tests")

    async def begin(self, line: ReleaseLine) -> ReleaseLine | None:
        """Insert a line, unless the same push has one of this step."""
        code = line.code and self._seals.seal(line.code, "code", line.event_key, line.step.value)
        values = {
            "platform": line.platform,
            "appid": line.appid,
            "step": line.step.value,
            "at": line.at,
            "ok": line.ok,
            "received": line.received,
            "answered": line.answered,
            "reason": write_remarks(line.remarks),
            "event_key": line.event_key,
            "openid": line.openid,
            "code": code,
            "due_at": line.due_at,
        }
        async with self._database.write() as connection:
            new = insert_for(connection, release_tests).values(**values)
            inserted = new.on_conflict_do_nothing(index_elements=["event_key", "step"])
            row = (await connection.execute(inserted.returning(*table))).first()
        return self._read(row) if row is not None else None

    async def due_lines(self, *, now: datetime) -> Sequence[int]:
        """List what somebody may take over."""
        query = select(table.id).where(table.due_at <= now).order_by(table.id)
        async with self._database.read() as connection:
            return list(await connection.scalars(query.limit(MOST_DUE)))

    async def claim(self, line_id: int, *, now: datetime, due_at: datetime) -> ReleaseLine | None:
        """Take a line over."""
        taken = update(release_tests).where(table.id == line_id, table.due_at <= now).values(due_at=due_at)
        async with self._database.write() as connection:
            row = (await connection.execute(taken.returning(*table))).first()
        return self._read(row) if row is not None else None

    async def finish(self, line: ReleaseLine, *, ok: bool, answered: str, remarks: Sequence[Remark]) -> bool:
        """Write how a line ended."""
        values = {
            "ok": ok,
            "answered": answered,
            "reason": write_remarks(remarks),
            "code": None,
            "due_at": None,
        }
        held = update(release_tests).where(table.id == line.id, table.due_at == line.due_at)
        async with self._database.write() as connection:
            return (await connection.execute(held.values(**values))).rowcount > 0

    async def newest_code(self, platform: str, appid: str, *, since: datetime) -> AuthorizationCode | None:
        """Load the code of the newest authorization."""
        query = (
            select(release_tests)
            .where(
                table.platform == platform,
                table.appid == appid,
                table.step == ReleaseStep.AUTHORIZED.value,
                table.code.is_not(None),
                table.at >= since,
            )
            .order_by(table.id.desc())
            .limit(1)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return self._read(row).code if row is not None else None

    async def drop_codes(self, platform: str, appid: str) -> None:
        """Forget the codes of authorizations."""
        kept = update(release_tests).where(
            table.platform == platform,
            table.appid == appid,
            table.step == ReleaseStep.AUTHORIZED.value,
            table.code.is_not(None),
        )
        async with self._database.write() as connection:
            await connection.execute(kept.values(code=None))

    async def find_lines(self, platform: str | None = None, *, limit: int = 200) -> Sequence[ReleaseLine]:
        """List the newest lines."""
        query = select(release_tests).order_by(table.id.desc()).limit(limit)
        if platform is not None:
            query = query.where(table.platform == platform)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [_line(row, None) for row in rows]

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete old lines."""
        old = (
            select(table.id).where(table.at < before, table.due_at.is_(None)).order_by(table.id).limit(limit)
        )
        async with self._database.write() as connection:
            return (await connection.execute(delete(release_tests).where(table.id.in_(old)))).rowcount

    def _read(self, row: Row[Any]) -> ReleaseLine:
        code = row.code and AuthorizationCode(self._seals.open(row.code, "code", row.event_key, row.step))
        return _line(row, code)


def _line(row: Row[Any], code: AuthorizationCode | None) -> ReleaseLine:
    return ReleaseLine(
        id=row.id,
        platform=row.platform,
        appid=row.appid,
        step=ReleaseStep(row.step),
        at=row.at,
        ok=row.ok,
        received=row.received,
        answered=row.answered,
        remarks=read_remarks(row.reason),
        event_key=row.event_key,
        openid=row.openid,
        code=code,
        due_at=row.due_at,
    )
