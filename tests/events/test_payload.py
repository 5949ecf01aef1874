"""Topics, public ids, and the JSON that applications get of an event."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.events.events import an_event
from wxgate.events.payload import payload
from wxgate.events.records import EventKind
from wxgate.events.topics import public_id, read_public_id, topic


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (EventKind.MESSAGE, "text", "message.text"),
        (EventKind.EVENT, "SCAN", "event.scan"),
        (EventKind.EVENT, "weapp_audit_success", "event.weapp_audit_success"),
        (EventKind.COMPONENT, "updateauthorized", "component.updateauthorized"),
        (EventKind.GATEWAY, "wxgate.needs_reauthorization", "wxgate.needs_reauthorization"),
    ],
)
def test_a_topic_says_what_sort_of_event_it_is(kind: EventKind, name: str, told: str) -> None:
    assert topic(kind, name) == told


def test_a_public_id_is_read_back() -> None:
    assert public_id(42) == "evt_42"
    assert read_public_id("evt_42") == 42


@pytest.mark.parametrize("text", ["42", "evt_", "evt_042", "evt_-1", "EVT_42", "evt_42 ", "evt_" + "9" * 19])
def test_what_is_no_public_id_is_none(text: str) -> None:
    assert read_public_id(text) is None


def test_the_document_of_an_event_is_plain_json() -> None:
    document = json.loads(json.dumps(payload(an_event())))
    assert document == {
        "type": "message.text",
        "timestamp": "2026-03-01T10:00:00.250Z",
        "data": {
            "id": "evt_42",
            "platform": "wxplatform",
            "appid": "wxshop",
            "name": "text",
            "openid": "oUser",
            "msg_id": "7",
            "created_at": 1_772_359_200,
            "received_at": "2026-03-01T10:00:00.250Z",
            "fields": {"MsgType": "text", "Content": "在吗"},
            "replay": False,
            "test": False,
            "reply_expected": False,
        },
    }


def test_an_accounts_own_server_is_no_platform() -> None:
    assert payload(an_event(issuer="direct"))["data"]["platform"] is None


def test_moments_are_written_as_utc_wherever_they_were_made() -> None:
    beijing = datetime(2026, 3, 1, 18, 0, tzinfo=timezone(timedelta(hours=8)))
    assert payload(an_event(received_at=beijing))["timestamp"] == "2026-03-01T10:00:00.000Z"
    utc = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    assert payload(an_event(received_at=utc))["timestamp"] == "2026-03-01T10:00:00.000Z"


def test_a_webhook_is_told_that_it_is_to_reply_or_that_this_is_a_replay() -> None:
    data = payload(an_event(), replay=True, test=True, reply_expected=True)["data"]
    assert (data["replay"], data["test"], data["reply_expected"]) == (True, True, True)
