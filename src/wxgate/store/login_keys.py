"""Keys that sign ID tokens, sealed; of a retired one only its name and public half are left."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update

from wxgate.custody.vault import Vault
from wxgate.login.records import SigningKey
from wxgate.secret import Secret
from wxgate.store.database import Database
from wxgate.store.login_locks import lock_realm
from wxgate.store.login_tables import signing_keys
from wxgate.store.seals import Seals
from wxgate.store.upsert import insert_for

table = signing_keys.c


class SqlSigningKeys:
    """Implements login's SigningKeys."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "login_signing_keys")

    async def put(self, key: SigningKey, *, only_if_none: bool = False) -> bool:
        """Insert a key, or replace the one of its name unless that is retired."""
        row = {
            "realm": key.realm,
            "kid": key.kid,
            "algorithm": key.algorithm,
            "public": dict(key.public),
            "private": self._seals.seal(key.private, "private", key.realm, key.kid),
            "created_at": key.created_at,
            "signs_from": key.signs_from,
            "retired_at": key.retired_at,
        }
        return await self._database.batch(partial(_put, row=row, only_if_none=only_if_none))

    async def of(self, realm: str) -> Sequence[SigningKey]:
        """List a realm's keys; one that does not open is left out and logged."""
        query = (
            select(signing_keys)
            .where(table.realm == realm, table.retired_at.is_(None))
            .order_by(table.signs_from, table.created_at, table.kid)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        opened, _ = self._seals.open_each(rows, self._read, "realm", "kid")
        return opened

    async def retire(self, realm: str, kid: str, *, now: datetime) -> bool:
        """Retire a key and forget its private half."""
        mine = update(signing_keys).where(table.realm == realm, table.kid == kid, table.retired_at.is_(None))
        async with self._database.write() as connection:
            return (await connection.execute(mine.values(retired_at=now, private=None))).rowcount > 0

    def _read(self, row: Row[Any]) -> SigningKey:
        private = Secret(self._seals.open(row.private, "private", row.realm, row.kid))
        return SigningKey(**{**row._mapping, "private": private})


def _put(connection: Connection, row: dict[str, Any], only_if_none: bool) -> bool:
    if only_if_none:
        lock_realm(connection, row["realm"])
        there = select(table.kid).where(
            table.realm == row["realm"], table.algorithm == row["algorithm"], table.retired_at.is_(None)
        )
        if connection.execute(there).first() is not None:
            return False
    statement = insert_for(connection, signing_keys).values(**row)
    statement = statement.on_conflict_do_update(
        index_elements=["realm", "kid"],
        set_={name: statement.excluded[name] for name in row if name not in ("realm", "kid")},
        where=table.retired_at.is_(None),
    )
    return connection.execute(statement.returning(table.kid)).first() is not None
