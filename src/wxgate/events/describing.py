"""Events, deliveries and pushes as documents for operators: the API and the commands show the same."""

from dataclasses import asdict
from typing import Any

from wxgate.events.records import Backlog, Delivery, DeliveryState, Event, PushLine, Subscriber
from wxgate.events.telling import tell_reply
from wxgate.events.topics import public_id, topic
from wxgate.protocol.statuses import explain
from wxgate.protocol.tokens import DIRECT_ISSUER


def describe_event(event: Event) -> dict[str, Any]:
    """Describe an event without anything that a person wrote."""
    told = tell_reply(event)
    return {
        "id": public_id(event.id),
        "type": topic(event.kind, event.name),
        "platform": None if event.issuer == DIRECT_ISSUER else event.issuer,
        "appid": event.appid,
        "kind": event.kind,
        "name": event.name,
        "openid": event.openid,
        "msg_id": event.msg_id,
        "created_at": event.created_at,
        "received_at": event.received_at,
        "source_ip": event.source_ip,
        "state": event.state,
        "error": event.error,
        "arrivals": event.arrivals,
        "reply_state": event.reply_state,
        "reply_told": told.text if told else "",
        "reply_told_zh": told.text_zh if told else "",
        "replier": event.replier,
        "handled_at": event.handled_at,
        "redacted_at": event.redacted_at,
        "size": event.size,
        "statuses": [asdict(one) for one in explain(event.name, event.fields)],
    }


def describe_delivery(one: Delivery) -> dict[str, Any]:
    """Describe a delivery; `next_at` is when it is tried next, while it waits."""
    return {
        "id": one.id,
        "subscriber": one.subscriber,
        "event": public_id(one.event_id),
        "appid": one.appid,
        "state": one.state,
        "attempts": one.attempts,
        "first_at": one.first_at,
        "next_at": one.not_before if one.state is DeliveryState.PENDING else None,
        "status": one.status,
        "error": one.error,
        "delivered_at": one.delivered_at,
        "replays": one.replays,
    }


def describe_push(id: int, line: PushLine) -> dict[str, Any]:
    """Describe one line of the push log."""
    return {
        "id": id,
        "at": line.at,
        "receiver": line.receiver,
        "appid": line.appid,
        "source_ip": line.source_ip,
        "verdict": line.verdict,
        "answer": line.answer,
        "status": line.status,
        "milliseconds": line.milliseconds,
        "event": None if line.event_id is None else public_id(line.event_id),
        "explanation": line.explanation,
        "count": line.count,
    }


def describe_subscriber(one: Subscriber, backlog: Backlog | None) -> dict[str, Any]:
    """Describe a subscriber without its secrets, with what waits for it."""
    where = one.filter
    return {
        "id": one.id,
        "name": one.name,
        "form": one.form,
        "url": one.url,
        "platforms": list(where.platforms),
        "accounts": list(where.accounts),
        "tags": list(where.tags),
        "names": list(where.names),
        "openids": list(where.openids),
        "ordered": one.ordered,
        "envelope_appid": one.envelope_appid,
        "paused": one.paused,
        "paused_reason": one.paused_reason,
        "failures": one.failures,
        "open_until": one.open_until,
        "last_success_at": one.last_success_at,
        "last_failure_at": one.last_failure_at,
        "last_error": one.last_error,
        "previous_secret_until": one.previous_until,
        "waiting": backlog.waiting if backlog else 0,
        "waiting_since": backlog.oldest if backlog else None,
        "dead": backlog.dead if backlog else 0,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def describe_secrets(one: Subscriber) -> dict[str, str]:
    """Write out a subscriber's secrets, for the one time they are shown."""
    secrets = one.secrets
    kept = {"signing_secret": secrets.signing, "token": secrets.token, "aes_key": secrets.aes_key}
    return {name: secret.reveal() for name, secret in kept.items() if secret is not None}
