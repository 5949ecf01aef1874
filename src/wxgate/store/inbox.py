"""The inbox: pushes recorded once, many in one transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from wxgate.events.records import (
    Event,
    EventState,
    Fanout,
    NewEvent,
    Recorded,
    ReplyState,
)
from wxgate.events.replying import Ruling, Turn, claims, lose_claim, rule
from wxgate.store.answers import claim_messages
from wxgate.store.database import Database, Gone
from wxgate.store.event_rows import delivery_row, read_event, size_of
from wxgate.store.group_commit import GroupCommit
from wxgate.store.tables import Moment, Prose, deliveries, events
from wxgate.store.upsert import insert_for

HANDLING = EventState.HANDLING.value

GROUP = 200
"""The most that shares one commit."""

FINISH = (
    update(events)
    .where(events.c.id == bindparam("event_id"))
    .values(
        state=bindparam("new_state"),
        reply_state=bindparam("new_reply_state"),
        # What was written when the reply was committed stays.
        reply=func.coalesce(bindparam("new_reply", type_=Prose()), events.c.reply),
        error=case(
            (bindparam("new_error", type_=Prose()) == "", events.c.error),
            (events.c.error == "", bindparam("new_error", type_=Prose())),
            else_=events.c.error + "; " + bindparam("new_error", type_=Prose()),
        ),
        handled_at=func.coalesce(bindparam("ended_at", type_=Moment()), events.c.handled_at),
    )
)

LOCK = (
    select(events.c.id, events.c.state, events.c.holder, events.c.reply_state, events.c.message_key)
    .where(
        events.c.id.in_(bindparam("ids", expanding=True))
        | events.c.dedup_key.in_(bindparam("keys", expanding=True))
    )
    .order_by(events.c.id)  # one order on every node, so that two groups cannot block each other
    .with_for_update()
)

COUNT_ARRIVALS = (
    update(events)
    .where(events.c.dedup_key == bindparam("key"))
    .values(arrivals=events.c.arrivals + bindparam("more"))
)

LOAD_KNOWN = select(events).where(events.c.dedup_key.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class _Record:
    event: NewEvent
    holder: str
    lease_until: datetime
    fanout: Sequence[Fanout]
    replier: str
    remark: str

    @property
    def ending(self) -> dict[str, Any]:
        """How far the event has come when it is inserted; what has a remark is over."""
        if not self.remark:
            return {"state": EventState.HANDLING, "reply_state": ReplyState.OPEN, "handled_at": None}
        received_at = self.event.received_at
        return {"state": EventState.DONE, "reply_state": ReplyState.CLOSED, "handled_at": received_at}


@dataclass(frozen=True, slots=True)
class _Finish:
    event_id: int
    holder: str
    state: EventState
    reply: str | None
    error: str
    now: datetime
    turn: Turn
    fallback: bool


@dataclass(slots=True)
class _Held:
    """A locked event that is being handled, as far as its end is concerned."""

    holder: str
    reply_state: ReplyState
    message_key: str


class SqlInbox:
    """Implements the events' Inbox."""

    def __init__(self, database: Database, *, most: int = GROUP) -> None:
        self._database = database
        self._group: GroupCommit[_Record | _Finish, Recorded | ReplyState | None] = GroupCommit(
            self._commit, most=most
        )

    async def record(
        self,
        event: NewEvent,
        *,
        holder: str,
        lease_until: datetime,
        fanout: Sequence[Fanout] = (),
        replier: str = "",
        remark: str = "",
    ) -> Recorded:
        """Insert an event with its deliveries, or count the arrival of the one that is there."""
        recorded = await self._group.submit(_Record(event, holder, lease_until, fanout, replier, remark))
        assert isinstance(recorded, Recorded)
        return recorded

    async def finish(
        self,
        event_id: int,
        *,
        holder: str,
        state: EventState,
        reply: str | None,
        error: str,
        now: datetime,
        turn: Turn = Turn.NOTHING,
        fallback: bool = False,
    ) -> ReplyState | None:
        """Write how an event ended, and what became of its reply."""
        item = _Finish(event_id, holder, state, reply, error, now, turn, fallback)
        finished = await self._group.submit(item)
        assert not isinstance(finished, Recorded)
        return finished

    async def drain(self) -> None:
        """Wait until everything submitted is committed."""
        await self._group.drain()

    async def load(self, event_id: int) -> Event | None:
        """Load one event."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(events).where(events.c.id == event_id))).first()
        return read_event(row) if row else None

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
        return read_event(row) if row else None

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
            return [read_event(row) for row in (await connection.execute(query)).all()]

    async def _commit(self, items: Sequence[_Record | _Finish]) -> Sequence[Recorded | ReplyState | None]:
        records = [item for item in items if isinstance(item, _Record)]
        finishes = [item for item in items if isinstance(item, _Finish)]
        recorded, finished = await self._database.batch(
            lambda connection: _write(connection, records, finishes)
        )
        results: dict[bool, Iterator[Recorded | ReplyState | None]] = {
            True: iter(recorded),
            False: iter(finished),
        }
        return [next(results[isinstance(item, _Record)]) for item in items]


def _write(
    connection: Connection, records: Sequence[_Record], finishes: Sequence[_Finish]
) -> tuple[list[Recorded], list[ReplyState | None]]:
    """Insert first, then lock every row that is to be changed, then claim messages, then change the rows.

    Whoever waits for a row or a key of another node holds nothing that the other one still has to wait for.
    """
    first = {record.event.dedup_key: record for record in reversed(records)}
    ids = _insert(connection, first)
    _fan_out(connection, [(ids[key], first[key]) for key in sorted(ids)])
    arrived = Counter(record.event.dedup_key for record in records)
    again = {key: times - (key in ids) for key, times in arrived.items() if times > (key in ids)}
    held = _lock(connection, [item.event_id for item in finishes], list(again))
    if again:
        connection.execute(COUNT_ARRIVALS, [{"key": key, "more": again[key]} for key in sorted(again)])
    recorded = _read_back(connection, records, first, ids)
    return recorded, _finish_all(connection, finishes, held)


def _insert(connection: Connection, first: Mapping[str, _Record]) -> dict[str, int]:
    """Insert what is new; return the ids of that by key."""
    if not first:
        return {}
    # In one order on every node, so that two groups with the same keys cannot block each other.
    rows = [_row(first[key]) for key in sorted(first)]
    statement = insert_for(connection, events).on_conflict_do_nothing(index_elements=["dedup_key"])
    inserted = connection.execute(statement.returning(events.c.id, events.c.dedup_key), rows)
    return {row.dedup_key: row.id for row in inserted}


def _lock(connection: Connection, ids: Sequence[int], keys: Sequence[str]) -> dict[int, _Held]:
    """Lock the rows to be changed; return those that are being handled."""
    if not ids and not keys:
        return {}
    rows = connection.execute(LOCK, {"ids": sorted(set(ids)), "keys": sorted(keys)})
    return {
        row.id: _Held(row.holder, ReplyState(row.reply_state), row.message_key)
        for row in rows
        if row.state == HANDLING
    }


def _read_back(
    connection: Connection, records: Sequence[_Record], first: Mapping[str, _Record], ids: Mapping[str, int]
) -> list[Recorded]:
    """Tell each caller of its event; what came twice in one group is new to the first only."""
    known = [key for key in first if key not in ids]
    there = {row.dedup_key: row for row in connection.execute(LOAD_KNOWN, {"keys": known})} if known else {}
    if len(there) < len(known):
        raise Gone  # forgotten or pruned between our insert, which found it, and our lock
    seen: Counter[str] = Counter()
    results = []
    for record in records:
        key = record.event.dedup_key
        seen[key] += 1
        fresh = key in ids and seen[key] == 1
        event = (
            replace(_new(ids[key], first[key]), arrivals=seen[key]) if key in ids else read_event(there[key])
        )
        results.append(Recorded(event, fresh))
    return results


def _fan_out(connection: Connection, fresh: Sequence[tuple[int, _Record]]) -> None:
    """Queue new events for their subscribers, in the transaction that makes them durable."""
    rows = [
        delivery_row(event_id, record.event, each, holder=record.holder, lease_until=record.lease_until)
        for event_id, record in fresh
        for each in record.fanout
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def _finish_all(
    connection: Connection, finishes: Sequence[_Finish], held: dict[int, _Held]
) -> list[ReplyState | None]:
    """Write how events ended, where the one who says so still holds them."""
    rulings = [_rule(item, held) for item in finishes]
    wanted = [
        (held[item.event_id].message_key, item.event_id, item.now)
        for item, ruled in zip(finishes, rulings, strict=True)
        if ruled is not None and claims(*ruled[:2])
    ]
    lost = claim_messages(connection, wanted)
    results: list[ReplyState | None] = []
    changes = []
    for item, ruled in zip(finishes, rulings, strict=True):
        if ruled is None:
            results.append(None)
            continue
        before, _, ruling = ruled
        if item.event_id in lost and claims(before, ruling.state):
            ruling = lose_claim()
        results.append(ruling.of_reply)
        changes.append(_change(item, ruling))
    if changes:
        connection.execute(FINISH, changes)
    return results


def _rule(item: _Finish, held: dict[int, _Held]) -> tuple[ReplyState, ReplyState, Ruling] | None:
    """Say what becomes of one item, None where it is not held; the next one of the group sees it done."""
    event = held.get(item.event_id)
    if event is None or event.holder != item.holder:
        return None
    before = event.reply_state
    # An end that brings nothing leaves a reply that was committed before.
    ruling = rule(before, item.turn, fallback=item.fallback) or Ruling(before, before)
    event.reply_state = ruling.state
    if item.state is not EventState.HANDLING:
        event.holder = ""  # it is finished now, for the rest of the group too
    return before, ruling.state, ruling


def _change(item: _Finish, ruling: Ruling) -> dict[str, Any]:
    dropped = ruling.of_reply is ReplyState.DROPPED
    return {
        "event_id": item.event_id,
        "new_state": item.state.value,
        "new_reply_state": ruling.state.value,
        "new_reply": None if dropped else item.reply,
        "new_error": "; ".join(filter(None, (item.error, ruling.remark))),
        "ended_at": None if item.state is EventState.HANDLING else item.now,
    }


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
        "plain": new.plain,
        "size": size_of(new.fields, new.plain),
        "message_key": new.message_key,
        "noted": new.noted,
        **record.ending,
        "replier": record.replier,
        "holder": record.holder,
        "lease_until": record.lease_until,
        "error": record.remark,
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
        plain=new.plain,
        size=size_of(new.fields, new.plain),
        message_key=new.message_key,
        noted=new.noted,
        **record.ending,
        holder=record.holder,
        lease_until=record.lease_until,
        reply=None,
        error=record.remark,
        attempts=1,
        replier=record.replier,
    )
