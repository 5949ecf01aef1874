"""When push tokens and AES keys were last seen in use."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, tuple_

from wxgate.custody.records import KeyUse
from wxgate.store.database import Database
from wxgate.store.tables import key_uses
from wxgate.store.upsert import insert_for


class SqlKeyUses:
    """Implements custody's KeyUseStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, uses: Sequence[KeyUse]) -> None:
        """Write down uses; an older one never replaces a newer one."""
        if not uses:
            return
        # In one order, so that two nodes that note the same keys do not block each other.
        ordered = sorted(uses, key=lambda use: (use.receiver, use.kind, use.fingerprint))
        rows = [
            {
                "receiver": use.receiver,
                "kind": use.kind,
                "fingerprint": use.fingerprint,
                "last_seen_at": use.last_seen_at,
            }
            for use in ordered
        ]
        async with self._database.write() as connection:
            statement = insert_for(connection, key_uses)
            newer = statement.excluded.last_seen_at
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["receiver", "kind", "fingerprint"],
                    set_={"last_seen_at": newer},
                    where=newer > key_uses.c.last_seen_at,
                ),
                rows,
            )

    async def load(self, receiver: str) -> Sequence[KeyUse]:
        """List what was ever seen of a receiver."""
        query = select(key_uses).where(key_uses.c.receiver == receiver)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [KeyUse(row.receiver, row.kind, row.fingerprint, row.last_seen_at) for row in rows]

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget what was not seen for long."""
        table = key_uses.c
        unseen = table.last_seen_at < before
        key = (table.receiver, table.kind, table.fingerprint)
        async with self._database.write() as connection:
            found = (await connection.execute(select(*key).where(unseen).limit(limit))).all()
            if not found:
                return 0
            keys = [tuple(row) for row in found]
            return (await connection.execute(delete(key_uses).where(tuple_(*key).in_(keys), unseen))).rowcount
