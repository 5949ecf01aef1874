"""What events are called outside: topics such as `event.subscribe`, and ids such as `evt_42`."""

import re

from wxgate.events.records import EventKind

TEST_TOPIC = "wxgate.test"
"""The topic of what is sent to try a subscriber."""

_PUBLIC_ID = re.compile(r"evt_([1-9][0-9]{0,18})")


def topic(kind: EventKind, name: str) -> str:
    """Name what an event is about.

    A message's type and an event's name are written in lower case, as WeChat itself changes theirs; an
    InfoType is written as it comes, and news of our own (`wxgate.revoked`) already has its prefix.
    """
    match kind:
        case EventKind.GATEWAY:
            return name
        case EventKind.COMPONENT:
            return f"component.{name}"
        case _:
            return f"{kind}.{name.lower()}"


def public_id(event_id: int) -> str:
    """Write the id of an event as it is shown outside; it never changes."""
    return f"evt_{event_id}"


def read_public_id(text: str) -> int | None:
    """Read what `public_id` wrote; None for anything else."""
    match = _PUBLIC_ID.fullmatch(text)
    return int(match[1]) if match and int(match[1]) < 2**63 else None
