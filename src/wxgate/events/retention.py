"""How long what was recorded is kept: a setting in one line, and the service that keeps to it.

    message=30d,2GB; event=30d,2GB; component=365d,200MB; gateway=365d,100MB; push=14d,1000000rows

Each part names a kind of event, or `push` for the push log, and how long it is kept, how much of it, or both.
What is not named is kept as it is by default. What is still being handled, delivered or replied to stays. The
small records beside the events (`Prune`) are kept for a year.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from wxgate.clock import Clock
from wxgate.errors import ConfigError
from wxgate.events.ports import EventLog, PushLog, Subscribers
from wxgate.events.records import EventKind

PUSH = "push"
"""The name under which the push log is kept."""

DELIVERY = "delivery"
"""The name under which deliveries are counted whose subscriber is gone."""

UNITS_OF_TIME = {"d": timedelta(days=1), "h": timedelta(hours=1)}
UNITS_OF_SIZE = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

SHORTEST = timedelta(hours=1)
"""Nothing goes sooner: by what is recorded, duplicates are known."""

LONGEST = timedelta(days=36500)

PRUNED_AT_ONCE = 500
"""Events deleted in one transaction, so that none is long."""

ROUNDS = 300
PAUSE = 0.02
"""How often that is repeated in one go, and how many seconds others have the database between."""

_TIME = re.compile(r"([0-9]{1,6})\s*(d|h)", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,6})\s*(KB|MB|GB|TB)", re.IGNORECASE)
_ROWS = re.compile(r"([0-9]{1,12})\s*rows?", re.IGNORECASE)

EXAMPLE = "message=30d,2GB; push=14d,1000000rows"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much of one kind is kept; `most` is bytes of events, or lines of the push log."""

    age: timedelta
    most: int | None = None


Prune = Callable[[datetime, int], Awaitable[int]]
"""Deletes from before a moment, at most so many; returns how many."""

RECORDS_KEPT = timedelta(days=365)
"""How long release tests, settled audits, and when a key was last seen are kept."""

Retention = Mapping[str, Limits]
"""What is kept of each kind of event, and of the push log."""

DEFAULT_RETENTION = (
    "message=30d,2GB; event=30d,2GB; component=365d,200MB; gateway=365d,100MB; push=14d,1000000rows"
)

KINDS = (*(kind.value for kind in EventKind), PUSH)


def read_retention(text: str) -> Retention:
    """Read the setting. Raises ConfigError that says which part is wrong and how it is written."""
    try:
        return {**_read_parts(DEFAULT_RETENTION), **_read_parts(text)}
    except ConfigError as error:
        raise ConfigError(f"WXGATE_RETENTION: {error}") from None


def _read_parts(text: str) -> Mapping[str, Limits]:
    found: dict[str, Limits] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        kind, equals, limits = (piece.strip() for piece in part.partition("="))
        kind = kind.lower()
        if not equals or kind not in KINDS:
            raise ConfigError(
                f"{part!r}: each part is kind=limits with a kind of {', '.join(KINDS)}; for example {EXAMPLE}"
            )
        if kind in found:
            raise ConfigError(f"{part!r}: {kind} is there twice")
        found[kind] = _read_limits(kind, limits)
    return found


def _read_limits(kind: str, text: str) -> Limits:
    limits = Limits(LONGEST)
    for piece in filter(None, map(str.strip, text.split(","))):
        if match := _TIME.fullmatch(piece):
            age = int(match[1]) * UNITS_OF_TIME[match[2].lower()]
            if not SHORTEST <= age <= LONGEST:
                raise ConfigError(f"{piece!r}: between 1h and 36500d, so that duplicates are known")
            limits = replace(limits, age=age)
        elif kind != PUSH and (match := _SIZE.fullmatch(piece)):
            limits = replace(limits, most=int(match[1]) * UNITS_OF_SIZE[match[2].upper()])
        elif kind == PUSH and (match := _ROWS.fullmatch(piece)):
            limits = replace(limits, most=int(match[1]))
        else:
            size = "a number of lines (1000000rows)" if kind == PUSH else "a size (500MB, 2GB)"
            raise ConfigError(f"{piece!r}: {kind} is kept for a time (30d, 12h), {size}, or both")
    if limits == Limits(LONGEST):
        raise ConfigError(f"{kind}= says neither how long nor how much; for example {EXAMPLE}")
    return limits


class Keeper:
    """Deletes what is kept no longer, and takes the words out of old messages, a little at a time.

    It does no harm when several nodes do it: what one has deleted, the others do not find.
    """

    def __init__(
        self,
        events: EventLog,
        pushes: PushLog,
        subscribers: Subscribers,
        clock: Clock,
        *,
        retention: Retention,
        redact_after: timedelta | None,
        records: Mapping[str, Prune],
        on_removed: Callable[[str, int], object] = lambda kind, count: None,
    ) -> None:
        self._events = events
        self._pushes = pushes
        self._subscribers = subscribers
        self._clock = clock
        self._retention = retention
        self._redact_after = redact_after
        self._records = records
        self._on_removed = on_removed

    async def tend(self) -> int:
        """Do what is due; return how many events, lines and deliveries were deleted or redacted."""
        now = self._clock.now()
        total = await self._repeat(DELIVERY, partial(self._subscribers.drop_orphans, limit=PRUNED_AT_ONCE))
        if (after := self._redact_after) is not None:
            redact = partial(self._events.redact, now=now, before=now - after, limit=PRUNED_AT_ONCE)
            total += await self._repeat("redacted", redact)
        for kind in EventKind:
            limits = self._retention[kind.value]
            prune = partial(
                self._events.prune,
                kind,
                now=now,
                before=now - limits.age,
                most_bytes=limits.most,
                limit=PRUNED_AT_ONCE,
            )
            total += await self._repeat(kind.value, prune)
        limits = self._retention[PUSH]
        drop = partial(
            self._pushes.prune_pushes,
            before=now - limits.age,
            most_rows=limits.most,
            limit=PRUNED_AT_ONCE,
        )
        total += await self._repeat(PUSH, drop)
        for name, prune_records in self._records.items():
            total += await self._repeat(name, partial(prune_records, now - RECORDS_KEPT, PRUNED_AT_ONCE))
        return total

    async def _repeat(self, kind: str, step: Callable[[], Awaitable[int]]) -> int:
        total = 0
        for _ in range(ROUNDS):
            some = await step()
            total += some
            if not some:
                break
            await asyncio.sleep(PAUSE)
        if total:
            self._on_removed(kind, total)
        return total
