"""Realms, their apps and their clients."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, case, delete, select

from wxgate.custody.vault import Vault
from wxgate.login.records import App, AppKind, Client, Realm, SessionLimits
from wxgate.secret import AppSecret
from wxgate.store.database import Database
from wxgate.store.login_locks import lock_realm
from wxgate.store.login_tables import (
    apps,
    attempts,
    clients,
    codes,
    conflicts,
    grants,
    identities,
    realms,
    scans,
    session_clients,
    sessions,
    signing_keys,
    subjects,
)
from wxgate.store.seals import Seals
from wxgate.store.steps import delete_in_steps
from wxgate.store.upsert import insert_for, put

CONFIGURED = (apps, clients, signing_keys, attempts, codes, scans)
"""What goes with a realm at once: no login is possible after that."""

GATHERED = (grants, sessions, identities, conflicts, subjects)
"""What there may be much of, and goes in steps; names before the subjects they stand for."""


class SqlRealms:
    """Implements login's Realms."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "login_apps")

    async def put_realm(self, realm: Realm) -> None:
        """Insert a realm, or replace all but when it was made."""
        row = {
            "name": realm.name,
            "title": realm.title,
            "created_at": realm.created_at,
            "silent": realm.silent,
            "unionid_backfill": realm.unionid_backfill,
            "return_to": list(realm.return_to),
            "limits": _write_limits(realm.limits),
        }
        async with self._database.write() as connection:
            await put(connection, realms, row, keep=frozenset({"created_at"}))

    async def realm(self, name: str) -> Realm | None:
        """Load a realm."""
        row = await self._first(realms, name)
        return _read_realm(row) if row is not None else None

    async def realms(self) -> Sequence[Realm]:
        """List realms."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(realms).order_by(realms.c.name))).all()
        return [_read_realm(row) for row in rows]

    async def remove_realm(self, name: str) -> bool:
        """Delete a realm and what it was configured with at once, then what it has gathered, in steps.

        Stopped half-way and called again, it deletes what is left.
        """
        removed = await self._database.batch(lambda connection: _remove_realm(connection, name))
        theirs = session_clients.c.sid.in_(select(sessions.c.sid).where(sessions.c.realm == name))
        await delete_in_steps(self._database, session_clients, theirs)
        for table in GATHERED:
            await delete_in_steps(self._database, table, table.c.realm == name)
        return removed

    async def put_app(self, app: App) -> None:
        """Insert an app, or replace all but when it was made; the secret of another appid is not kept."""
        row = {
            "name": app.name,
            "realm": app.realm,
            "kind": app.kind.value,
            "appid": app.appid,
            "issuer": app.issuer,
            "title": app.title,
            "created_at": app.created_at,
            "secret": app.secret and self._seals.seal(app.secret, "secret", app.name),
        }
        async with self._database.write() as connection:
            statement = insert_for(connection, apps).values(**row)
            new = {key: statement.excluded[key] for key in row if key not in ("name", "created_at")}
            if app.secret is None:
                same = apps.c.appid == statement.excluded.appid
                new["secret"] = case((same, apps.c.secret), else_=None)
            await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))

    async def app(self, name: str) -> App | None:
        """Load an app."""
        row = await self._first(apps, name)
        return self._read_app(row) if row is not None else None

    async def apps(self, realm: str | None = None) -> Sequence[App]:
        """List apps; one whose secret does not open is left out and logged."""
        query = select(apps).order_by(apps.c.name)
        if realm is not None:
            query = query.where(apps.c.realm == realm)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        opened, _ = self._seals.open_each(rows, self._read_app, "name")
        return opened

    async def remove_app(self, name: str) -> bool:
        """Delete an app."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(apps).where(apps.c.name == name))).rowcount > 0

    async def put_client(self, client: Client) -> None:
        """Insert a client, or replace all but when it was made."""
        async with self._database.write() as connection:
            await put(connection, clients, _client_row(client), keep=frozenset({"created_at"}))

    async def client(self, client_id: str) -> Client | None:
        """Load a client."""
        row = await self._first(clients, client_id)
        return _read_client(row) if row is not None else None

    async def clients(self, realm: str | None = None) -> Sequence[Client]:
        """List clients by name."""
        query = select(clients).order_by(clients.c.name, clients.c.id)
        if realm is not None:
            query = query.where(clients.c.realm == realm)
        async with self._database.read() as connection:
            return [_read_client(row) for row in (await connection.execute(query)).all()]

    async def remove_client(self, client_id: str) -> bool:
        """Delete a client, then its codes and grants."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(clients).where(clients.c.id == client_id))
            await connection.execute(delete(codes).where(codes.c.client == client_id))
        for table in (grants, session_clients):
            await delete_in_steps(self._database, table, table.c.client == client_id)
        return gone.rowcount > 0

    async def _first(self, table: Table, key: str) -> Row[Any] | None:
        [column] = table.primary_key
        async with self._database.read() as connection:
            return (await connection.execute(select(table).where(column == key))).first()

    def _read_app(self, row: Row[Any]) -> App:
        secret = row.secret and AppSecret(self._seals.open(row.secret, "secret", row.name))
        return App(**{**row._mapping, "kind": AppKind(row.kind), "secret": secret})


def _remove_realm(connection: Connection, name: str) -> bool:
    lock_realm(connection, name)
    for table in CONFIGURED:
        connection.execute(delete(table).where(table.c.realm == name))
    return connection.execute(delete(realms).where(realms.c.name == name)).rowcount > 0


def _write_limits(limits: SessionLimits) -> Mapping[str, float]:
    return {
        "idle": limits.idle.total_seconds(),
        "absolute": limits.absolute.total_seconds(),
        "recheck_after": limits.recheck_after.total_seconds(),
    }


def _read_limits(kept: Mapping[str, float]) -> SessionLimits:
    return SessionLimits(**{name: timedelta(seconds=seconds) for name, seconds in kept.items()})


def _read_realm(row: Row[Any]) -> Realm:
    words = {"return_to": tuple(row.return_to), "limits": _read_limits(row.limits)}
    return Realm(**{**row._mapping, **words})


def _client_row(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "realm": client.realm,
        "name": client.name,
        "created_at": client.created_at,
        "secret_hash": client.secret_hash,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "pairwise": client.pairwise,
        "sector": client.sector,
        "grants": sorted(client.grants),
        "scopes": sorted(client.scopes),
        "require_pkce": client.require_pkce,
        "algorithm": client.algorithm,
        "limits": _write_limits(client.limits) if client.limits is not None else None,
        "disabled_at": client.disabled_at,
    }


def _read_client(row: Row[Any]) -> Client:
    words = {
        "redirect_uris": tuple(row.redirect_uris),
        "post_logout_redirect_uris": tuple(row.post_logout_redirect_uris),
        "grants": frozenset(row.grants),
        "scopes": frozenset(row.scopes),
        "limits": _read_limits(row.limits) if row.limits is not None else None,
    }
    return Client(**{**row._mapping, **words})
