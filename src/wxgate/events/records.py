"""What the inbox keeps of a push, as frozen records."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


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


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A verified, decrypted push, about to be recorded.

    `name` is the message type, event name or InfoType; `created_at` is WeChat's CreateTime in seconds;
    `fields` are the decrypted fields without tickets and codes.
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


@dataclass(frozen=True, slots=True)
class Event(NewEvent):
    """A recorded event; `reply` is the plain passive reply it was answered with, None for `success`."""

    id: int
    state: EventState
    holder: str
    lease_until: datetime
    reply: str | None
    error: str
    handled_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of recording: the event, and whether this call was the first to bring it."""

    event: Event
    fresh: bool
