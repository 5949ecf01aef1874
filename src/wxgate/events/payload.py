"""An event as JSON: the body of a webhook and the data of the stream are the same document."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wxgate.events.records import Event, EventKind, EventState
from wxgate.events.topics import public_id, read_public_id, topic
from wxgate.protocol.tokens import DIRECT_ISSUER


def payload(
    event: Event, *, replay: bool = False, test: bool = False, reply_expected: bool = False
) -> dict[str, Any]:
    """Describe an event for an application, in the form that Standard Webhooks asks for.

    `created_at` is WeChat's CreateTime as it came, in seconds; `platform` is null where the account's own
    server received the push. With `reply_expected` the answer of the application becomes the reply.
    """
    received_at = iso(event.received_at)
    return {
        "type": topic(event.kind, event.name),
        "timestamp": received_at,
        "data": {
            "id": public_id(event.id),
            "platform": None if event.issuer == DIRECT_ISSUER else event.issuer,
            "appid": event.appid,
            "name": event.name,
            "openid": event.openid,
            "msg_id": event.msg_id,
            "created_at": event.created_at,
            "received_at": received_at,
            "fields": event.fields,
            "replay": replay,
            "test": test,
            "reply_expected": reply_expected,
        },
    }


def iso(at: datetime) -> str:
    """Write a moment as UTC to the millisecond: 2026-03-01T10:00:00.250Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_payload(document: Mapping[str, Any]) -> Event:
    """Read what `payload` wrote back into an event, as far as it tells; ValueError for anything else."""
    try:
        data = document["data"]
        prefix = str(document["type"]).partition(".")[0]
        received_at = datetime.fromisoformat(data["received_at"])
        return Event(
            id=read_public_id(str(data["id"])) or 0,
            dedup_key="",
            issuer=data["platform"] or DIRECT_ISSUER,
            appid=data["appid"],
            kind=EventKind.GATEWAY if prefix == "wxgate" else EventKind(prefix),
            name=data["name"],
            openid=data["openid"],
            msg_id=data["msg_id"],
            created_at=int(data["created_at"]),
            received_at=received_at,
            source_ip="",
            fields=dict(data["fields"]),
            state=EventState.DONE,
            holder="",
            lease_until=received_at,
            reply=None,
            error="",
            handled_at=None,
            attempts=1,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("this is not the JSON of an event") from error
