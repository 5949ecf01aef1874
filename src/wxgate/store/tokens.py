"""Tokens, sealed, with leases whose fence makes sure that the slower writer loses."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import FetchedToken, KeptToken, Lease
from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.protocol.tokens import TokenKey, TokenKind, renew_at
from wxgate.secret import AccessToken, AuthorizerToken, ComponentToken, DirectToken
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import tokens
from wxgate.store.upsert import insert_for

TYPES: dict[TokenKind, type[AccessToken]] = {
    TokenKind.COMPONENT: ComponentToken,
    TokenKind.AUTHORIZER: AuthorizerToken,
    TokenKind.DIRECT: DirectToken,
}

EMPTY: dict[str, Any] = {"token": None, "fetched_at": None, "expires_at": None, "renew_at": None}
FREE: dict[str, Any] = {"holder": None, "lease_until": None}


class SqlTokens:
    """Implements custody's TokenStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "tokens")

    async def load(self, key: TokenKey) -> KeptToken | None:
        """Load the current token; one that does not open is as good as none, since it can be fetched anew."""
        query = select(tokens).where(is_key(key))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None or row.token is None:
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
        async with self._database.write() as connection:
            await ensure_row(connection, key)
            fence = await connection.scalar(
                update(tokens)
                .where(is_key(key), or_(tokens.c.lease_until.is_(None), tokens.c.lease_until <= now))
                .values(fence=tokens.c.fence + 1, holder=holder, lease_until=until)
                .returning(tokens.c.fence)
            )
        return Lease(key, holder, fence, until) if fence is not None else None

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
        return KeptToken(lease.key, fetched.token, version, fetched.fetched_at, fetched.expires_at)

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
        return dropped.rowcount > 0

    async def drop_account(self, issuer: str, account: str) -> int:
        """Drop every kind of token of one issuer for one account."""
        async with self._database.write() as connection:
            return await drop_tokens(connection, issuer, account)


async def drop_tokens(connection: AsyncConnection, issuer: str, account: str) -> int:
    """Drop every kind of token inside a transaction; return how many had a value."""
    mine = and_(tokens.c.issuer == issuer, tokens.c.account == account)
    # Locked in one order, so that two who drop the same tokens neither block each other nor both count them.
    locked = await connection.execute(
        select(tokens.c.token.is_not(None)).where(mine).order_by(tokens.c.kind).with_for_update()
    )
    had_values = sum(locked.scalars())
    await connection.execute(update(tokens).where(mine).values(fence=tokens.c.fence + 1, **FREE, **EMPTY))
    return had_values


async def replace_token(
    connection: AsyncConnection, seals: Seals, key: TokenKey, fetched: FetchedToken | None
) -> None:
    """Write a token that came by another way than a lease, or remove the old one; either way raise the
    fence."""
    await ensure_row(connection, key)
    values = EMPTY if fetched is None else {"version": tokens.c.version + 1, **filled(seals, key, fetched)}
    await connection.execute(
        update(tokens).where(is_key(key)).values(fence=tokens.c.fence + 1, **FREE, **values)
    )


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
        "renew_at": renew_at(fetched.fetched_at, fetched.expires_at),
    }


def is_key(key: TokenKey) -> ColumnElement[bool]:
    """Match the row of a key."""
    return and_(
        tokens.c.issuer == key.issuer, tokens.c.account == key.account, tokens.c.kind == key.kind.value
    )


def _holds(lease: Lease) -> ColumnElement[bool]:
    return and_(is_key(lease.key), tokens.c.fence == lease.fence, tokens.c.holder == lease.holder)
