"""Events as their rows keep them."""

from typing import Any

from sqlalchemy import Row

from wxgate.events.records import Event, EventKind, EventState, ReplyState


def read_event(row: Row[Any]) -> Event:
    """Make an event of its row."""
    values = dict(row._mapping)
    words = {
        "kind": EventKind(row.kind),
        "state": EventState(row.state),
        "reply_state": ReplyState(row.reply_state),
    }
    return Event(**{**values, **words})
