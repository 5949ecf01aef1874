"""The durable jobs that turn codes into authorizations."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import (
    Authorization,
    AuthorizationState,
    Exchange,
    ExchangeSource,
    ExchangeState,
    Grant,
    NewExchange,
)
from wxgate.custody.states import Trigger, after
from wxgate.custody.vault import Vault
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, fingerprint
from wxgate.store.authorizations import (
    is_pair,
    lock_row,
    make_row,
    read_authorization,
    write_refresh_token,
)
from wxgate.store.database import Database
from wxgate.store.links import use_flow
from wxgate.store.seals import Seals
from wxgate.store.tables import authorizations, exchanges
from wxgate.store.tokens import replace_token
from wxgate.store.upsert import insert_for

OPEN = (ExchangeState.PENDING.value, ExchangeState.EXCHANGING.value)


class SqlExchanges:
    """Implements custody's ExchangeStore."""

    def __init__(
        self, database: Database, vault: Vault, make_id: Callable[[], str] = lambda: secrets.token_urlsafe(16)
    ) -> None:
        self._database = database
        self._seals = Seals(vault, "exchanges")
        self._authorizations = Seals(vault, "authorizations")
        self._tokens = Seals(vault, "tokens")
        self._make_id = make_id

    async def open(self, new: NewExchange, *, now: datetime) -> Exchange:
        """Insert a job, or complete and load the one of the same code."""
        name = fingerprint(new.code)
        async with self._database.write() as connection:
            statement = insert_for(connection, exchanges).values(
                id=self._make_id(),
                platform=new.platform,
                fingerprint=name,
                code=self._seals.seal(new.code, "code", new.platform, name),
                source=new.source.value,
                state=ExchangeState.PENDING.value,
                appid=new.appid,
                flow=new.flow,
                event_at=new.event_at,
                created_at=now,
                fence=0,
                maybe_spent=False,
                error="",
            )
            inserted = statement.on_conflict_do_nothing(index_elements=["platform", "fingerprint"])
            row = (await connection.execute(inserted.returning(*exchanges.c))).first()
            if row is None:
                row = await _complete(connection, new, name)
        return self._read(row)

    async def load(self, exchange_id: str) -> Exchange | None:
        """Load one job."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(exchanges).where(exchanges.c.id == exchange_id))).first()
        return self._read(row) if row else None

    async def find_by_flow(self, flow: str) -> Sequence[Exchange]:
        """List the jobs of one flow, newest first."""
        query = select(exchanges).where(exchanges.c.flow == flow).order_by(exchanges.c.created_at.desc())
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return self._seals.open_each(rows, self._read, "id")[0]

    async def claim(self, exchange_id: str, *, now: datetime, ttl: timedelta) -> Exchange | None:
        """Take a job that nobody works on."""
        async with self._database.write() as connection:
            row = (
                await connection.execute(
                    update(exchanges)
                    .where(exchanges.c.id == exchange_id, _unattended(now))
                    .values(
                        state=ExchangeState.EXCHANGING.value,
                        fence=exchanges.c.fence + 1,
                        lease_until=now + ttl,
                        maybe_spent=or_(
                            exchanges.c.maybe_spent, exchanges.c.state == ExchangeState.EXCHANGING.value
                        ),
                    )
                    .returning(*exchanges.c)
                )
            ).first()
        return self._read(row) if row else None

    async def finish(
        self, exchange: Exchange, grant: Grant, *, now: datetime, bind_flow: bool = True
    ) -> Authorization | None:
        """Commit all that a code brought, in one transaction."""
        async with self._database.write() as connection:
            ended = await self._end(
                connection, exchange, state=ExchangeState.DONE, appid=grant.appid, error="", errcode=None
            )
            if ended is None:
                return None
            reference = ""
            if not bind_flow:
                await connection.execute(
                    update(exchanges).where(exchanges.c.id == exchange.id).values(flow=None)
                )
            elif ended.flow:
                reference = await use_flow(connection, ended.flow)
            await self._grant(connection, exchange, grant, reference=reference, now=now)
            row = await lock_row(connection, exchange.platform, grant.appid)
        assert row is not None
        return read_authorization(self._authorizations, row)

    async def fail(self, exchange: Exchange, *, errcode: int | None, error: str, now: datetime) -> bool:
        """Give a job up."""
        async with self._database.write() as connection:
            ended = await self._end(
                connection,
                exchange,
                state=ExchangeState.FAILED,
                appid=exchange.appid,
                error=error,
                errcode=errcode,
            )
        return ended is not None

    async def postpone(
        self, exchange: Exchange, *, error: str, not_before: datetime, maybe_spent: bool = False
    ) -> None:
        """Put a job back."""
        async with self._database.write() as connection:
            ended = await self._end(
                connection,
                exchange,
                state=ExchangeState.PENDING,
                appid=exchange.appid,
                error=error,
                errcode=None,
            )
            if ended is not None:
                await connection.execute(
                    update(exchanges)
                    .where(exchanges.c.id == exchange.id)
                    .values(not_before=not_before, maybe_spent=maybe_spent or exchanges.c.maybe_spent)
                )

    async def is_open(self, platform: str, appid: str) -> bool:
        """Tell whether a job that is or may be for this account is not ended."""
        query = (
            select(exchanges.c.id)
            .where(
                exchanges.c.platform == platform,
                exchanges.c.state.in_(OPEN),
                exchanges.c.appid == appid,
            )
            .limit(1)
        )
        async with self._database.read() as connection:
            return (await connection.scalar(query)) is not None

    async def unfinished(self, *, now: datetime, limit: int = 100) -> Sequence[Exchange]:
        """List the jobs that nobody works on."""
        # What a stranger's browser brought never stands before what WeChat itself pushed.
        hearsay = case((exchanges.c.source == ExchangeSource.REDIRECT.value, 1), else_=0)
        query = (
            select(exchanges).where(_unattended(now)).order_by(hearsay, exchanges.c.created_at).limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return self._seals.open_each(rows, self._read, "id")[0]

    async def _end(
        self,
        connection: AsyncConnection,
        exchange: Exchange,
        *,
        state: ExchangeState,
        appid: str | None,
        error: str,
        errcode: int | None,
    ) -> Row[Any] | None:
        """Move a job on, if the fence is still the attempt's; return its flow."""
        result = await connection.execute(
            update(exchanges)
            .where(
                exchanges.c.id == exchange.id,
                exchanges.c.fence == exchange.fence,
                exchanges.c.state == ExchangeState.EXCHANGING.value,
            )
            .values(
                state=state.value,
                lease_until=None,
                appid=func.coalesce(appid, exchanges.c.appid),
                error=error,
                errcode=errcode,
            )
            .returning(exchanges.c.flow)
        )
        ended: Row[Any] | None = result.first()
        return ended

    async def _grant(
        self, connection: AsyncConnection, exchange: Exchange, grant: Grant, *, reference: str, now: datetime
    ) -> None:
        platform, appid = exchange.platform, grant.appid
        before = await make_row(connection, platform, appid, event_at=exchange.event_at, now=now)
        if _closed_since(before, exchange.event_at) or _granted_since(before, exchange):
            return
        state = after(AuthorizationState(before.state), Trigger.CODE_EXCHANGED)
        await connection.execute(
            update(authorizations)
            .where(is_pair(platform, appid))
            .values(
                state=state.value,
                func_ids=list(grant.func_ids),
                granted_ids=list(grant.func_ids),
                reason=exchange.source.value,
                reference=reference or before.reference,
                authorized_at=exchange.event_at,
                event_at=max(before.event_at, exchange.event_at),
                repair_at=None,
                repairs=0,
                updated_at=now,
            )
        )
        current = read_authorization(self._authorizations, before).refresh_token
        if grant.refresh_token is not None and grant.refresh_token != current:
            await write_refresh_token(
                connection,
                self._authorizations,
                platform,
                appid,
                grant.refresh_token,
                reason=exchange.source.value,
                now=now,
            )
        key = TokenKey(platform, appid, TokenKind.AUTHORIZER)
        await replace_token(connection, self._tokens, key, grant.access)

    def _read(self, row: Row[Any]) -> Exchange:
        return Exchange(
            id=row.id,
            platform=row.platform,
            code=AuthorizationCode(self._seals.open(row.code, "code", row.platform, row.fingerprint)),
            source=ExchangeSource(row.source),
            state=ExchangeState(row.state),
            appid=row.appid,
            flow=row.flow,
            event_at=row.event_at,
            created_at=row.created_at,
            fence=row.fence,
            lease_until=row.lease_until,
            maybe_spent=row.maybe_spent,
            errcode=row.errcode,
            error=row.error,
        )


def _unattended(now: datetime) -> ColumnElement[bool]:
    """Match jobs that wait, or whose worker's lease has ended."""
    return or_(
        and_(
            exchanges.c.state == ExchangeState.PENDING.value,
            or_(exchanges.c.not_before.is_(None), exchanges.c.not_before <= now),
        ),
        and_(exchanges.c.state == ExchangeState.EXCHANGING.value, exchanges.c.lease_until <= now),
    )


def _closed_since(authorization: Row[Any], event_at: datetime) -> bool:
    """Tell whether the merchant took the authorization back after the code was given."""
    closed: bool = authorization.state == AuthorizationState.REVOKED and authorization.event_at > event_at
    return closed


def _granted_since(authorization: Row[Any], exchange: Exchange) -> bool:
    """Tell whether a newer code was exchanged before this one, whose answer may be older than that.

    Only pushes carry WeChat's own time, in whole seconds; what a browser brought is dated by our clock, and
    proves nothing.
    """
    granted_at = authorization.authorized_at
    if authorization.refresh_token is None or exchange.source is ExchangeSource.REDIRECT:
        return False
    return bool(granted_at.microsecond == 0 and granted_at > exchange.event_at)


async def _complete(connection: AsyncConnection, new: NewExchange, name: str) -> Row[Any]:
    """Add to a job what a later arrival of its code knows better."""
    mine = and_(exchanges.c.platform == new.platform, exchanges.c.fingerprint == name)
    before = (await connection.execute(select(exchanges).where(mine).with_for_update())).one()
    values: dict[str, Any] = {"appid": before.appid or new.appid, "flow": before.flow or new.flow}
    if before.source == ExchangeSource.REDIRECT and new.source is not ExchangeSource.REDIRECT:
        values |= {"source": new.source.value, "event_at": new.event_at, "not_before": None}
    if before.state == ExchangeState.FAILED and before.appid is None and new.appid is not None:
        values |= {"state": ExchangeState.PENDING.value, "errcode": None, "not_before": None}
    completed = update(exchanges).where(mine).values(**values).returning(*exchanges.c)
    row = (await connection.execute(completed)).one()
    if row.state == ExchangeState.DONE:
        await _learn_late(connection, before, row)
    return row


async def _learn_late(connection: AsyncConnection, before: Row[Any], after: Row[Any]) -> None:
    """Tell an authorization what its code's second arrival brought: WeChat's time, the tenant's reference."""
    mine = is_pair(after.platform, after.appid)
    if after.event_at != before.event_at:
        await connection.execute(
            update(authorizations)
            .where(mine, authorizations.c.event_at == before.event_at)
            .values(event_at=after.event_at, authorized_at=after.event_at)
        )
    if after.flow and after.flow != before.flow and (reference := await use_flow(connection, after.flow)):
        await connection.execute(
            update(authorizations).where(mine, authorizations.c.reference == "").values(reference=reference)
        )
