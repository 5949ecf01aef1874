"""Which events a subscriber or a stream gets."""

import re
from collections.abc import Set

from wxgate.errors import ConfigError
from wxgate.events.records import EventKind, Filter, NewEvent
from wxgate.events.topics import topic
from wxgate.protocol.official_tests import TEST_ACCOUNTS

TICKET = "component.component_verify_ticket"

MOST_VALUES = 1000
"""How many accounts, openids and so on one filter may name."""

LONGEST = 128

_PATTERN = re.compile(r"[\w.*-]+", re.ASCII)

_UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Matcher:
    """A filter made ready to be asked about every event.

    Two things nobody means by "everything" have to be named: tickets, which come every ten minutes and are
    shown as `****`, and what WeChat's official test accounts do while it checks a platform.
    """

    def __init__(self, where: Filter) -> None:
        self._platforms = frozenset(where.platforms)
        self._accounts = frozenset(where.accounts)
        self._tags = frozenset(where.tags)
        self._openids = frozenset(where.openids)
        self._names = tuple(name.lower() for name in where.names)

    def matches(self, event: NewEvent, tags: Set[str] = frozenset()) -> bool:
        """Tell whether an event comes through; `tags` are those of its account."""
        if self._platforms and event.issuer not in self._platforms:
            return False
        if self._accounts and event.appid not in self._accounts:
            return False
        if event.appid in TEST_ACCOUNTS and event.appid not in self._accounts:
            return False
        if self._tags and self._tags.isdisjoint(tags):
            return False
        if self._openids and event.openid not in self._openids:
            return False
        return self.takes(event.kind, event.name)

    def takes(self, kind: EventKind, name: str) -> bool:
        """Tell whether events of this name come through."""
        full = topic(kind, name).lower()
        if full == TICKET:
            return full in self._names or name.lower() in self._names
        bare = name.lower()
        return not self._names or any(_fits(each, full) or _fits(each, bare) for each in self._names)

    @property
    def names_events(self) -> bool:
        """Tell whether the filter says which events it lets through."""
        return bool(self._names)


def matches(where: Filter, event: NewEvent, tags: Set[str] = frozenset()) -> bool:
    """Tell whether an event comes through a filter."""
    return Matcher(where).matches(event, tags)


def check_filter(where: Filter) -> Filter:
    """Return a filter without repetitions; raises ConfigError that says what is wrong with it."""
    for pattern in where.names:
        if not _PATTERN.fullmatch(pattern):
            raise ConfigError(
                f"{pattern[:LONGEST]!r} is no pattern for events; name a topic such as event.subscribe or "
                "message.text, a bare name such as weapp_audit_success, or use * as in event.*"
            )
    values = (where.platforms, where.accounts, where.tags, where.names, where.openids)
    for each in values:
        if len(each) > MOST_VALUES:
            raise ConfigError(f"a filter names at most {MOST_VALUES} values of one sort, not {len(each)}")
        if odd := [value for value in each if _is_odd(value)]:
            raise ConfigError(f"{odd[0][:LONGEST]!r} in the filter is empty, too long or unreadable")
    return Filter(*(tuple(dict.fromkeys(each)) for each in values))


def _is_odd(value: str) -> bool:
    return not value.strip() or len(value) > LONGEST or _UNREADABLE.search(value) is not None


def _fits(pattern: str, text: str) -> bool:
    """Match a pattern whose only wildcard is `*`, in a time that no pattern can blow up."""
    head, *parts = pattern.split("*")
    if not parts:
        return pattern == text
    *middle, tail = parts
    if not text.startswith(head) or len(text) < len(head) + len(tail) or not text.endswith(tail):
        return False
    at, end = len(head), len(text) - len(tail)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
