"""Subscribers, with what we share with them sealed."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, or_, select, text, update

from wxgate.custody.vault import Vault
from wxgate.events.records import Filter, Form, Subscriber, SubscriberSecrets
from wxgate.secret import EncodingAESKey, PushToken, Secret
from wxgate.store.database import Database
from wxgate.store.group_commit import GroupCommit
from wxgate.store.seals import Seals
from wxgate.store.tables import deliveries, subscribers
from wxgate.store.upsert import insert_for

LISTS = ("platforms", "accounts", "tags", "names", "openids")

SUCCESS_EVERY = timedelta(seconds=5)
"""How exactly the time of the last success is kept: a write for each delivery would cost more than that."""

DROPPED_AT_ONCE = 500
PAUSE_SECONDS = 0.01
"""Deliveries of one that is removed deleted in one transaction, and how long others write between."""

GONE = text(
    """
    WITH RECURSIVE named(subscriber) AS (
        SELECT min(subscriber) FROM deliveries
        UNION ALL
        SELECT (SELECT min(subscriber) FROM deliveries WHERE subscriber > named.subscriber)
        FROM named WHERE named.subscriber IS NOT NULL
    )
    SELECT subscriber FROM named
    WHERE subscriber IS NOT NULL AND NOT EXISTS (SELECT 1 FROM subscribers WHERE id = named.subscriber)
    LIMIT 1
    """
)
"""A subscriber that has deliveries and is gone; one look into an index for each that has any.

Ids are never given again, and a subscriber is committed before anything is queued for it.
"""

SUCCEEDED = (
    update(subscribers)
    .where(
        subscribers.c.id == bindparam("subscriber"),
        or_(
            subscribers.c.failures > 0,
            subscribers.c.open_until.is_not(None),
            subscribers.c.last_success_at.is_(None),
            subscribers.c.last_success_at <= bindparam("stale"),
        ),
    )
    .values(failures=0, open_until=None, last_success_at=bindparam("now"))
)

FAILED = (
    update(subscribers)
    .where(subscribers.c.id == bindparam("subscriber"))
    .values(
        failures=bindparam("new_failures"),
        open_until=bindparam("new_open_until"),
        last_failure_at=bindparam("now"),
        last_error=bindparam("new_error"),
    )
)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: str
    failures: int
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Note:
    """How an attempt ended; no failure is a success."""

    subscriber: str
    now: datetime
    failure: _Failure | None = None


class SqlSubscribers:
    """Implements the events' Subscribers."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._seals = Seals(vault, "subscribers")
        self._notes: GroupCommit[_Note, None] = GroupCommit(self._write_notes)

    async def list_subscribers(self) -> Sequence[Subscriber]:
        """List all that open, by name."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(subscribers).order_by(subscribers.c.name))).all()
        return self._seals.open_each(rows, self._read, "id")[0]

    async def load(self, subscriber_id: str) -> Subscriber | None:
        """Load one."""
        async with self._database.read() as connection:
            query = select(subscribers).where(subscribers.c.id == subscriber_id)
            row = (await connection.execute(query)).first()
        return self._read(row) if row else None

    async def add(self, subscriber: Subscriber) -> bool:
        """Add one, unless its name is taken."""
        row = {
            **self._decided(subscriber),
            "id": subscriber.id,
            "paused": subscriber.paused,
            "paused_reason": subscriber.paused_reason,
            "failures": subscriber.failures,
            "open_until": subscriber.open_until,
            "last_success_at": subscriber.last_success_at,
            "last_failure_at": subscriber.last_failure_at,
            "last_error": subscriber.last_error,
            "created_at": subscriber.created_at,
        }
        async with self._database.write() as connection:
            statement = insert_for(connection, subscribers).values(**row).on_conflict_do_nothing()
            added = await connection.execute(statement.returning(subscribers.c.id))
            return added.first() is not None

    async def change(self, subscriber: Subscriber, *, was: datetime) -> bool:
        """Replace what an operator decides, unless it was changed, is gone, or its name is another's."""
        named = subscribers.alias()
        taken = exists().where(named.c.name == subscriber.name, named.c.id != subscriber.id)
        changed = update(subscribers).where(
            subscribers.c.id == subscriber.id, subscribers.c.updated_at == was, ~taken
        )
        async with self._database.write() as connection:
            done = await connection.execute(changed.values(**self._decided(subscriber)))
        return done.rowcount > 0

    async def remove(self, subscriber_id: str) -> bool:
        """Remove one at once, then its deliveries in steps, so that no transaction is long.

        What other nodes still queue for it until they hear of it, `drop_orphans` deletes.
        """
        async with self._database.write() as connection:
            removed = await connection.execute(delete(subscribers).where(subscribers.c.id == subscriber_id))
        drop = partial(_drop_deliveries, subscriber=subscriber_id, limit=DROPPED_AT_ONCE)
        while await self._database.batch(drop) == DROPPED_AT_ONCE:  # noqa: ASYNC110 (nothing is awaited here)
            await asyncio.sleep(PAUSE_SECONDS)
        return removed.rowcount > 0

    async def drop_orphans(self, *, limit: int) -> int:
        """Delete deliveries to subscribers that are gone."""
        async with self._database.read() as connection:
            gone = await connection.scalar(GONE)
        if gone is None:
            return 0
        return await self._database.batch(partial(_drop_deliveries, subscriber=gone, limit=limit))

    async def pause(self, subscriber_id: str, *, reason: str, now: datetime) -> bool:
        """Stop sending to one."""
        return await self._set(subscriber_id, paused=True, paused_reason=reason, updated_at=now)

    async def resume(self, subscriber_id: str, *, now: datetime) -> bool:
        """Send to one again, at once."""
        values = {"paused": False, "paused_reason": "", "failures": 0, "open_until": None}
        return await self._set(subscriber_id, **values, updated_at=now)

    async def note_success(self, subscriber_id: str, *, now: datetime) -> None:
        """Forget the failures in a row; the time is kept to some seconds."""
        await self._notes.submit(_Note(subscriber_id, now))

    async def note_failure(
        self, subscriber_id: str, *, error: str, failures: int, open_until: datetime | None, now: datetime
    ) -> None:
        """Write how many failures there are in a row now, and until when nothing is sent."""
        await self._notes.submit(_Note(subscriber_id, now, _Failure(error, failures, open_until)))

    async def drain(self) -> None:
        """Wait until everything noted is committed."""
        await self._notes.drain()

    async def _set(self, subscriber_id: str, **values: Any) -> bool:
        statement = update(subscribers).where(subscribers.c.id == subscriber_id).values(**values)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount > 0

    async def _write_notes(self, notes: Sequence[_Note]) -> Sequence[None]:
        # The last word on each, in one order on every node, so that two groups cannot block each other.
        newest = {note.subscriber: note for note in notes}

        def work(connection: Connection) -> None:
            for subscriber in sorted(newest):
                note = newest[subscriber]
                values = {"subscriber": subscriber, "now": note.now}
                if (failure := note.failure) is None:
                    connection.execute(SUCCEEDED, {**values, "stale": note.now - SUCCESS_EVERY})
                else:
                    noted = {
                        "new_failures": failure.failures,
                        "new_open_until": failure.open_until,
                        "new_error": failure.error,
                    }
                    connection.execute(FAILED, {**values, **noted})

        await self._database.batch(work)
        return [None] * len(notes)

    def _decided(self, subscriber: Subscriber) -> dict[str, Any]:
        """Make the columns that an operator decides."""
        return {
            "name": subscriber.name,
            "form": subscriber.form.value,
            "url": subscriber.url,
            "filter": {name: list(getattr(subscriber.filter, name)) for name in LISTS},
            "ordered": subscriber.ordered,
            "envelope_appid": subscriber.envelope_appid,
            "secrets": self._seals.seal(_write(subscriber.secrets), "secrets", subscriber.id),
            "previous_until": subscriber.previous_until,
            "updated_at": subscriber.updated_at,
        }

    def _read(self, row: Row[Any]) -> Subscriber:
        words = {
            "form": Form(row.form),
            "filter": Filter(**{name: tuple(row.filter.get(name, ())) for name in LISTS}),
            "secrets": _parse(self._seals.open(row.secrets, "secrets", row.id)),
        }
        return Subscriber(**{**row._mapping, **words})


def _drop_deliveries(connection: Connection, *, subscriber: str, limit: int) -> int:
    """Delete some deliveries, locked in the order of whoever writes how they ended; return how many."""
    oldest = select(deliveries.c.id).where(deliveries.c.subscriber == subscriber).order_by(deliveries.c.id)
    ids = list(connection.scalars(oldest.limit(limit).with_for_update()))
    if ids:
        connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
    return len(ids)


def _write(secrets: SubscriberSecrets) -> Secret:
    """Write the secrets as one: they are always needed together."""
    kinds = ("signing", "previous_signing", "token", "aes_key")
    given = {kind: getattr(secrets, kind) for kind in kinds}
    return Secret(json.dumps({kind: secret.reveal() for kind, secret in given.items() if secret is not None}))


def _parse(text: str) -> SubscriberSecrets:
    found = json.loads(text)

    def read(kind: str, make: Any) -> Any:
        return make(found[kind]) if kind in found else None

    return SubscriberSecrets(
        signing=read("signing", Secret),
        previous_signing=read("previous_signing", Secret),
        token=read("token", PushToken),
        aes_key=read("aes_key", EncodingAESKey),
    )
