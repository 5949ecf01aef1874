"""What a handler may be registered under: names, topics, patterns and the classes of messages and events.

    "text", "message.text", TextMessage            one type of message
    "subscribe", "event.subscribe", SubscribeEvent one event
    "authorized", "component.authorized"           one InfoType
    "event.weapp_audit_*", "weapp_audit_*"         whatever begins like that
    "message", "event", "component", "wxgate"      everything of a kind
    "*"                                            every message and event of accounts

Inside, a message is known by its type, an event by `event.` and its name, a platform's event by its InfoType,
all in lower case.
"""

import re
import warnings
from difflib import get_close_matches
from typing import Any

from wxgate.errors import ConfigError
from wxgate.events.notices import Notice
from wxgate.protocol.messages import EVENT_TYPES, MESSAGE_TYPES, Event, Message
from wxgate.protocol.pushes import INFO_TYPES, ComponentEvent

KINDS = ("message", "event", "component", "wxgate")

_KIND_CLASSES: dict[type, tuple[str, ...]] = {
    Message: ("message", "event"),
    Event: ("event",),
    ComponentEvent: ("component",),
    Notice: ("wxgate",),
}
_CLASSES: tuple[tuple[str, type], ...] = (
    *MESSAGE_TYPES.items(),
    *((f"event.{name}", kind) for name, kind in EVENT_TYPES.items()),
    *INFO_TYPES.items(),
)
_KNOWN = frozenset(name for name, _ in _CLASSES) | {"*", *KINDS}
_BY_LAST_PART = {name.rpartition(".")[2]: name for name in _KNOWN}


def handler_names(given: Any) -> tuple[str, ...]:
    """Return the names that something a user wrote stands for; warns of what looks like a slip."""
    if isinstance(given, str):
        return (_canonical(given),)
    if isinstance(given, type):
        found = _KIND_CLASSES.get(given) or tuple(name for name, kind in _CLASSES if kind is given)
        if found:
            return found
        raise ConfigError(f"{given.__name__} is no class of messages or events; write its name as a text")
    if callable(given):
        raise ConfigError('write what is to be handled, in parentheses: @gateway.on("text")')
    raise ConfigError(f'{given!r} is no name of a message or event; write one such as "text"')


def is_pattern(name: str) -> bool:
    """Tell a pattern from a name; "*" alone is the name of everything."""
    return "*" in name and name != "*"


def pattern_of(name: str) -> re.Pattern[str]:
    """Compile a pattern; it fits the whole name, or the part after the kind."""
    text = re.escape(name).replace(r"\*", ".*")
    return re.compile(text if name.startswith(tuple(f"{kind}." for kind in KINDS)) else rf"(?:\w+\.)?{text}")


def _canonical(given: str) -> str:
    name = given.strip().lower()
    kind, _, rest = name.partition(".")
    if kind in KINDS and rest == "*":
        return kind
    if kind in ("message", "component") and rest:
        name = rest
    elif name not in _KNOWN and f"event.{name}" in _KNOWN:
        name = f"event.{name}"
    if name not in _KNOWN and not is_pattern(name) and kind != "wxgate":
        _question(given, name)
    return name


def _question(given: str, name: str) -> None:
    """Warn of a name that is not known and resembles one that is; new names of WeChat's are let through."""
    for meant in get_close_matches(name.rpartition(".")[2], _BY_LAST_PART, 1, 0.75):
        warnings.warn(
            f"no message or event is known as {given!r}; did you mean {_BY_LAST_PART[meant]!r}?", stacklevel=7
        )
