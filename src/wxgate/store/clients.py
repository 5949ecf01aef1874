"""API keys by their digests, and the labels that scope them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.clients import Client, ClientScope, Labels, Reach, read_networks
from wxgate.store.database import Database
from wxgate.store.tables import account_labels, clients
from wxgate.store.upsert import insert_for

TAG = "tag"
HOST = "host"


class SqlClients:
    """Implements custody's ClientStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, client: Client) -> None:
        """Insert a client."""
        async with self._database.write() as connection:
            await connection.execute(clients.insert().values(**_columns(client)))

    async def load(self, client_id: str) -> Client | None:
        """Load one."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(clients).where(clients.c.id == client_id))).first()
        return _read(row) if row else None

    async def list(self) -> Sequence[Client]:
        """List all."""
        query = select(clients).order_by(clients.c.created_at, clients.c.id)
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    async def revoke(self, client_id: str, *, now: datetime) -> bool:
        """Revoke one for ever."""
        mine = and_(clients.c.id == client_id, clients.c.revoked_at.is_(None))
        async with self._database.write() as connection:
            revoked = await connection.execute(update(clients).where(mine).values(revoked_at=now))
        return revoked.rowcount > 0


class SqlLabels:
    """Implements custody's LabelStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, appid: str) -> Labels:
        """Load the labels of one account."""
        async with self._database.read() as connection:
            return await load_labels(connection, appid)

    async def load_many(self, appids: Sequence[str]) -> Mapping[str, Labels]:
        """Load the labels of several accounts."""
        return await self._grouped(select(account_labels).where(account_labels.c.appid.in_(appids)))

    async def change(self, appid: str, *, add: Labels, remove: Labels) -> Labels:
        """Take labels away, then add some."""
        async with self._database.write() as connection:
            if gone := list(_pairs(remove)):
                matches = [
                    and_(account_labels.c.kind == kind, account_labels.c.value == value)
                    for kind, value in gone
                ]
                await connection.execute(
                    delete(account_labels).where(account_labels.c.appid == appid, or_(*matches))
                )
            await put_labels(connection, appid, add)
            return await load_labels(connection, appid)

    async def list(self) -> Mapping[str, Labels]:
        """List the labels of every account that has any."""
        return await self._grouped(select(account_labels))

    async def _grouped(self, query: Select[Any]) -> Mapping[str, Labels]:
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        by_account: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            by_account[row.appid].append(row)
        return {appid: _labels(found) for appid, found in sorted(by_account.items())}


async def load_labels(connection: AsyncConnection, appid: str) -> Labels:
    """Load an account's labels inside a transaction."""
    query = select(account_labels).where(account_labels.c.appid == appid)
    return _labels((await connection.execute(query)).all())


async def put_labels(connection: AsyncConnection, appid: str, labels: Labels) -> None:
    """Add labels to an account inside a transaction."""
    if new := [{"appid": appid, "kind": kind, "value": value} for kind, value in _pairs(labels)]:
        statement = insert_for(connection, account_labels).values(new)
        await connection.execute(statement.on_conflict_do_nothing())


def _labels(rows: Sequence[Row[Any]]) -> Labels:
    return Labels(
        frozenset(row.value for row in rows if row.kind == TAG),
        frozenset(row.value for row in rows if row.kind == HOST),
    )


def _pairs(labels: Labels) -> Iterator[tuple[str, str]]:
    yield from ((TAG, value) for value in sorted(labels.tags))
    yield from ((HOST, value) for value in sorted(labels.hosts))


def _columns(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "digest": client.digest,
        "scopes": sorted(client.scopes),
        "platforms": sorted(client.reach.platforms),
        "accounts": sorted(client.reach.accounts),
        "tags": sorted(client.reach.tags),
        "may_renew": client.may_renew,
        "networks": [str(network) for network in client.networks],
        "created_at": client.created_at,
        "expires_at": client.expires_at,
        "revoked_at": client.revoked_at,
        "last_used_at": client.last_used_at,
    }


def _read(row: Row[Any]) -> Client:
    known = {scope.value for scope in ClientScope}
    return Client(
        id=row.id,
        name=row.name,
        digest=row.digest,
        # A newer version may have written scopes that this one does not know; it grants them to nobody.
        scopes=frozenset(ClientScope(scope) for scope in row.scopes if scope in known),
        reach=Reach(frozenset(row.platforms), frozenset(row.accounts), frozenset(row.tags)),
        may_renew=row.may_renew,
        networks=read_networks(row.networks),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
