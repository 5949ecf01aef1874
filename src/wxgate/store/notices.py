"""News of our own, recorded as events in the very transaction that makes them true."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wxgate.custody.records import AuthorizationState, Evidence
from wxgate.events.records import EventKind, EventState, NewEvent
from wxgate.events.subscribers import FanoutOf
from wxgate.store.event_rows import delivery_row, size_of
from wxgate.store.tables import deliveries, events


class Notices:
    """Records that an authorization is in another state, and queues that for subscribers."""

    def __init__(self) -> None:
        self._fanout_of: FanoutOf = lambda new: ()

    def deliver_to(self, fanout_of: FanoutOf) -> None:
        """Say whom notices are to be delivered to; nobody until then."""
        self._fanout_of = fanout_of

    async def record(
        self,
        connection: AsyncConnection,
        key: str,
        evidence: Evidence,
        before: AuthorizationState,
        state: AuthorizationState,
        now: datetime,
    ) -> None:
        """Record an event under a lease that has ended, so that the next sweep handles it."""
        new = NewEvent(
            dedup_key=key,
            issuer=evidence.platform,
            appid=evidence.appid,
            kind=EventKind.GATEWAY,
            name=f"wxgate.{state}",
            openid="",
            msg_id=None,
            created_at=int(now.timestamp()),
            received_at=now,
            source_ip="",
            fields={"before": before, "state": state, "reason": evidence.reason, "link": evidence.link},
        )
        inserted = await connection.execute(insert(events).values(_row(new)).returning(events.c.id))
        event_id = inserted.scalar_one()
        if rows := [delivery_row(event_id, new, each) for each in self._fanout_of(new)]:
            await connection.execute(insert(deliveries), rows)


def _row(new: NewEvent) -> dict[str, Any]:
    return {
        "dedup_key": new.dedup_key,
        "issuer": new.issuer,
        "appid": new.appid,
        "kind": new.kind.value,
        "name": new.name,
        "openid": new.openid,
        "created_at": new.created_at,
        "received_at": new.received_at,
        "source_ip": new.source_ip,
        "fields": new.fields,
        "size": size_of(new.fields, None),
        "state": EventState.HANDLING.value,
        "holder": "",
        "lease_until": new.received_at,
        "error": "",
        "attempts": 0,
    }
