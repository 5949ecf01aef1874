"""Events and their deliveries as rows keep them."""

import json
from collections.abc import Mapping
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

REST_OF_ROW = 200
"""What an event takes beside its text and its fields."""


def read_event(row: Row[Any]) -> Event:
    """Make an event of its row."""
    values = dict(row._mapping)
    words = {
        "kind": EventKind(row.kind),
        "state": EventState(row.state),
        "reply_state": ReplyState(row.reply_state),
    }
    return Event(**{**values, **words})


def size_of(fields: Mapping[str, Any], plain: str | None) -> int:
    """Count about how many bytes an event takes, to keep it within limits; what cannot be stored, too."""
    return len((plain or "").encode("utf-8", "replace")) + len(json.dumps(fields, default=str)) + REST_OF_ROW


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
