"""Looking for events: what the database can filter is asked of it, the rest is picked out page by page."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from wxgate.events.ports import EventLog
from wxgate.events.records import Event, EventQuery

PAGE = 200

MOST_READ = 10_000
"""After so many events a search gives back what it has, and where to go on."""

Keep: TypeAlias = Callable[[Event], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Found:
    """Events, newest first; `next` is the id to go on before, None at the end of what there is."""

    events: Sequence[Event]
    next: int | None


async def search(log: EventLog, query: EventQuery, keep: Keep, *, most_read: int = MOST_READ) -> Found:
    """Find up to `query.limit` events to keep; an empty result with a `next` means that there may be more."""
    kept: list[Event] = []
    before, read = query.before, 0
    while read < most_read:
        page = await log.find_events(replace(query, before=before, limit=PAGE))
        for event in page:
            before = event.id
            if await keep(event):
                kept.append(event)
                if len(kept) == query.limit:
                    return Found(kept, before)
        if len(page) < PAGE:
            return Found(kept, None)
        read += len(page)
    return Found(kept, before)
