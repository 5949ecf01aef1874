"""Key rotation: every sealed value sealed anew under the current key, while everybody else goes on writing.

A value names the key it is under, so that no other state is needed: what was done stays done, and a rotation
that was stopped goes on where values under other keys are left. A value that somebody else writes meanwhile
is left as it is: that writer has sealed it himself.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, delete, func, select, tuple_, update

from wxgate.custody.vault import Vault
from wxgate.errors import ConfigError
from wxgate.store.database import Database
from wxgate.store.sealed import SEALED, SealedColumn
from wxgate.store.seals import Seals
from wxgate.store.tables import node_keys
from wxgate.store.upsert import put

log = structlog.get_logger("wxgate.keys")

BATCH = 50
"""How many values are sealed anew in one transaction: on SQLite other writers wait for it."""

PASSES = 5
"""How often the tables are gone through for what a node that was behind has written meanwhile."""

SEEN_WITHIN = timedelta(seconds=60)
"""How long after its last sign a node counts as running."""


@dataclass(slots=True)
class Progress:
    """How far a rotation is; `shut` names the values that do not open with any key."""

    total: int
    sealed: int = 0
    overtaken: int = 0
    shut: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many values need nothing more."""
        return self.sealed + self.overtaken + len(self.shut)


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The keys that a running node has, current first."""

    holder: str
    host: str
    names: tuple[str, ...]
    seen_at: datetime


class SqlRotation:
    """Counts and changes which key every sealed value is under, and knows the keys of running nodes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def counts(self) -> Mapping[str, int]:
        """Count the sealed values under each key, by its id."""
        counted: Counter[str] = Counter()
        async with self._database.read() as connection:
            for sealed in SEALED:
                key = _key_of(sealed)
                query = select(key, func.count()).where(sealed.column.is_not(None)).group_by(key)
                for identity, count in await connection.execute(query):
                    counted[bytes(identity).hex()] += count
        return counted

    async def reseal(self, *, batch: int = BATCH) -> AsyncIterator[Progress]:
        """Seal everything anew under the current key, a batch at a time; yield how far it is after each.

        Stopped at any point and begun again, it does what is left. Raises nothing for a value that does not
        open: it stays, and is named.
        """
        current = self._vault.ring.keys[0].id
        progress = Progress(await self._left(current))
        yield progress
        for _ in range(PASSES):
            before = progress.sealed + progress.overtaken
            for sealed in SEALED:
                async for _ in self._column(sealed, current, progress, batch):
                    yield progress
            if progress.sealed + progress.overtaken == before:
                break

    async def tell(self, keys: NodeKeys) -> None:
        """Note which keys a node has, and forget nodes that have not been seen for long."""
        row = {
            "holder": keys.holder,
            "host": keys.host,
            "names": list(keys.names),
            "seen_at": keys.seen_at,
        }
        async with self._database.write() as connection:
            await connection.execute(
                delete(node_keys).where(node_keys.c.seen_at < keys.seen_at - 10 * SEEN_WITHIN)
            )
            await put(connection, node_keys, row)

    async def leave(self, holder: str) -> None:
        """Forget a node that ends."""
        async with self._database.write() as connection:
            await connection.execute(delete(node_keys).where(node_keys.c.holder == holder))

    async def nodes(self, *, now: datetime) -> Sequence[NodeKeys]:
        """List the running nodes with their keys."""
        query = (
            select(node_keys)
            .where(node_keys.c.seen_at >= now - SEEN_WITHIN)
            .order_by(node_keys.c.host, node_keys.c.holder)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [NodeKeys(row.holder, row.host, tuple(row.names), row.seen_at) for row in rows]

    async def _left(self, current: bytes) -> int:
        async with self._database.read() as connection:
            counts = [
                await connection.scalar(
                    select(func.count()).select_from(sealed.table).where(_is_under_another(sealed, current))
                )
                for sealed in SEALED
            ]
        return sum(count or 0 for count in counts)

    async def _column(
        self, sealed: SealedColumn, current: bytes, progress: Progress, batch: int
    ) -> AsyncIterator[None]:
        """Go through one column in the order of its table's primary key."""
        key = list(sealed.table.primary_key)
        columns: list[Any] = [sealed.column, *sealed.bound_to, *key]
        query = select(*columns).where(_is_under_another(sealed, current)).order_by(*key).limit(batch)
        after: tuple[Any, ...] | None = None
        while True:
            beyond = query if after is None else query.where(tuple_(*key) > tuple_(*after))
            async with self._database.read() as connection:
                rows = (await connection.execute(beyond)).all()
            if not rows:
                return
            await self._replace(sealed, rows, progress)
            after = tuple(rows[-1][-len(key) :])
            yield

    async def _replace(self, sealed: SealedColumn, rows: Sequence[Row[Any]], progress: Progress) -> None:
        seals, key = Seals(self._vault, sealed.table.name), list(sealed.table.primary_key)
        changes = []
        for row in rows:
            old, place = row[0], row[1 : 1 + len(sealed.bound_to)]
            primary = row[1 + len(sealed.bound_to) :]
            try:
                changes.append((old, seals.seal_again(old, sealed.column.name, *place), primary))
            except ConfigError as error:
                name = "/".join(map(str, (sealed.table.name, sealed.column.name, *primary)))
                if name not in progress.shut:
                    progress.shut.append(name)
                    log.error("keys.value_shut", value=name, error=str(error))
        written = 0
        async with self._database.write() as connection:
            for old, new, primary in changes:
                same = [column == value for column, value in zip(key, primary, strict=True)]
                statement = update(sealed.table).where(*same, sealed.column == old)
                written += (await connection.execute(statement.values({sealed.column.name: new}))).rowcount
        progress.sealed += written
        progress.overtaken += len(changes) - written


def _key_of(sealed: SealedColumn) -> ColumnElement[bytes]:
    """The id of the key a value is under, which follows the byte with the version."""
    return func.substr(sealed.column, 2, 4, type_=sealed.column.type)


def _is_under_another(sealed: SealedColumn, current: bytes) -> ColumnElement[bool]:
    return _key_of(sealed) != current
