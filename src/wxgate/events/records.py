"""What is kept of pushes, and of whom they are passed on to, as frozen records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wxgate.secret import EncodingAESKey, PushToken, Secret


class EventKind(StrEnum):
    """What sort of push an event was; GATEWAY is no push but news of our own."""

    MESSAGE = "message"
    EVENT = "event"
    COMPONENT = "component"
    GATEWAY = "gateway"


class EventState(StrEnum):
    """How far an event has come."""

    HANDLING = "handling"
    DONE = "done"
    FAILED = "failed"


class ReplyState(StrEnum):
    """How far the one reply to an event has come; `events/replying.py` says what follows what.

    Passively: OPEN until an attempt carries the reply (CARRIED), READY when it came late and waits for
    WeChat's next attempt, CLOSED when `success` was the last word. As a customer-service message: CUSTOM,
    SENDING, SENT or FAILED. DROPPED is a reply that nobody gets.
    """

    OPEN = "open"
    CARRIED = "carried"
    READY = "ready"
    CLOSED = "closed"
    CUSTOM = "custom"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A verified, decrypted push, about to be recorded.

    `name` is the message type, event name or InfoType; `created_at` is WeChat's CreateTime in seconds;
    `fields` are the decrypted fields without tickets and codes; `plain` is what was decrypted, None where it
    holds secrets. `message_key` is the same for one message however many platforms of ours receive it.
    `noted` is one that is recorded and told to nobody.
    """

    dedup_key: str
    issuer: str
    appid: str
    kind: EventKind
    name: str
    openid: str
    msg_id: str | None
    created_at: int
    received_at: datetime
    source_ip: str
    fields: dict[str, Any]
    plain: str | None = field(default=None, repr=False)
    message_key: str = ""
    noted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(NewEvent):
    """A recorded event; `reply` is its plain reply, None when there is none.

    `arrivals` counts how often WeChat brought it; `replier` is who was asked for a reply: a subscriber's id,
    or empty for the handlers; `position` is its place in the streams, once it has one.
    """

    id: int
    state: EventState
    holder: str
    lease_until: datetime
    reply: str | None
    error: str
    handled_at: datetime | None
    attempts: int
    size: int = 0
    arrivals: int = 1
    reply_state: ReplyState = ReplyState.OPEN
    replier: str = ""
    position: int | None = None
    redacted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of recording: the event, and whether this call was the first to bring it."""

    event: Event
    fresh: bool


@dataclass(frozen=True, slots=True)
class Fanout:
    """A delivery to be made of a new event; `held` when this node is about to send it itself."""

    subscriber: str
    ordered: bool = False
    held: bool = False


class Form(StrEnum):
    """How events are handed to a subscriber."""

    WEBHOOK = "webhook"
    WECHAT = "wechat"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a subscriber gets; an empty tuple lets everything through.

    `names` match the topic (`event.subscribe`) or the bare name, with `*` as wildcard.
    """

    platforms: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    openids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriberSecrets:
    """What a subscriber and we share: signing secrets, or a token and an AES key like WeChat's."""

    signing: Secret | None = None
    previous_signing: Secret | None = None
    token: PushToken | None = None
    aes_key: EncodingAESKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """An application that gets events.

    `ordered` keeps the order of each account's events; `envelope_appid` is whose appid a `wechat` envelope
    names, `account` or `platform`; `previous_until` is when the previous signing secret ends; `failures` are
    those in a row, and until `open_until` nothing is sent after too many.
    """

    id: str
    name: str
    form: Form
    url: str
    filter: Filter
    ordered: bool
    envelope_appid: str
    paused: bool
    paused_reason: str
    secrets: SubscriberSecrets
    previous_until: datetime | None
    failures: int
    open_until: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str
    created_at: datetime
    updated_at: datetime


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one subscriber.

    `attempts` counts claims, and is the fence: who claimed last may finish. `status` and `error` tell of the
    last attempt; `first_at` is when the present round of attempts began, which a replay begins anew.
    """

    id: int
    subscriber: str
    event_id: int
    appid: str
    ordered: bool
    state: DeliveryState
    attempts: int
    first_at: datetime
    not_before: datetime
    holder: str | None
    lease_until: datetime | None
    status: int | None
    error: str
    delivered_at: datetime | None
    replays: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one attempt: PENDING to try again at `not_before`, or how it ended."""

    state: DeliveryState
    status: int | None
    error: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a subscriber: how many, since when, and how many are given up."""

    subscriber: str
    waiting: int
    oldest: datetime | None
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events to list, newest first; None lets everything through. `before` is an id to page by."""

    appid: str | None = None
    issuer: str | None = None
    kind: EventKind | None = None
    names: Sequence[str] = ()
    openid: str | None = None
    state: EventState | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PushLine:
    """One line of the push log: what arrived, how it was judged, what WeChat was answered.

    `count` is more than one where the same refusal came again and again.
    """

    at: datetime
    receiver: str
    appid: str
    source_ip: str
    verdict: str
    answer: str
    status: int
    milliseconds: int
    event_id: int | None = None
    explanation: str = ""
    count: int = 1
