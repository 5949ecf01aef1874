"""Recorded events made by hand."""

from datetime import UTC, datetime
from typing import Any

from wxgate.events.records import (
    Event,
    EventKind,
    EventState,
    Filter,
    Form,
    Subscriber,
    SubscriberSecrets,
)
from wxgate.secret import EncodingAESKey, PushToken, Secret

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


def a_subscriber(**changed: Any) -> Subscriber:
    """Make a webhook subscriber of everything, but for what is said otherwise."""
    values: dict[str, Any] = {
        "id": "sub_0123456789ab",
        "name": "crm",
        "form": Form.WEBHOOK,
        "url": "https://crm.example.com/hooks",
        "filter": Filter(),
        "ordered": False,
        "envelope_appid": "account",
        "paused": False,
        "paused_reason": "",
        "secrets": SubscriberSecrets(
            signing=Secret("whsec_" + "QUJD" * 8),
            token=PushToken("token"),
            aes_key=EncodingAESKey("abc" * 14 + "A"),
        ),
        "previous_until": None,
        "failures": 0,
        "open_until": None,
        "last_success_at": None,
        "last_failure_at": None,
        "last_error": "",
        "created_at": RECEIVED,
        "updated_at": RECEIVED,
    }
    return Subscriber(**{**values, **changed})
