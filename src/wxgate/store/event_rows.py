"""Events and their deliveries as rows keep them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from wxgate.events.records import (
    DeliveryState,
    Event,
    EventKind,
    EventState,
    Fanout,
    NewEvent,
    ReplyState,
)


def read_event(row: Row[Any]) -> Event:
    """Make an event of its row."""
    values = dict(row._mapping)
    words = {
        "kind": EventKind(row.kind),
        "state": EventState(row.state),
        "reply_state": ReplyState(row.reply_state),
    }
    return Event(**{**values, **words})


def delivery_row(
    event_id: int,
    new: NewEvent,
    fanout: Fanout,
    *,
    holder: str | None = None,
    lease_until: datetime | None = None,
) -> dict[str, Any]:
    """Make the row of a new delivery; one that is held begins as being sent by the holder."""
    state = DeliveryState.SENDING if fanout.held else DeliveryState.PENDING
    return {
        "subscriber": fanout.subscriber,
        "event_id": event_id,
        "appid": new.appid,
        "ordered": fanout.ordered,
        "state": state.value,
        "attempts": int(fanout.held),
        "first_at": new.received_at,
        "not_before": new.received_at,
        "holder": holder if fanout.held else None,
        "lease_until": lease_until if fanout.held else None,
        "error": "",
        "replays": 0,
    }
