"""The inbox: pushes recorded once, many in one transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from wxgate.events.records import Event, EventKind, EventState, NewEvent, Recorded
from wxgate.store.database import Database
from wxgate.store.group_commit import GroupCommit
from wxgate.store.tables import events
from wxgate.store.upsert import insert_for

HANDLING = EventState.HANDLING.value

FINISH = (
    update(events)
    .where(events.c.id == bindparam("event_id"))
    .values(
        state=bindparam("new_state"),
        reply=bindparam("new_reply"),
        error=bindparam("new_error"),
        handled_at=bindparam("now"),
    )
)

LOCK_HELD = (
    select(events.c.id, events.c.holder)
    .where(events.c.id.in_(bindparam("ids", expanding=True)), events.c.state == HANDLING)
    .order_by(events.c.id)  # one order on every node, so that two groups cannot block each other
    .with_for_update()
)

LOAD_KNOWN = select(events).where(events.c.dedup_key.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class _Record:
    event: NewEvent
    holder: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class _Finish:
    event_id: int
    holder: str
    state: EventState
    reply: str | None
    error: str
    now: datetime


class SqlInbox:
    """Implements the events' Inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[_Record | _Finish, Recorded | bool] = GroupCommit(self._commit)

    async def record(self, event: NewEvent, *, holder: str, lease_until: datetime) -> Recorded:
        """Insert an event, or load the one that is there."""
        recorded = await self._group.submit(_Record(event, holder, lease_until))
        assert isinstance(recorded, Recorded)
        return recorded

    async def finish(
        self, event_id: int, *, holder: str, state: EventState, reply: str | None, error: str, now: datetime
    ) -> bool:
        """Write how an event ended."""
        return await self._group.submit(_Finish(event_id, holder, state, reply, error, now)) is True

    async def drain(self) -> None:
        """Wait until everything submitted is committed."""
        await self._group.drain()

    async def load(self, event_id: int) -> Event | None:
        """Load one event."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(events).where(events.c.id == event_id))).first()
        return _read(row) if row else None

    async def claim(
        self, event_id: int, *, holder: str, now: datetime, lease_until: datetime
    ) -> Event | None:
        """Take an event over from a holder whose lease has ended."""
        async with self._database.write() as connection:
            row = (
                await connection.execute(
                    update(events)
                    .where(events.c.id == event_id, events.c.state == HANDLING, events.c.lease_until <= now)
                    .values(holder=holder, lease_until=lease_until, attempts=events.c.attempts + 1)
                    .returning(*events.c)
                )
            ).first()
        return _read(row) if row else None

    async def extend(self, event_id: int, *, holder: str, lease_until: datetime) -> bool:
        """Move the end of a lease."""
        async with self._database.write() as connection:
            extended = await connection.execute(
                update(events)
                .where(events.c.id == event_id, events.c.state == HANDLING, events.c.holder == holder)
                .values(lease_until=lease_until)
            )
        return extended.rowcount > 0

    async def abandoned(self, *, now: datetime, limit: int = 100) -> Sequence[Event]:
        """List events whose holder's lease has ended."""
        query = (
            select(events)
            .where(events.c.state == HANDLING, events.c.lease_until <= now)
            .order_by(events.c.id)
            .limit(limit)
        )
        return await self._list(query)

    async def find(
        self, *, appid: str | None = None, issuer: str | None = None, limit: int = 50
    ) -> Sequence[Event]:
        """List the newest events first."""
        query = select(events).order_by(events.c.id.desc()).limit(limit)
        if appid is not None:
            query = query.where(events.c.appid == appid)
        if issuer is not None:
            query = query.where(events.c.issuer == issuer)
        return await self._list(query)

    async def _list(self, query: Any) -> Sequence[Event]:
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    async def _commit(self, items: Sequence[_Record | _Finish]) -> Sequence[Recorded | bool]:
        records = [item for item in items if isinstance(item, _Record)]
        finishes = [item for item in items if isinstance(item, _Finish)]
        recorded, finished = await self._database.batch(
            lambda connection: (_record_all(connection, records), _finish_all(connection, finishes))
        )
        results: dict[bool, Iterator[Recorded | bool]] = {True: iter(recorded), False: iter(finished)}
        return [next(results[isinstance(item, _Record)]) for item in items]


def _record_all(connection: Connection, records: Sequence[_Record]) -> list[Recorded]:
    """Insert what is new; load what is not, be it from before or from earlier in the same group."""
    if not records:
        return []
    first = {record.event.dedup_key: record for record in reversed(records)}
    # In one order on every node, so that two groups with the same keys cannot block each other.
    rows = [_row(first[key]) for key in sorted(first)]
    statement = insert_for(connection, events).on_conflict_do_nothing(index_elements=["dedup_key"])
    inserted = connection.execute(statement.returning(events.c.id, events.c.dedup_key), rows)
    ids = {row.dedup_key: row.id for row in inserted}
    known = [key for key in first if key not in ids]
    there = {row.dedup_key: row for row in connection.execute(LOAD_KNOWN, {"keys": known})} if known else {}
    results = []
    for record in records:
        key = record.event.dedup_key
        fresh = key in ids and first[key] is record
        event = _new(ids[key], first[key]) if key in ids else _read(there[key])
        results.append(Recorded(event, fresh))
    return results


def _finish_all(connection: Connection, finishes: Sequence[_Finish]) -> list[bool]:
    if not finishes:
        return []
    ids = sorted({item.event_id for item in finishes})
    holders = {row.id: row.holder for row in connection.execute(LOCK_HELD, {"ids": ids})}
    held = []
    for item in finishes:
        held.append(holders.get(item.event_id) == item.holder)
        if held[-1]:
            del holders[item.event_id]  # it is finished now, for the rest of the group too
    changes = [
        {
            "event_id": item.event_id,
            "new_state": item.state.value,
            "new_reply": item.reply,
            "new_error": item.error,
            "now": item.now,
        }
        for item, mine in zip(finishes, held, strict=True)
        if mine
    ]
    if changes:
        connection.execute(FINISH, changes)
    return held


def _row(record: _Record) -> dict[str, Any]:
    new = record.event
    return {
        "dedup_key": new.dedup_key,
        "issuer": new.issuer,
        "appid": new.appid,
        "kind": new.kind.value,
        "name": new.name,
        "openid": new.openid,
        "msg_id": new.msg_id,
        "created_at": new.created_at,
        "received_at": new.received_at,
        "source_ip": new.source_ip,
        "fields": new.fields,
        "state": HANDLING,
        "holder": record.holder,
        "lease_until": record.lease_until,
        "error": "",
        "attempts": 1,
    }


def _new(event_id: int, record: _Record) -> Event:
    new = record.event
    return Event(
        id=event_id,
        dedup_key=new.dedup_key,
        issuer=new.issuer,
        appid=new.appid,
        kind=new.kind,
        name=new.name,
        openid=new.openid,
        msg_id=new.msg_id,
        created_at=new.created_at,
        received_at=new.received_at,
        source_ip=new.source_ip,
        fields=new.fields,
        state=EventState.HANDLING,
        holder=record.holder,
        lease_until=record.lease_until,
        reply=None,
        error="",
        handled_at=None,
        attempts=1,
    )


def _read(row: Row[Any]) -> Event:
    values = dict(row._mapping)
    return Event(**{**values, "kind": EventKind(row.kind), "state": EventState(row.state)})
