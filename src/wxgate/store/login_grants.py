"""Tokens of ours: a refresh token is replaced once, and what is revoked has no successors."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from wxgate.login.records import Grant, GrantKind
from wxgate.store.database import Database
from wxgate.store.login_identities import aliases_of
from wxgate.store.login_tables import codes, grants, session_clients, sessions
from wxgate.store.steps import delete_in_steps, lock_some
from wxgate.store.upsert import insert_for

table = grants.c

COLUMNS = tuple(column.name for column in table)


class SqlGrants:
    """Implements login's Grants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, grants: Sequence[Grant]) -> bool:
        """Insert grants; of a session that has ended, or a code spent twice, they are revoked at once."""
        return await self._database.batch(partial(_put, new=grants))

    async def load(self, token_hash: str) -> Grant | None:
        """Load a grant."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(grants).where(table.token_hash == token_hash))).first()
        return _read(row) if row is not None else None

    async def replace(self, token_hash: str, grants: Sequence[Grant], *, now: datetime) -> bool:
        """Replace a refresh token that is neither replaced, revoked nor expired."""
        return await self._database.batch(partial(_replace, token_hash=token_hash, new=grants, now=now))

    async def revoke_family(self, family: str, *, now: datetime) -> int:
        """Revoke a family."""
        return await self._revoke(table.family == family, now)

    async def revoke_session(self, sid: str, *, now: datetime) -> int:
        """Revoke the grants of a session."""
        return await self._revoke(table.sid == sid, now)

    async def revoke_client(self, client: str, *, now: datetime) -> int:
        """Revoke the grants of a client."""
        return await self._revoke(table.client == client, now)

    async def revoke_all(
        self,
        realm: str,
        *,
        sub: str | None = None,
        client: str | None = None,
        app: str | None = None,
        now: datetime,
    ) -> int:
        """Revoke grants; a subject's are those of its aliases too."""
        conditions = [table.realm == realm]
        if sub is not None:
            async with self._database.read() as connection:
                conditions.append(table.sub.in_([sub, *await connection.scalars(aliases_of(realm, sub))]))
        if client is not None:
            theirs = select(session_clients.c.sid).where(session_clients.c.client == client)
            conditions.append(or_(table.client == client, table.sid.in_(theirs)))
        if app is not None:
            conditions.append(table.data["app"].as_string() == app)
        return await self._revoke(and_(*conditions), now)

    async def clients_of(self, sid: str, kind: GrantKind | None = None) -> Sequence[str]:
        """List a session's clients, also of forgotten grants; with a kind only of those that are kept."""
        if kind is None:
            query = select(session_clients.c.client).where(session_clients.c.sid == sid)
        else:
            query = select(table.client).where(table.sid == sid, table.kind == kind.value).distinct()
        async with self._database.read() as connection:
            return sorted((await connection.scalars(query)).all())

    async def prune(self, *, expired_before: datetime) -> int:
        """Delete old grants; which clients a session has had stays."""
        return await delete_in_steps(self._database, grants, table.expires_at < expired_before)

    async def _revoke(self, whose: ColumnElement[bool], now: datetime) -> int:
        """Revoke until nothing is left: who has waited for a replacement has not seen its grants yet."""
        revoked = 0
        while some := await self._database.batch(partial(_revoke_some, whose=whose, now=now)):
            revoked += some
        return revoked


def _put(connection: Connection, new: Sequence[Grant]) -> bool:
    if not new:
        return True
    # The rows of the codes stay locked until the grants are there: whoever spends one again waits for it.
    families = sorted({grant.family for grant in new})
    query = select(codes.c.family, codes.c.replayed_at).where(codes.c.family.in_(families)).with_for_update()
    replayed = {row.family: row.replayed_at for row in connection.execute(query).all()}
    kept = _lock_sessions(connection, sorted({grant.sid for grant in new}))
    rows = [_row(grant) for grant in new]
    for row in rows:
        row["revoked_at"] = row["revoked_at"] or replayed.get(row["family"]) or kept.get(row["sid"])
    connection.execute(grants.insert(), rows)
    _note_clients(connection, sorted({(grant.sid, grant.client) for grant in new if grant.sid in kept}))
    return not any(kept.values())


def _lock_sessions(connection: Connection, sids: Sequence[str]) -> dict[str, datetime | None]:
    """Return which of some sessions are kept, and when they ended.

    Whoever ends one waits, and then finds the grants and their clients; or has been here before.
    """
    query = select(sessions.c.sid, sessions.c.ended_at).where(sessions.c.sid.in_(sids))
    found = connection.execute(query.order_by(sessions.c.id_hash).with_for_update(read=True)).all()
    return {row.sid: row.ended_at for row in found}


def _note_clients(connection: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Remember which clients have grants of which sessions, for as long as the sessions are kept."""
    if rows := [{"sid": sid, "client": client} for sid, client in pairs]:
        noted = insert_for(connection, session_clients).values(rows)
        connection.execute(noted.on_conflict_do_nothing())


def _replace(connection: Connection, token_hash: str, new: Sequence[Grant], now: datetime) -> bool:
    live = update(grants).where(
        table.token_hash == token_hash,
        table.kind == GrantKind.REFRESH.value,
        table.replaced_at.is_(None),
        table.revoked_at.is_(None),
        table.expires_at > now,
    )
    if connection.execute(live.values(replaced_at=now)).rowcount == 0:
        return False
    return _put(connection, new)


def _revoke_some(connection: Connection, whose: ColumnElement[bool], now: datetime) -> int:
    hashes = list(connection.scalars(lock_some(grants, and_(whose, table.revoked_at.is_(None)))))
    if hashes:
        connection.execute(update(grants).where(table.token_hash.in_(hashes)).values(revoked_at=now))
    return len(hashes)


def _row(grant: Grant) -> dict[str, Any]:
    return {name: getattr(grant, name) for name in COLUMNS} | {
        "kind": grant.kind.value,
        "data": dict(grant.data),
    }


def _read(row: Row[Any]) -> Grant:
    return Grant(**{**row._mapping, "kind": GrantKind(row.kind)})
