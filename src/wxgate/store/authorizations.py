"""Authorizations with their sealed refresh tokens and the history of these."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    RefreshTokenChange,
)
from wxgate.custody.vault import Vault
from wxgate.secret import RefreshToken
from wxgate.store.database import Database
from wxgate.store.seals import Seals, fingerprint
from wxgate.store.tables import authorizations, refresh_token_changes
from wxgate.store.tokens import drop_tokens
from wxgate.store.upsert import insert_for


class SqlAuthorizations:
    """Implements custody's AuthorizationStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "authorizations")

    async def load(self, platform: str, appid: str) -> Authorization | None:
        """Load one authorization."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(authorizations).where(is_pair(platform, appid)))).first()
        return read_authorization(self._seals, row) if row else None

    async def find(self, where: AuthorizationFilter) -> Sequence[Authorization]:
        """List authorizations that match and open."""
        query = select(authorizations).order_by(authorizations.c.platform, authorizations.c.appid)
        if where.platform is not None:
            query = query.where(authorizations.c.platform == where.platform)
        if where.appid is not None:
            query = query.where(authorizations.c.appid == where.appid)
        if where.states:
            query = query.where(authorizations.c.state.in_(sorted(where.states)))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return self._seals.open_each(rows, partial(read_authorization, self._seals), "platform", "appid")[0]

    async def keep_refresh_token(
        self,
        platform: str,
        appid: str,
        token: RefreshToken,
        *,
        replacing: RefreshToken | None,
        reason: str,
        now: datetime,
    ) -> bool:
        """Replace the refresh token, if it differs and is still the one to be replaced."""
        async with self._database.write() as connection:
            row = await lock_row(connection, platform, appid)
            if row is None or row.state == AuthorizationState.REVOKED:
                return False
            current = read_authorization(self._seals, row).refresh_token
            if current == token or (replacing is not None and current != replacing):
                return False
            await write_refresh_token(connection, self._seals, platform, appid, token, reason=reason, now=now)
        return True

    async def move(
        self,
        platform: str,
        appid: str,
        *,
        to: AuthorizationState,
        event_at: datetime,
        reason: str,
        now: datetime,
    ) -> bool:
        """Change the state, unless a newer event was applied."""
        values: dict[str, Any] = {
            "state": to.value,
            "event_at": event_at,
            "reason": reason,
            "updated_at": now,
        }
        revoked = to is AuthorizationState.REVOKED
        if revoked:
            values["refresh_token"] = None
        async with self._database.write() as connection:
            if revoked:
                await make_row(connection, platform, appid, event_at=event_at, now=now)
            moved = await connection.execute(
                update(authorizations)
                .where(is_pair(platform, appid), authorizations.c.event_at <= event_at)
                .values(**values)
            )
            if moved.rowcount and revoked:
                await drop_tokens(connection, platform, appid)
        return moved.rowcount > 0

    async def history(self, platform: str, appid: str) -> Sequence[RefreshTokenChange]:
        """List the changes of the refresh token, newest first."""
        changes = refresh_token_changes
        query = (
            select(changes)
            .where(changes.c.platform == platform, changes.c.appid == appid)
            .order_by(changes.c.id.desc())
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            RefreshTokenChange(row.platform, row.appid, row.fingerprint, row.reason, row.at) for row in rows
        ]


def is_pair(platform: str, appid: str) -> ColumnElement[bool]:
    """Match the authorization of one account to one platform."""
    return and_(authorizations.c.platform == platform, authorizations.c.appid == appid)


async def lock_row(connection: AsyncConnection, platform: str, appid: str) -> Row[Any] | None:
    """Load an authorization inside a transaction and keep others from changing it until the end."""
    query = select(authorizations).where(is_pair(platform, appid)).with_for_update()
    return (await connection.execute(query)).first()


async def make_row(
    connection: AsyncConnection, platform: str, appid: str, *, event_at: datetime, now: datetime
) -> Row[Any]:
    """Lock an authorization as `lock_row` does, making a PENDING one where there is none.

    A row that is not there cannot be locked, so two who both bring the first news of an account must meet at
    the insert: the second waits for the first and then sees what it wrote.
    """
    statement = insert_for(connection, authorizations).values(
        platform=platform,
        appid=appid,
        state=AuthorizationState.PENDING.value,
        func_ids=[],
        reason="",
        reference="",
        authorized_at=event_at,
        event_at=event_at,
        updated_at=now,
    )
    await connection.execute(statement.on_conflict_do_nothing())
    row = await lock_row(connection, platform, appid)
    assert row is not None
    return row


async def write_refresh_token(
    connection: AsyncConnection,
    seals: Seals,
    platform: str,
    appid: str,
    token: RefreshToken,
    *,
    reason: str,
    now: datetime,
) -> None:
    """Write a refresh token and the line of its history, inside a transaction."""
    await connection.execute(
        update(authorizations)
        .where(is_pair(platform, appid))
        .values(refresh_token=seals.seal(token, "refresh_token", platform, appid), updated_at=now)
    )
    await connection.execute(
        insert(refresh_token_changes).values(
            platform=platform, appid=appid, fingerprint=fingerprint(token)[:16], reason=reason, at=now
        )
    )


def read_authorization(seals: Seals, row: Row[Any]) -> Authorization:
    """Make an authorization of its row."""
    refresh_token = None
    if row.refresh_token is not None:
        refresh_token = RefreshToken(seals.open(row.refresh_token, "refresh_token", row.platform, row.appid))
    return Authorization(
        platform=row.platform,
        appid=row.appid,
        state=AuthorizationState(row.state),
        refresh_token=refresh_token,
        func_ids=tuple(row.func_ids),
        reason=row.reason,
        reference=row.reference,
        authorized_at=row.authorized_at,
        event_at=row.event_at,
        updated_at=row.updated_at,
    )
