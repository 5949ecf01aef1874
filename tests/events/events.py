"""Recorded events made by hand."""

from datetime import UTC, datetime
from typing import Any

from wxgate.events.records import Event, EventKind, EventState

RECEIVED = datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)


def an_event(**changed: Any) -> Event:
    """Make a text message as it stands in the inbox, but for what is said otherwise."""
    values: dict[str, Any] = {
        "id": 42,
        "dedup_key": "k",
        "issuer": "wxplatform",
        "appid": "wxshop",
        "kind": EventKind.MESSAGE,
        "name": "text",
        "openid": "oUser",
        "msg_id": "7",
        "created_at": 1_772_359_200,
        "received_at": RECEIVED,
        "source_ip": "203.0.113.7",
        "fields": {"MsgType": "text", "Content": "在吗"},
        "state": EventState.DONE,
        "holder": "node",
        "lease_until": RECEIVED,
        "reply": None,
        "error": "",
        "handled_at": RECEIVED,
        "attempts": 1,
    }
    return Event(**{**values, **changed})
