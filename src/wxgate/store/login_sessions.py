"""Sessions of people at browsers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from wxgate.login.records import Acr, Created, Mode, Session
from wxgate.store.database import Database
from wxgate.store.login_identities import aliases_of
from wxgate.store.login_locks import share_realm
from wxgate.store.login_tables import session_clients, sessions, subjects
from wxgate.store.steps import delete_in_steps, lock_some

table = sessions.c

COLUMNS = tuple(column.name for column in table)

REPLACED = "replaced"
"""Why a session ended when a new login took its place."""


class SqlSessions:
    """Implements login's Sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, session: Session, *, instead_of: str | None = None) -> Created | None:
        """Insert a session; end the one before, and change sids with it where the login goes on."""
        return await self._database.batch(partial(_create, session=session, instead_of=instead_of))

    async def load(self, id_hash: str) -> Session | None:
        """Load a session."""
        return await self._first(table.id_hash == id_hash)

    async def by_sid(self, sid: str) -> Session | None:
        """Load a session by its sid."""
        return await self._first(table.sid == sid)

    async def touch(self, id_hash: str, *, seen_at: datetime) -> None:
        """Move `seen_at` forward."""
        mine = update(sessions).where(
            table.id_hash == id_hash, table.ended_at.is_(None), table.seen_at < seen_at
        )
        async with self._database.write() as connection:
            await connection.execute(mine.values(seen_at=seen_at))

    async def prove(
        self,
        id_hash: str,
        *,
        presence_hash: str,
        proved_at: datetime,
        openid: str,
        app: str,
        unionid: str | None = None,
    ) -> bool:
        """Write a new proof and its presence; the session counts as seen, too."""
        mine = update(sessions).where(
            table.id_hash == id_hash, table.ended_at.is_(None), table.expires_at > proved_at
        )
        values = {
            "presence_hash": presence_hash,
            "proved_at": proved_at,
            "seen_at": proved_at,
            "openid": openid,
            "app": app,
        } | ({"unionid": unionid} if unionid is not None else {})
        async with self._database.write() as connection:
            return (await connection.execute(mine.values(**values))).rowcount > 0

    async def learn_unionid(self, realm: str, sub: str, *, appid: str, openid: str, unionid: str) -> int:
        """Write a unionid where there is none."""
        mine = update(sessions).where(
            table.realm == realm,
            table.sub == sub,
            table.appid == appid,
            table.openid == openid,
            table.unionid.is_(None),
            table.ended_at.is_(None),
        )
        async with self._database.write() as connection:
            return (await connection.execute(mine.values(unionid=unionid))).rowcount

    async def end(self, id_hash: str, *, reason: str, now: datetime) -> Session | None:
        """End a session."""
        mine = update(sessions).where(table.id_hash == id_hash, table.ended_at.is_(None))
        ended = mine.values(ended_at=now, end_reason=reason).returning(*table)
        async with self._database.write() as connection:
            row = (await connection.execute(ended)).first()
        return _read(row) if row is not None else None

    async def end_all(
        self,
        *,
        realm: str,
        sub: str | None = None,
        client: str | None = None,
        app: str | None = None,
        reason: str,
        now: datetime,
    ) -> Sequence[Session]:
        """End sessions; a subject's are those of its aliases too. What has expired is not told of."""
        conditions = [table.realm == realm, table.ended_at.is_(None), table.expires_at > now]
        if sub is not None:
            conditions.append(table.sub.in_(await self._whole_person(realm, sub)))
        if client is not None:
            theirs = select(session_clients.c.sid).where(session_clients.c.client == client)
            conditions.append(table.sid.in_(theirs))
        if app is not None:
            conditions.append(table.app == app)
        work = partial(_end_some, condition=and_(*conditions), reason=reason, now=now)
        ended: list[Session] = []
        while some := await self._database.batch(work):
            ended += some
        return sorted(ended, key=lambda session: session.sid)

    async def live(
        self, realm: str, *, sub: str | None = None, now: datetime, after: str = "", limit: int = 100
    ) -> Sequence[Session]:
        """List live sessions; a subject's are those of its aliases too."""
        query = (
            select(sessions)
            .where(table.realm == realm, table.ended_at.is_(None), table.expires_at > now, table.sid > after)
            .order_by(table.sid)
            .limit(limit)
        )
        if sub is not None:
            query = query.where(table.sub.in_(await self._whole_person(realm, sub)))
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    async def prune(self, *, ended_before: datetime) -> int:
        """Delete old sessions, and which clients they had."""
        deleted = 0
        for over in (
            and_(table.ended_at.is_not(None), table.ended_at < ended_before),
            table.expires_at < ended_before,
        ):
            theirs = session_clients.c.sid.in_(select(table.sid).where(over))
            await delete_in_steps(self._database, session_clients, theirs)
            deleted += await delete_in_steps(self._database, sessions, over)
        return deleted

    async def _whole_person(self, realm: str, sub: str) -> Sequence[str]:
        async with self._database.read() as connection:
            return [sub, *await connection.scalars(aliases_of(realm, sub))]

    async def _first(self, condition: Any) -> Session | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(sessions).where(condition))).first()
        return _read(row) if row is not None else None


def _create(connection: Connection, session: Session, instead_of: str | None) -> Created | None:
    # Whoever forgets the subject has the realm alone: it is gone before this, or takes the session along.
    share_realm(connection, session.realm)
    whose = select(subjects.c.sub).where(subjects.c.realm == session.realm, subjects.c.sub == session.sub)
    if connection.execute(whose).first() is None:
        return None
    ended, before = None, _last_of(connection, instead_of)
    if before is not None:
        values = {"ended_at": session.started_at, "end_reason": REPLACED, "replaced_by": session.id_hash}
        if before.sub == session.sub:
            values["sid"], session = session.sid, replace(session, sid=before.sid)
        mine = update(sessions).where(table.id_hash == before.id_hash).values(**values)
        ended = _read(connection.execute(mine.returning(*table)).one())
    connection.execute(sessions.insert().values(**_row(session)))
    return Created(session, ended)


def _last_of(connection: Connection, id_hash: str | None) -> Session | None:
    """Lock a session, or the last of those that took its place; None when that has ended.

    Two tabs may log in from one session: the second one shows a cookie that the first has replaced.
    """
    while id_hash is not None:
        query = select(sessions).where(table.id_hash == id_hash).with_for_update()
        row = connection.execute(query).first()
        if row is None or row.ended_at is None:
            return _read(row) if row is not None else None
        id_hash = row.replaced_by
    return None


def _end_some(
    connection: Connection, condition: ColumnElement[bool], reason: str, now: datetime
) -> Sequence[Session]:
    ids = list(connection.scalars(lock_some(sessions, condition)))
    if not ids:
        return []
    mine = update(sessions).where(table.id_hash.in_(ids)).values(ended_at=now, end_reason=reason)
    return [_read(row) for row in connection.execute(mine.returning(*table)).all()]


def _row(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in COLUMNS} | {
        "acr": session.acr.value,
        "mode": session.mode.value,
    }


def _read(row: Row[Any]) -> Session:
    return Session(**{**row._mapping, "acr": Acr(row.acr), "mode": Mode(row.mode)})
