"""Sessions that the gateway has ended while their cookies are still out there."""

from collections import OrderedDict
from datetime import datetime
from typing import Protocol

from wxgate.sdk.login.session import Session

MOST_KEPT = 100_000


class Ended(Protocol):
    """Remembers what has ended, for as long as a session may last at most.

    Several processes need one they share: a table of two columns, or a cache. It is asked with every request
    of somebody who is logged in, so it should answer from memory or nearly so.
    """

    def end(self, name: str, at: datetime) -> None:
        """Note that something has ended at a moment; of two moments the later counts."""
        ...

    def ended_at(self, name: str) -> datetime | None:
        """Tell when something has ended, if it has."""
        ...


class EndedInMemory:
    """Remembers in this process; the oldest is forgotten first when there are too many."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, datetime] = OrderedDict()

    def end(self, name: str, at: datetime) -> None:
        """Note that something has ended."""
        known = self._ended.pop(name, at)
        self._ended[name] = max(known, at)
        if len(self._ended) > MOST_KEPT:
            self._ended.popitem(last=False)

    def ended_at(self, name: str) -> datetime | None:
        """Tell when something has ended."""
        return self._ended.get(name)


def has_ended(session: Session, ended: Ended) -> bool:
    """Tell whether a session, or every session of its person at that time, has been ended."""
    names = [f"sub:{session.person.sub}", *([f"sid:{session.sid}"] if session.sid else [])]
    moments = [ended.ended_at(name) for name in names]
    # Whoever logs in again may find the gateway's session still there, and have it by the same name.
    return any(at is not None and session.proved_at <= at for at in moments)
