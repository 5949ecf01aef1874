"""The event log: what was recorded, listed, put in the order of the streams, and forgotten in time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from wxgate.events.records import DeliveryState, Event, EventKind, EventQuery, EventState, ReplyState
from wxgate.events.redaction import redact_fields, redact_reply
from wxgate.store.database import Database
from wxgate.store.event_rows import read_event, size_of
from wxgate.store.tables import answers, counters, deliveries, events, push_log, release_tests
from wxgate.store.upsert import insert_for

POSITIONS = "positions"
"""The counter of places in the streams; it goes on when events are deleted, so that none comes twice."""

NUMBERED_AT_ONCE = 1000
FORGOTTEN_AT_ONCE = 500
LOADED_AT_ONCE = 500

ON_ITS_WAY = timedelta(hours=24)
"""How long an event that still is to be delivered is not pruned; a paused subscriber holds it no longer."""

JUST_COME = timedelta(hours=1)
"""How long an event is kept however little room there is: it tells duplicates, and waits for its reply."""

TO_BE_SENT = (ReplyState.READY.value, ReplyState.CUSTOM.value, ReplyState.SENDING.value)

OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)

NUMBER = update(events).where(events.c.id == bindparam("event_id")).values(position=bindparam("place"))

REDACT = (
    update(events)
    .where(events.c.id == bindparam("event_id"))
    .values(
        fields=bindparam("new_fields"),
        reply=bindparam("new_reply"),
        size=bindparam("new_size"),
        redacted_at=bindparam("now"),
        plain=None,
    )
)


class SqlEventLog:
    """Implements the events' EventLog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbering = asyncio.Lock()

    async def find_events(self, query: EventQuery) -> Sequence[Event]:
        """List events, newest first."""
        found = select(events).where(*_conditions(query)).order_by(events.c.id.desc()).limit(query.limit)
        return await self._list(found)

    async def load_many(self, event_ids: Sequence[int]) -> Sequence[Event]:
        """Load events by id, in the order of their ids."""
        wanted = sorted(set(event_ids))
        found: list[Event] = []
        for start in range(0, len(wanted), LOADED_AT_ONCE):
            some = events.c.id.in_(wanted[start : start + LOADED_AT_ONCE])
            found += await self._list(select(events).where(some).order_by(events.c.id))
        return found

    async def after(self, position: int, *, limit: int = 100) -> Sequence[Event]:
        """List events behind a position, giving positions to what has none."""
        # Looked up last: what another node numbers meanwhile is found too.
        await self._number()
        behind = select(events).where(events.c.position > position).order_by(events.c.position).limit(limit)
        return await self._list(behind)

    async def newest_position(self) -> int:
        """Return the position of the newest event."""
        while await self._number() == NUMBERED_AT_ONCE:
            pass
        async with self._database.read() as connection:
            place = await connection.scalar(select(counters.c.value).where(counters.c.name == POSITIONS))
        return place or 0

    async def number(self) -> int:
        """Give positions to some of what has none, as whoever reads the streams does; return to how many."""
        return await self._number()

    async def forget(self, openid: str, *, appid: str | None = None) -> int:
        """Delete all that is kept of a person's events."""
        theirs = [events.c.openid == openid] + ([] if appid is None else [events.c.appid == appid])
        tests = [release_tests.c.openid == openid]
        tests += [] if appid is None else [release_tests.c.appid == appid]
        forgotten = 0
        while True:
            some = await self._delete(select(events.c.id).where(*theirs), FORGOTTEN_AT_ONCE)
            forgotten += some
            if some < FORGOTTEN_AT_ONCE:
                break
        async with self._database.write() as connection:
            await connection.execute(delete(release_tests).where(*tests))
        return forgotten

    async def prune(
        self, kind: EventKind, *, now: datetime, before: datetime, most_bytes: int | None, limit: int
    ) -> int:
        """Delete what is too old, or the oldest of what is too much."""
        oldest = select(events.c.id).where(events.c.kind == kind.value, *_is_over(now))
        oldest = oldest.order_by(events.c.received_at, events.c.id)
        pruned = await self._delete(oldest.where(events.c.received_at < before), limit)
        if pruned or most_bytes is None:
            return pruned
        total = select(func.sum(events.c.size)).where(events.c.kind == kind.value)
        async with self._database.read() as connection:
            excess = int(await connection.scalar(total) or 0) - most_bytes
            if excess <= 0:
                return 0
            sized = oldest.add_columns(events.c.size).where(events.c.received_at < now - JUST_COME)
            rows = (await connection.execute(sized.limit(limit))).all()
        chosen = []
        for row in rows:
            if excess <= 0:
                break
            chosen.append(row.id)
            excess -= row.size
        return await self._delete(select(events.c.id).where(events.c.id.in_(chosen)), limit) if chosen else 0

    async def redact(self, *, now: datetime, before: datetime, limit: int) -> int:
        """Take the text out of old messages."""
        plain = (
            select(events.c.id, events.c.fields, events.c.reply)
            .where(
                events.c.kind == EventKind.MESSAGE.value,
                events.c.received_at < before,
                events.c.redacted_at.is_(None),
                *_is_over(now),
            )
            .order_by(events.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

        def work(connection: Connection) -> int:
            changes = []
            for row in connection.execute(plain):
                fields = redact_fields(row.fields)
                changes.append(
                    {
                        "event_id": row.id,
                        "new_fields": fields,
                        "new_reply": redact_reply(row.reply),
                        "new_size": size_of(fields, None),
                        "now": now,
                    }
                )
            if changes:
                connection.execute(REDACT, changes)
            return len(changes)

        return await self._database.batch(work)

    async def _list(self, query: Select[Any]) -> Sequence[Event]:
        async with self._database.read() as connection:
            return [read_event(row) for row in (await connection.execute(query)).all()]

    async def _number(self) -> int:
        """Number what is committed by now, one reader of this process after another; return how many were."""
        async with self._numbering:
            async with self._database.read() as connection:
                unnumbered = select(events.c.id).where(events.c.position.is_(None)).limit(1)
                if await connection.scalar(unnumbered) is None:
                    return 0
            return await self._database.batch(_number)

    async def _delete(self, ids: Select[Any], limit: int) -> int:
        return await self._database.batch(lambda connection: _delete(connection, ids.limit(limit)))


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    column = events.c
    conditions = [
        None if query.appid is None else column.appid == query.appid,
        None if query.issuer is None else column.issuer == query.issuer,
        None if query.kind is None else column.kind == query.kind.value,
        None if query.openid is None else column.openid == query.openid,
        None if query.state is None else column.state == query.state.value,
        None if query.since is None else column.received_at >= query.since,
        None if query.until is None else column.received_at < query.until,
        None if query.before is None else column.id < query.before,
        func.lower(column.name).in_([name.lower() for name in query.names]) if query.names else None,
    ]
    return [condition for condition in conditions if condition is not None]


def _is_over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Whether nobody needs an event any more: it is handled, on its way to nobody, and its reply is not
    waiting to be sent."""
    on_its_way = and_(
        deliveries.c.event_id == events.c.id,
        deliveries.c.state.in_(OPEN),
        deliveries.c.first_at > now - ON_ITS_WAY,
    )
    return (
        events.c.state != EventState.HANDLING.value,
        events.c.reply_state.not_in(TO_BE_SENT),
        ~exists().where(on_its_way),
    )


def _number(connection: Connection) -> int:
    """Number what is committed and has no position; whoever comes second waits, and then sees the first's.

    The numbers of one transaction become visible together, before anybody can give higher ones: a reader
    that has seen a position will never find a lower one later, although ids are committed out of order.
    """
    start = insert_for(connection, counters).values(
        name=POSITIONS, value=select(func.coalesce(func.max(events.c.position), 0)).scalar_subquery()
    )
    connection.execute(start.on_conflict_do_nothing())
    counter = select(counters.c.value).where(counters.c.name == POSITIONS).with_for_update()
    place = connection.scalars(counter).one()
    # In the order of ids, as whoever else locks events; what is locked is numbered the next time.
    unnumbered = select(events.c.id).where(events.c.position.is_(None)).order_by(events.c.id)
    query = unnumbered.limit(NUMBERED_AT_ONCE).with_for_update(skip_locked=True)
    ids = list(connection.scalars(query))
    if ids:
        numbered = [{"event_id": one, "place": place + 1 + index} for index, one in enumerate(ids)]
        connection.execute(NUMBER, numbered)
        grown = update(counters).where(counters.c.name == POSITIONS).values(value=place + len(ids))
        connection.execute(grown)
    return len(ids)


def _delete(connection: Connection, query: Select[Any]) -> int:
    """Delete events with all that hangs on them, each kind of row locked in the order of its ids."""
    chosen = sorted(row.id for row in connection.execute(query))
    if not chosen:
        return 0
    locked = select(events.c.id, events.c.message_key).where(events.c.id.in_(chosen)).order_by(events.c.id)
    rows = connection.execute(locked.with_for_update()).all()
    ids = [row.id for row in rows]
    keys = [row.message_key for row in rows if row.message_key]
    theirs = select(deliveries.c.id).where(deliveries.c.event_id.in_(ids)).order_by(deliveries.c.id)
    connection.execute(theirs.with_for_update())
    connection.execute(delete(deliveries).where(deliveries.c.event_id.in_(ids)))
    connection.execute(delete(push_log).where(push_log.c.event_id.in_(ids)))
    connection.execute(delete(answers).where(answers.c.message_key.in_(keys), answers.c.event_id.in_(ids)))
    connection.execute(delete(events).where(events.c.id.in_(ids)))
    return len(ids)
