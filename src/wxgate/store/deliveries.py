"""The queue of deliveries: any node takes what is due, and what is taken is finished once.

On PostgreSQL claims skip what others have locked. Every transaction locks its rows in the order of their ids,
so that no two of them block each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from wxgate.events.records import Backlog, Delivery, DeliveryState, Sent
from wxgate.store.database import Database
from wxgate.store.group_commit import GroupCommit
from wxgate.store.lanes import IS_HEAD, find_heads
from wxgate.store.tables import deliveries, events, subscribers
from wxgate.store.upsert import insert_for

PENDING, SENDING = DeliveryState.PENDING.value, DeliveryState.SENDING.value
DELIVERED, DEAD = DeliveryState.DELIVERED.value, DeliveryState.DEAD.value

IS_DEAD = text("deliveries.state = 'dead'")
"""Written out, not as a parameter: so the index of the dead, which is small, can be used."""

REPLAY_AT_ONCE = 500
"""Events queued again in one transaction."""

CLAIM_TRIES = 3
"""How often heads of lanes are looked for when another node takes all that were found."""

ERROR_LENGTH = 1000
"""How much is kept of what went wrong: a subscriber may answer anything."""

table = deliveries.c

LANE_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:subscriber, 0))")
"""Makes nodes that take heads of lanes do so one after the other."""

FENCES = (
    select(table.id, table.state, table.attempts, table.replays)
    .where(table.id.in_(bindparam("ids", expanding=True)))
    .order_by(table.id)
    .with_for_update()
)

FINISH = (
    update(deliveries)
    .where(table.id == bindparam("delivery"))
    .values(
        state=bindparam("new_state"),
        not_before=bindparam("new_not_before"),
        status=bindparam("new_status"),
        error=bindparam("new_error"),
        delivered_at=bindparam("new_delivered_at"),
        holder=None,
        lease_until=None,
    )
)


@dataclass(frozen=True, slots=True)
class _Finish:
    delivery: Delivery
    sent: Sent
    now: datetime


class SqlDeliveries:
    """Implements the events' Deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._finishes: GroupCommit[_Finish, bool] = GroupCommit(self._finish_group)
        # The account each ordered subscriber's last claim ended with: the next one goes on behind it, so
        # that a few busy accounts do not keep the others waiting.
        self._behind: dict[str, str] = {}

    async def due(self, *, now: datetime) -> Sequence[str]:
        """List the subscribers for whom something is due."""
        waiting = exists().where(_is_waiting(subscribers.c.id, now))
        left = exists().where(_is_left(subscribers.c.id, now))
        query = select(subscribers.c.id).where(*_is_open(now), or_(waiting, left)).order_by(subscribers.c.id)
        async with self._database.read() as connection:
            return list(await connection.scalars(query))

    async def claim(
        self, subscriber_id: str, *, holder: str, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[Delivery]:
        """Take what is due.

        Whether accounts keep their order is decided by the subscriber as it is now, so that switching it off
        frees what waits behind a delivery that fails.
        """
        if limit <= 0:
            return []
        for _ in range(CLAIM_TRIES):
            heads = await self._find_heads(subscriber_id, now, limit)
            claimed = await self._take(subscriber_id, heads, holder, now, lease_until, limit)
            if claimed or not heads:
                break
        return claimed

    async def _find_heads(self, subscriber_id: str, now: datetime, limit: int) -> Sequence[int] | None:
        """Look for heads of lanes that are due, before anything is locked; None without an order."""

        def look(connection: Connection) -> Sequence[tuple[str, int]] | None:
            ordered = select(subscribers.c.ordered).where(subscribers.c.id == subscriber_id)
            if not connection.scalar(ordered):
                return None
            behind = self._behind.get(subscriber_id)
            return find_heads(connection, subscriber_id, behind=behind, now=now, most=limit)

        async with self._database.read() as connection:
            heads = await connection.run_sync(look)
        if heads:
            self._behind[subscriber_id] = heads[-1][0]
        return None if heads is None else [head for _, head in heads]

    async def _take(
        self,
        subscriber_id: str,
        heads: Sequence[int] | None,
        holder: str,
        now: datetime,
        lease_until: datetime,
        limit: int,
    ) -> Sequence[Delivery]:
        def work(connection: Connection) -> Sequence[Row[Any]]:
            found = connection.execute(
                select(subscribers.c.ordered).where(subscribers.c.id == subscriber_id, *_is_open(now))
            ).first()
            if found is None:
                return []
            if found.ordered:
                ids = self._lock_heads(connection, subscriber_id, heads or (), now)
            else:
                ids = _due_ids(connection, subscriber_id, now, limit)
            if not ids:
                return []
            taken = (
                update(deliveries)
                .where(table.id.in_(ids))
                .values(state=SENDING, attempts=table.attempts + 1, holder=holder, lease_until=lease_until)
            )
            rows = {row.id: row for row in connection.execute(taken.returning(*table))}
            return [rows[one] for one in ids]

        return [_read(row) for row in await self._database.batch(work)]

    async def extend(self, delivery: Delivery, *, lease_until: datetime) -> bool:
        """Move the end of a lease."""
        mine = and_(table.id == delivery.id, table.attempts == delivery.attempts, table.state == SENDING)
        async with self._database.write() as connection:
            extended = await connection.execute(
                update(deliveries).where(mine).values(lease_until=lease_until)
            )
        return extended.rowcount > 0

    async def finish(self, delivery: Delivery, sent: Sent, *, now: datetime) -> bool:
        """Write what came of a claimed delivery; many at once share a transaction."""
        return await self._finishes.submit(_Finish(delivery, sent, now))

    async def drain(self) -> None:
        """Wait until everything submitted is committed."""
        await self._finishes.drain()

    async def held(self, event_id: int, subscriber_id: str) -> Delivery | None:
        """Load the delivery of an event to a subscriber."""
        query = select(deliveries).where(table.subscriber == subscriber_id, table.event_id == event_id)
        found = await self._list(query)
        return found[0] if found else None

    async def replay(
        self, subscriber_id: str, event_ids: Sequence[int], *, now: datetime, only_dead: bool = False
    ) -> int:
        """Queue events again; what is being sent at this moment is not queued a second time."""
        wanted = sorted(set(event_ids))
        queued = 0
        for start in range(0, len(wanted), REPLAY_AT_ONCE):
            some = wanted[start : start + REPLAY_AT_ONCE]
            queued += await self._database.batch(
                partial(_replay, subscriber=subscriber_id, event_ids=some, now=now, only_dead=only_dead)
            )
        return queued

    async def of_event(self, event_id: int) -> Sequence[Delivery]:
        """List the deliveries of an event."""
        return await self._list(select(deliveries).where(table.event_id == event_id).order_by(table.id))

    async def find(
        self,
        *,
        subscriber_id: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Delivery]:
        """List deliveries, newest first."""
        return await self._list(list_query(subscriber_id, state, before, limit))

    async def backlog(self) -> Sequence[Backlog]:
        """Count what waits for each subscriber."""
        is_open = table.state != DEAD
        counted = (
            select(
                table.subscriber,
                func.count().filter(is_open).label("waiting"),
                func.min(case((is_open, table.first_at))).label("oldest"),
                func.count().filter(~is_open).label("dead"),
            )
            .join_from(subscribers, deliveries, table.subscriber == subscribers.c.id)
            .where(table.state.in_((PENDING, SENDING, DEAD)))
            .group_by(table.subscriber)
            .subquery()
        )
        query = (
            select(subscribers.c.id, counted.c.waiting, counted.c.oldest, counted.c.dead)
            .outerjoin_from(subscribers, counted, counted.c.subscriber == subscribers.c.id)
            .order_by(subscribers.c.id)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Backlog(row.id, row.waiting or 0, row.oldest, row.dead or 0) for row in rows]

    async def _list(self, query: Select[Any]) -> Sequence[Delivery]:
        async with self._database.read() as connection:
            return [_read(row) for row in (await connection.execute(query)).all()]

    def _lock_heads(
        self, connection: Connection, subscriber: str, heads: Sequence[int], now: datetime
    ) -> Sequence[int]:
        """Lock those that are still heads of lanes and due."""
        if not heads:
            return []
        if not self._database.is_sqlite:
            connection.execute(LANE_LOCK, {"subscriber": subscriber})
        due = or_(
            and_(table.state == PENDING, table.not_before <= now),
            and_(table.state == SENDING, table.lease_until <= now),
        )
        query = select(table.id).where(table.id.in_(heads), due, IS_HEAD.bindparams(at=now))
        return list(connection.scalars(query.order_by(table.id).with_for_update(skip_locked=True)))

    async def _finish_group(self, items: Sequence[_Finish]) -> Sequence[bool]:
        return await self._database.batch(lambda connection: _finish_all(connection, items))


def due_query(subscriber: str, now: datetime, limit: int) -> Select[Any]:
    """Make the query for what waits for a subscriber and is due, oldest first."""
    return (
        select(table.id)
        .where(_is_waiting(subscriber, now))
        .order_by(table.not_before, table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def list_query(
    subscriber: str | None, state: DeliveryState | None, before: int | None, limit: int
) -> Select[Any]:
    """Make the query for a page of deliveries, newest first."""
    query = select(deliveries).order_by(table.id.desc()).limit(limit)
    if subscriber is not None:
        query = query.where(table.subscriber == subscriber)
    if state is DeliveryState.DEAD:
        query = query.where(IS_DEAD)
    elif state is not None:
        query = query.where(table.state == state.value)
    if before is not None:
        query = query.where(table.id < before)
    return query


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Whether a subscriber is neither paused nor cut off."""
    cut_off = and_(subscribers.c.open_until.is_not(None), subscribers.c.open_until > now)
    return ~subscribers.c.paused, ~cut_off


def _is_waiting(subscriber: Any, now: datetime) -> ColumnElement[bool]:
    return and_(table.subscriber == subscriber, table.state == PENDING, table.not_before <= now)


def _is_left(subscriber: Any, now: datetime) -> ColumnElement[bool]:
    """Whether a delivery's holder has not been heard of until the end of its lease."""
    return and_(table.subscriber == subscriber, table.state == SENDING, table.lease_until <= now)


def _due_ids(connection: Connection, subscriber: str, now: datetime, limit: int) -> Sequence[int]:
    """Lock what is due: first what a node has left behind, which is the oldest there is."""
    left = select(table.id).where(_is_left(subscriber, now)).order_by(table.id).limit(limit)
    ids = list(connection.scalars(left.with_for_update(skip_locked=True)))
    if len(ids) < limit:
        ids += connection.scalars(due_query(subscriber, now, limit - len(ids)))
    return ids


def _finish_all(connection: Connection, items: Sequence[_Finish]) -> list[bool]:
    ids = sorted({item.delivery.id for item in items})
    fences = {
        row.id: (row.attempts, row.replays)
        for row in connection.execute(FENCES, {"ids": ids})
        if row.state == SENDING
    }
    mine, changes = [], []
    for item in items:
        delivery = item.delivery
        mine.append(fences.get(delivery.id) == (delivery.attempts, delivery.replays))
        if mine[-1]:
            del fences[delivery.id]  # it is over now, for the rest of the group too
            changes.append(_ended(item))
    if changes:
        connection.execute(FINISH, sorted(changes, key=lambda change: change["delivery"]))
    return mine


def _ended(item: _Finish) -> dict[str, Any]:
    sent, delivered = item.sent, item.sent.state is DeliveryState.DELIVERED
    return {
        "delivery": item.delivery.id,
        "new_state": sent.state.value,
        "new_not_before": sent.not_before or item.now,
        "new_status": sent.status,
        "new_error": sent.error[:ERROR_LENGTH],
        "new_delivered_at": item.now if delivered else item.delivery.delivered_at,
    }


def _replay(
    connection: Connection, *, subscriber: str, event_ids: Sequence[int], now: datetime, only_dead: bool
) -> int:
    """Queue events as new deliveries, in the order of the events; what is being sent now is left alone."""
    there = select(table.id, table.event_id, table.replays).where(
        table.subscriber == subscriber,
        table.event_id.in_(event_ids),
        table.state == DEAD if only_dead else table.state != SENDING,
    )
    old = connection.execute(there.order_by(table.id).with_for_update()).all()
    # A row keeps its place in a lane by its id: to put old rows back would mix old events with new ones.
    connection.execute(delete(deliveries).where(table.id.in_([row.id for row in old])))
    replays = {row.event_id: row.replays for row in old}
    query = (
        select(events.c.id, events.c.appid, subscribers.c.ordered)
        .join(subscribers, subscribers.c.id == subscriber)
        .where(events.c.id.in_(list(replays) if only_dead else event_ids))
    )
    rows = [
        {
            "subscriber": subscriber,
            "event_id": event.id,
            "appid": event.appid,
            "ordered": event.ordered,
            "state": PENDING,
            "attempts": 0,
            "first_at": now,
            "not_before": now,
            "error": "",
            "replays": replays.get(event.id, 0) + 1,
        }
        for event in connection.execute(query.order_by(events.c.id))
    ]
    if not rows:
        return 0
    new = insert_for(connection, deliveries).on_conflict_do_nothing()
    return len(connection.execute(new.returning(table.id), rows).all())


def _read(row: Row[Any]) -> Delivery:
    return Delivery(**{**row._mapping, "state": DeliveryState(row.state)})
