"""Authorizations in bulk: read page by page, and brought from elsewhere without losing what is newer here."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Row, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import Authorization, AuthorizationState, Brought
from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.secret import fingerprint
from wxgate.store.authorizations import is_pair, read_authorization
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import authorizations, refresh_token_changes
from wxgate.store.tokens import drop_tokens
from wxgate.store.upsert import insert_for

AUTHORIZATIONS = authorizations
PAIR = (authorizations.c.platform, authorizations.c.appid)


class SqlTransfer:
    """Implements custody's TransferStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "authorizations")

    async def count(self) -> int:
        """Count the authorizations."""
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(authorizations)) or 0

    async def page(
        self, after: tuple[str, str] | None, limit: int
    ) -> tuple[Sequence[Authorization], Sequence[str], tuple[str, str] | None]:
        """Load authorizations from beyond a pair on."""
        query = select(authorizations).order_by(*PAIR).limit(limit)
        if after is not None:
            query = query.where(tuple_(*PAIR) > tuple_(*after))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        opened, shut = self._seals.open_each(
            rows, partial(read_authorization, self._seals), "platform", "appid"
        )
        return opened, shut, (rows[-1].platform, rows[-1].appid) if rows else None

    async def bring(
        self,
        authorizations: Sequence[Authorization],
        *,
        replace: bool,
        reason: str,
        now: datetime,
        dry_run: bool = False,
    ) -> Sequence[Brought]:
        """Add authorizations in one transaction, each unless a newer one is there."""
        pairs = sorted({(each.platform, each.appid) for each in authorizations})
        # In one order, so that two who bring the same wait for each other and do not block.
        query = select(AUTHORIZATIONS).where(tuple_(*PAIR).in_(pairs)).order_by(*PAIR).with_for_update()
        async with self._database.write() as connection:
            rows = {(row.platform, row.appid): row for row in (await connection.execute(query)).all()}
            changed = await _last_changes(connection, list(rows))
            judged = [
                self._judge(rows.get(_pair(each)), each, replace, changed.get(_pair(each)))
                for each in authorizations
            ]
            if dry_run:
                return judged
            ordered = sorted(zip(authorizations, judged, strict=True), key=lambda one: _pair(one[0]))
            added = await self._add(connection, [one for one, how in ordered if how is Brought.ADDED], now)
            replaced = [one for one, how in ordered if how is Brought.REPLACED]
            for each in replaced:
                values = self._values(each) | {"updated_at": now}
                await connection.execute(update(AUTHORIZATIONS).where(is_pair(*_pair(each))).values(values))
                await drop_tokens(connection, *_pair(each))
            taken = [one for one, _ in ordered if _pair(one) in added] + replaced
            await _write_history(connection, taken, reason, now)
        return [
            Brought.NEWER if how is Brought.ADDED and _pair(one) not in added else how
            for one, how in zip(authorizations, judged, strict=True)
        ]

    def _judge(
        self, row: Row[Any] | None, new: Authorization, replace: bool, changed: datetime | None
    ) -> Brought:
        if row is None:
            return Brought.ADDED
        renewed = False
        with suppress(ConfigError):  # a token that does not open is worth less than any other
            kept = read_authorization(self._seals, row)
            if (kept.refresh_token, kept.state) == (new.refresh_token, new.state):
                return Brought.SAME
            # WeChat may give another refresh token with no event in between.
            other = kept.refresh_token is not None and kept.refresh_token != new.refresh_token
            renewed = other and changed is not None and changed > new.updated_at
        # WeChat's times are whole seconds: of two in the same second a withdrawal is taken for the later.
        withdrawn = row.state == AuthorizationState.REVOKED != new.state
        ends = new.state is AuthorizationState.REVOKED
        is_later = withdrawn or (renewed and not ends)
        if row.event_at > new.event_at or (is_later and row.event_at == new.event_at):
            return Brought.NEWER
        return Brought.REPLACED if replace else Brought.EXISTS

    async def _add(
        self, connection: AsyncConnection, new: Sequence[Authorization], now: datetime
    ) -> set[tuple[str, str]]:
        """Insert rows; return the pairs of those that nobody has made since we looked."""
        if not new:
            return set()
        values = [self._values(each) | {"updated_at": now} for each in new]
        statement = insert_for(connection, AUTHORIZATIONS).values(values).on_conflict_do_nothing()
        made = await connection.execute(statement.returning(*PAIR))
        return {(row.platform, row.appid) for row in made}

    def _values(self, record: Authorization) -> dict[str, Any]:
        """Make the row of an authorization, whatever its fields."""
        values = {
            column.name: _stored(getattr(record, column.name))
            for column in authorizations.columns
            if hasattr(record, column.name)
        }
        token = record.refresh_token
        sealed = token and self._seals.seal(token, "refresh_token", record.platform, record.appid)
        return values | {"refresh_token": sealed}


async def _last_changes(
    connection: AsyncConnection, pairs: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], datetime]:
    """Look up when the refresh tokens of some pairs last changed."""
    if not pairs:
        return {}
    changes = refresh_token_changes.c
    pair = (changes.platform, changes.appid)
    query = select(*pair, func.max(changes.at).label("at")).where(tuple_(*pair).in_(pairs)).group_by(*pair)
    return {(row.platform, row.appid): row.at for row in (await connection.execute(query)).all()}


async def _write_history(
    connection: AsyncConnection, taken: Sequence[Authorization], reason: str, now: datetime
) -> None:
    # A token that comes from elsewhere is as old as it was there: something newer may yet be brought.
    changes = [
        {
            "platform": one.platform,
            "appid": one.appid,
            "fingerprint": fingerprint(one.refresh_token)[:16],
            "reason": reason,
            "at": min(one.updated_at, now),
        }
        for one in taken
        if one.refresh_token is not None
    ]
    if changes:
        await connection.execute(insert(refresh_token_changes), changes)


def _pair(one: Authorization) -> tuple[str, str]:
    return one.platform, one.appid


def _stored(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case tuple():
            return list(value)
        case _:
            return value
