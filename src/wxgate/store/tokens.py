"""Tokens, sealed, with leases whose fence makes sure that the slower writer loses."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.planner import Plan
from wxgate.custody.records import DueToken, FetchedToken, KeptToken, Lease, Rejection, TokenRow
from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.protocol.tokens import REJECTIONS_MOST, TokenKey, TokenKind, count_rejection, renew_at
from wxgate.secret import (
    AccessToken,
    AuthorizerToken,
    ComponentToken,
    DirectToken,
    JsTicket,
    fingerprint,
)
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import Moment, tokens
from wxgate.store.upsert import insert_for
from wxgate.store.wakeups import DROPPED, announce

TYPES: dict[TokenKind, type[AccessToken]] = {
    TokenKind.COMPONENT: ComponentToken,
    TokenKind.AUTHORIZER: AuthorizerToken,
    TokenKind.DIRECT: DirectToken,
    TokenKind.JSAPI_TICKET: JsTicket,
    TokenKind.WX_CARD: JsTicket,
}

EMPTY: dict[str, Any] = {"token": None, "fetched_at": None, "expires_at": None, "renew_at": None}
LEASES_AHEAD = 2
"""How many leases' time ahead a lease may end: one, and as much again for clocks that differ."""

UNFAILED: dict[str, Any] = {"failures": 0, "not_before": None, "held_until": None}
"""Nothing is known against the next attempt."""

FREE: dict[str, Any] = {"holder": None, "lease_until": None}

ONE = update(tokens).where(
    tokens.c.issuer == bindparam("of_issuer"),
    tokens.c.account == bindparam("of_account"),
    tokens.c.kind == bindparam("of_kind"),
)
"""Changes one row after the other; `_bound` gives the keys."""


class SqlTokens:
    """Implements custody's TokenStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "tokens")

    async def load(self, key: TokenKey) -> KeptToken | None:
        """Load the current token."""
        return (await self.look(key)).kept

    async def look(self, key: TokenKey) -> TokenRow:
        """Load how a key stands; a token that does not open is as good as none, since it can be fetched."""
        query = select(tokens).where(is_key(key))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return TokenRow()
        return TokenRow(self._kept(key, row), row.lease_until, row.not_before, row.held_until)

    def _kept(self, key: TokenKey, row: Row[Any]) -> KeptToken | None:
        if row.token is None:
            return None
        place = (key.issuer, key.account, key.kind.value)
        try:
            value = self._seals.open(row.token, "token", *place)
        except ConfigError as error:
            self._seals.tell_shut("/".join(place), error)
            return None
        return KeptToken(
            key, TYPES.get(key.kind, AccessToken)(value), row.version, row.fetched_at, row.expires_at
        )

    async def claim(self, key: TokenKey, *, holder: str, now: datetime, ttl: timedelta) -> Lease | None:
        """Take the lease, unless another's is still running."""
        until = now + ttl
        ended = or_(
            tokens.c.lease_until.is_(None),
            tokens.c.lease_until <= now,
            tokens.c.lease_until > now + LEASES_AHEAD * ttl,
        )
        async with self._database.write() as connection:
            await ensure_row(connection, key)
            taken = await connection.execute(
                update(tokens)
                .where(is_key(key), ended)
                .values(fence=tokens.c.fence + 1, holder=holder, lease_until=until)
                .returning(tokens.c.fence, tokens.c.failures, tokens.c.rejected)
            )
            row = taken.first()
        if row is None:
            return None
        return Lease(key, holder, row.fence, until, row.failures, row.rejected or "")

    async def extend(self, lease: Lease, until: datetime) -> bool:
        """Move the lease's end, if nobody has overtaken it."""
        async with self._database.write() as connection:
            moved = await connection.execute(update(tokens).where(_holds(lease)).values(lease_until=until))
        return moved.rowcount > 0

    async def finish(self, lease: Lease, fetched: FetchedToken) -> KeptToken | None:
        """Write the token, if nobody has overtaken the lease."""
        async with self._database.write() as connection:
            version = await connection.scalar(
                update(tokens)
                .where(_holds(lease))
                .values(version=tokens.c.version + 1, **FREE, **filled(self._seals, lease.key, fetched))
                .returning(tokens.c.version)
            )
            if version is None:
                return None
            await announce(connection, lease.key, version)
        return KeptToken(lease.key, fetched.token, version, fetched.fetched_at, fetched.expires_at)

    async def fail(self, lease: Lease, *, not_before: datetime, held_until: datetime | None = None) -> bool:
        """End the lease and put the next attempt off."""
        values = {
            "failures": lease.failures + 1,
            "not_before": not_before,
            "held_until": held_until,
            **FREE,
        }
        # Whoever took it from the due ones put it off a little further; what is not due for long stays.
        soon = literal(not_before + timedelta(minutes=5), Moment())
        later = case((tokens.c.renew_at < soon, literal(not_before, Moment())), else_=tokens.c.renew_at)
        async with self._database.write() as connection:
            held = await connection.execute(
                update(tokens).where(_holds(lease)).values(renew_at=later, **values)
            )
        return held.rowcount > 0

    async def release(self, lease: Lease) -> None:
        """End the lease without a token."""
        async with self._database.write() as connection:
            await connection.execute(update(tokens).where(_holds(lease)).values(**FREE))

    async def drop(self, key: TokenKey, *, only_version: int | None = None) -> bool:
        """Remove the token's value and raise the fence."""
        proven = (
            [] if only_version is None else [tokens.c.version == only_version, tokens.c.token.is_not(None)]
        )
        async with self._database.write() as connection:
            dropped = await connection.execute(
                update(tokens).where(is_key(key), *proven).values(fence=tokens.c.fence + 1, **FREE, **EMPTY)
            )
            if dropped.rowcount:
                await announce(connection, key, DROPPED)
        return dropped.rowcount > 0

    async def reject(
        self, key: TokenKey, *, version: int, now: datetime, most: int = REJECTIONS_MOST
    ) -> Rejection:
        """Remove the value of a version that was rejected, within its budget."""
        async with self._database.write() as connection:
            row = (await connection.execute(select(tokens).where(is_key(key)).with_for_update())).first()
            kept = row and self._kept(key, row)
            if row is None or kept is None or kept.version != version:
                return Rejection()
            counted = count_rejection(row.rejections, row.rejections_since, now, most)
            if isinstance(counted, datetime):
                return Rejection(retry_at=counted)
            count, since = counted
            await connection.execute(
                update(tokens)
                .where(is_key(key))
                .values(
                    fence=tokens.c.fence + 1,
                    rejections=count,
                    rejections_since=since,
                    rejected=fingerprint(kept.token),
                    **FREE,
                    **EMPTY,
                    **UNFAILED,
                )
            )
            await announce(connection, key, DROPPED)
        return Rejection(dropped=True)

    async def drop_account(self, issuer: str, account: str) -> int:
        """Drop every kind of token of one issuer for one account."""
        async with self._database.write() as connection:
            return await drop_tokens(connection, issuer, account)

    async def take_due(
        self, decide: Callable[[Sequence[DueToken]], Plan], *, now: datetime, limit: int, until: datetime
    ) -> Plan:
        """Settle tokens that are due."""
        query = due_query(now, limit)
        async with self._database.read() as connection:
            # Most looks find nothing, and those shall not take SQLite's one place to write.
            if (await connection.execute(query)).first() is None:
                return Plan()
        async with self._database.write() as connection:
            rows = await connection.execute(query.with_for_update(skip_locked=True))
            decided = decide([_due(row) for row in rows])
            for settled, planned in ((decided.renew, until), (decided.park, None)):
                if settled:
                    keys = sorted((row.key for row in settled), key=astuple)
                    await connection.execute(ONE.values(renew_at=planned), list(map(_bound, keys)))
        return decided

    async def note_used(self, keys: Collection[TokenKey], now: datetime) -> None:
        """Note that tokens are in use."""
        # In one order, so that two nodes that note the same keys do not block each other.
        rows = [_bound(key) for key in sorted(keys, key=astuple)]
        if rows:
            async with self._database.write() as connection:
                await connection.execute(ONE.values(used_at=now), rows)


def due_query(now: datetime, limit: int) -> Select[Any]:
    """Find the tokens that are due, by the index that holds no others than those with a plan."""
    columns = tokens.c
    return (
        select(
            columns.issuer,
            columns.account,
            columns.kind,
            columns.version,
            columns.expires_at,
            columns.renew_at,
            columns.used_at,
        )
        .where(columns.renew_at <= now)
        .order_by(columns.renew_at)
        .limit(limit)
    )


def _due(row: Row[Any]) -> DueToken:
    key = TokenKey(row.issuer, row.account, TokenKind(row.kind))
    return DueToken(key, row.version, row.expires_at, row.renew_at, row.used_at)


def _bound(key: TokenKey) -> dict[str, str]:
    return {"of_issuer": key.issuer, "of_account": key.account, "of_kind": key.kind.value}


async def drop_tokens(connection: AsyncConnection, issuer: str, account: str) -> int:
    """Drop every kind of token inside a transaction; return how many had a value."""
    mine = and_(tokens.c.issuer == issuer, tokens.c.account == account)
    # Locked in one order, so that two who drop the same tokens neither block each other nor both count them.
    locked = await connection.execute(
        select(tokens.c.kind, tokens.c.token.is_not(None))
        .where(mine)
        .order_by(tokens.c.kind)
        .with_for_update()
    )
    found = [(TokenKind(kind), had_value) for kind, had_value in locked]
    await connection.execute(
        update(tokens).where(mine).values(fence=tokens.c.fence + 1, **FREE, **EMPTY, **UNFAILED)
    )
    for kind, _ in found:
        await announce(connection, TokenKey(issuer, account, kind), DROPPED)
    return sum(had_value for _, had_value in found)


async def replace_token(
    connection: AsyncConnection, seals: Seals, key: TokenKey, fetched: FetchedToken | None
) -> None:
    """Write a token that came by another way than a lease, or remove the old one; either way raise the
    fence."""
    await ensure_row(connection, key)
    values = (
        {**EMPTY, **UNFAILED}
        if fetched is None
        else {"version": tokens.c.version + 1, **filled(seals, key, fetched)}
    )
    version = await connection.scalar(
        update(tokens)
        .where(is_key(key))
        .values(fence=tokens.c.fence + 1, **FREE, **values)
        .returning(tokens.c.version)
    )
    await announce(connection, key, DROPPED if fetched is None else version or DROPPED)


async def forget_failures(connection: AsyncConnection, mine: ColumnElement[bool]) -> None:
    """Let tokens be fetched at once again: what the fetches are made with is new."""
    await connection.execute(update(tokens).where(mine, tokens.c.failures > 0).values(**UNFAILED))


async def ensure_row(connection: AsyncConnection, key: TokenKey) -> None:
    """Make sure that a key has a row to be updated."""
    statement = insert_for(connection, tokens).values(
        issuer=key.issuer, account=key.account, kind=key.kind.value, version=0, fence=0
    )
    await connection.execute(statement.on_conflict_do_nothing())


def filled(seals: Seals, key: TokenKey, fetched: FetchedToken) -> dict[str, Any]:
    """Make the columns that a token fills."""
    return {
        "token": seals.seal(fetched.token, "token", key.issuer, key.account, key.kind),
        "fetched_at": fetched.fetched_at,
        "expires_at": fetched.expires_at,
        "renew_at": fetched.renew_at or renew_at(fetched.fetched_at, fetched.expires_at, key.kind),
        "rejected": None,
        **UNFAILED,
    }


def is_key(key: TokenKey) -> ColumnElement[bool]:
    """Match the row of a key."""
    return and_(
        tokens.c.issuer == key.issuer, tokens.c.account == key.account, tokens.c.kind == key.kind.value
    )


def _holds(lease: Lease) -> ColumnElement[bool]:
    return and_(is_key(lease.key), tokens.c.fence == lease.fence, tokens.c.holder == lease.holder)
