"""What becomes of replies: each step a compare-and-set, each message claimed by one event."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, text, update

from wxgate.events.records import Event, ReplyState
from wxgate.events.replying import Turn, claims, lose_claim, rule
from wxgate.store.database import Database, Gone
from wxgate.store.event_rows import read_event
from wxgate.store.tables import answers, events
from wxgate.store.upsert import insert_for


class SqlAnswers:
    """Implements the events' Answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(
        self,
        event_id: int,
        turn: Turn,
        *,
        now: datetime,
        fallback: bool = True,
        reply: str | None = None,
        remark: str = "",
        lease_until: datetime | None = None,
        found_until: datetime | None = None,
    ) -> ReplyState | None:
        """Take one step with the reply to an event."""

        def step(connection: Connection) -> ReplyState | None:
            row = connection.execute(
                select(events.c.reply_state, events.c.message_key, events.c.error, events.c.lease_until)
                .where(events.c.id == event_id)
                .with_for_update()
            ).first()
            if row is None or (found_until is not None and row.lease_until != found_until):
                return None
            before = ReplyState(row.reply_state)
            ruling = rule(before, turn, fallback=fallback)
            if ruling is None:
                return None
            if claims(before, ruling.state) and claim_messages(
                connection, [(row.message_key, event_id, now)]
            ):
                ruling = lose_claim()
            values: dict[str, Any] = {"reply_state": ruling.state.value}
            if said := "; ".join(filter(None, (row.error, remark, ruling.remark))):
                values["error"] = said
            if reply is not None and ruling.of_reply is not ReplyState.DROPPED:
                values["reply"] = reply
            if lease_until is not None:
                values["lease_until"] = lease_until
            connection.execute(update(events).where(events.c.id == event_id).values(values))
            return ruling.of_reply

        return await self._database.batch(step)

    async def unsent(self, *, now: datetime, received_before: datetime, limit: int = 100) -> Sequence[Event]:
        """List replies that nobody came for, that are to be sent now, or whose sender has died."""
        state = events.c.reply_state
        query = (
            select(events)
            .where(
                # Spelt as the partial index is, so that it is used.
                text("reply_state IN ('ready', 'custom', 'sending')"),
                or_(
                    and_(state == ReplyState.READY.value, events.c.received_at <= received_before),
                    and_(
                        state.in_([ReplyState.CUSTOM.value, ReplyState.SENDING.value]),
                        events.c.lease_until <= now,
                    ),
                ),
            )
            .order_by(events.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [read_event(row) for row in await connection.execute(query)]

    async def forget_claims(self, *, before: datetime) -> int:
        """Forget which event of a message was answered, where WeChat no longer brings it."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(answers).where(answers.c.at < before))).rowcount


def claim_messages(connection: Connection, wanted: Sequence[tuple[str, int, datetime]]) -> Set[int]:
    """Claim messages (key, event, moment) for events; return the events that came second.

    An event without a key is the only one of its kind. Rows of events are locked before, so that the order
    of locks is the same on every node.
    """
    rows = [{"message_key": key, "event_id": event, "at": at} for key, event, at in sorted(wanted) if key]
    if not rows:
        return frozenset()
    statement = insert_for(connection, answers).on_conflict_do_nothing(index_elements=["message_key"])
    connection.execute(statement, rows)
    keys = [row["message_key"] for row in rows]
    query = select(answers.c.message_key, answers.c.event_id).where(answers.c.message_key.in_(keys))
    winner = {row.message_key: row.event_id for row in connection.execute(query)}
    if not winner.keys() >= set(keys):
        raise Gone  # the claim that was in our way went with its event
    return {event for key, event, _ in wanted if key and winner[key] != event}
