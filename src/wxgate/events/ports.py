"""The storage events need; `store` implements it once for SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from wxgate.events.records import Event, EventState, NewEvent, Recorded


class Inbox(Protocol):
    """The durable, deduplicated record of pushes. Every method returns after its commit."""

    async def record(self, event: NewEvent, *, holder: str, lease_until: datetime) -> Recorded:
        """Insert as HANDLING by `holder`, or load the event with the same dedup key.

        Concurrent calls share one transaction and one sync (group commit).
        """
        ...

    async def load(self, event_id: int) -> Event | None:
        """Load one event."""
        ...

    async def claim(
        self, event_id: int, *, holder: str, now: datetime, lease_until: datetime
    ) -> Event | None:
        """Take over an event that is HANDLING under an ended lease; exactly one caller gets it."""
        ...

    async def extend(self, event_id: int, *, holder: str, lease_until: datetime) -> bool:
        """Move the end of the lease, if `holder` still holds the event."""
        ...

    async def finish(
        self, event_id: int, *, holder: str, state: EventState, reply: str | None, error: str, now: datetime
    ) -> bool:
        """Write how it ended, if `holder` still holds it (group commit)."""
        ...

    async def abandoned(self, *, now: datetime, limit: int = 100) -> Sequence[Event]:
        """List events that are HANDLING under an ended lease, oldest first."""
        ...

    async def find(
        self, *, appid: str | None = None, issuer: str | None = None, limit: int = 50
    ) -> Sequence[Event]:
        """List the newest events first."""
        ...
