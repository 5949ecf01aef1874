"""Authorizations with their sealed refresh tokens and the history of these."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import (
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    Evidence,
    RefreshTokenChange,
    StateChange,
)
from wxgate.custody.states import PROOFS, Trigger, after
from wxgate.custody.vault import Vault
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import RefreshToken, fingerprint
from wxgate.store.database import Database
from wxgate.store.notices import Notices
from wxgate.store.seals import Seals
from wxgate.store.tables import authorizations, refresh_token_changes
from wxgate.store.tokens import drop_tokens, forget_failures, is_key
from wxgate.store.upsert import insert_for


class SqlAuthorizations:
    """Implements custody's AuthorizationStore."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        notices: Notices,
        make_id: Callable[[], str] = lambda: secrets.token_hex(32),
    ) -> None:
        self._database = database
        self._notices = notices
        self._seals = Seals(vault, "authorizations")
        self._make_id = make_id

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

    async def apply(
        self,
        platform: str,
        appid: str,
        *,
        trigger: Trigger,
        event_at: datetime,
        reason: str,
        now: datetime,
    ) -> StateChange | None:
        """Apply a piece of news, unless a newer one was applied."""
        async with self._database.write() as connection:
            known = not await insert_row(connection, platform, appid, event_at=event_at, now=now)
            row = await lock_existing(connection, platform, appid)
            if row.event_at > event_at:
                return None
            before = AuthorizationState(row.state)
            state = after(before, trigger)
            values: dict[str, Any] = {"event_at": event_at}
            if state is not before or not known:
                values |= {"state": state.value, "reason": reason, "updated_at": now}
            await self._write(connection, row, state, values)
        return StateChange(before if known else None, state)

    async def observe(self, evidence: Evidence, *triggers: Trigger, now: datetime) -> StateChange | None:
        """Apply evidence to the authorization it is about."""
        platform, appid = evidence.platform, evidence.appid
        async with self._database.write() as connection:
            known = True
            if evidence.event_at is None and evidence.authorized_at and Trigger.FOUND in triggers:
                known = not await insert_row(
                    connection, platform, appid, event_at=evidence.authorized_at, now=now
                )
            row = await lock_row(connection, platform, appid)
            if row is None or (known and not self._is_about(evidence, row)):
                return None
            before = AuthorizationState(row.state)
            state = after(before, *triggers)
            await self._write(connection, row, state, _learned(evidence, row, triggers, state, now))
            if evidence.found is not None and state is not AuthorizationState.REVOKED:
                await self._keep_found(connection, evidence.found, row, evidence.reason, now)
            if state is not before:
                await self._notices.record(connection, self._make_id(), evidence, before, state, now)
        return StateChange(before if known else None, state)

    async def put_off_repair(
        self, platform: str, appid: str, *, held: RefreshToken | None, until: datetime, now: datetime
    ) -> bool:
        """Reserve one look at WeChat for the current refresh token."""
        async with self._database.write() as connection:
            row = await lock_row(connection, platform, appid)
            if row is None or (row.repair_at is not None and row.repair_at > now):
                return False
            if read_authorization(self._seals, row).refresh_token != held:
                return False
            await connection.execute(
                update(authorizations)
                .where(is_pair(platform, appid))
                .values(repair_at=until, repairs=authorizations.c.repairs + 1)
            )
        return True

    def _is_about(self, evidence: Evidence, row: Row[Any]) -> bool:
        same_event = evidence.event_at == row.event_at
        return same_event and evidence.held == read_authorization(self._seals, row).refresh_token

    async def _write(
        self, connection: AsyncConnection, row: Row[Any], state: AuthorizationState, values: dict[str, Any]
    ) -> None:
        revoked = state is AuthorizationState.REVOKED
        if revoked:
            values |= {"refresh_token": None, "repair_at": None, "repairs": 0}
        await connection.execute(
            update(authorizations).where(is_pair(row.platform, row.appid)).values(**values)
        )
        if revoked:
            await drop_tokens(connection, row.platform, row.appid)

    async def _keep_found(
        self, connection: AsyncConnection, found: RefreshToken, row: Row[Any], reason: str, now: datetime
    ) -> None:
        if found != read_authorization(self._seals, row).refresh_token:
            await write_refresh_token(
                connection, self._seals, row.platform, row.appid, found, reason=reason[:64], now=now
            )

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


def _learned(
    evidence: Evidence,
    row: Row[Any],
    triggers: Sequence[Trigger],
    state: AuthorizationState,
    now: datetime,
) -> dict[str, Any]:
    """Make the columns that a piece of evidence changes."""
    values: dict[str, Any] = {"updated_at": now}
    if state != row.state:
        values |= {"state": state.value, "reason": evidence.reason}
    if not PROOFS.isdisjoint(triggers):
        values |= {"repair_at": None, "repairs": 0}
    if evidence.func_ids is not None:
        values["func_ids"] = list(evidence.func_ids)
        if row.granted_ids is None:
            # Until now the sets of the last code were not kept apart from those WeChat tells.
            values["granted_ids"] = row.func_ids or list(evidence.func_ids)
        elif row.state == AuthorizationState.REVOKED:
            # What is found after an end is another authorization, given with other sets.
            values["granted_ids"] = list(evidence.func_ids)
    if evidence.authorized_at is not None and evidence.authorized_at > row.event_at:
        values |= {"authorized_at": evidence.authorized_at, "event_at": evidence.authorized_at}
    return values


def is_pair(platform: str, appid: str) -> ColumnElement[bool]:
    """Match the authorization of one account to one platform."""
    return and_(authorizations.c.platform == platform, authorizations.c.appid == appid)


async def lock_row(connection: AsyncConnection, platform: str, appid: str) -> Row[Any] | None:
    """Load an authorization inside a transaction and keep others from changing it until the end."""
    query = select(authorizations).where(is_pair(platform, appid)).with_for_update()
    return (await connection.execute(query)).first()


async def lock_existing(connection: AsyncConnection, platform: str, appid: str) -> Row[Any]:
    """Lock an authorization that this transaction has made sure of."""
    row = await lock_row(connection, platform, appid)
    assert row is not None
    return row


async def insert_row(
    connection: AsyncConnection, platform: str, appid: str, *, event_at: datetime, now: datetime
) -> bool:
    """Make a PENDING authorization where there is none; return whether there was none.

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
    inserted = await connection.execute(statement.on_conflict_do_nothing())
    return bool(inserted.rowcount > 0)


async def make_row(
    connection: AsyncConnection, platform: str, appid: str, *, event_at: datetime, now: datetime
) -> Row[Any]:
    """Lock an authorization as `lock_row` does, making a PENDING one where there is none."""
    await insert_row(connection, platform, appid, event_at=event_at, now=now)
    return await lock_existing(connection, platform, appid)


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
    await forget_failures(connection, is_key(TokenKey(platform, appid, TokenKind.AUTHORIZER)))
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
        granted_ids=tuple(row.func_ids if row.granted_ids is None else row.granted_ids),
        repair_at=row.repair_at,
        repairs=row.repairs,
        reason=row.reason,
        reference=row.reference,
        authorized_at=row.authorized_at,
        event_at=row.event_at,
        updated_at=row.updated_at,
    )
