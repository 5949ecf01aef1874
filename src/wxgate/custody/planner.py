"""What to do about tokens that are due: a pure decision, rows in, a plan out.

Renewed ahead are the platforms' own tokens, always, and those of accounts that somebody used within the
window. Any other is parked: nobody looks at it again until it is asked for, and then it is renewed on demand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wxgate.custody.records import DueToken
from wxgate.protocol.tokens import TokenKind


@dataclass(frozen=True, slots=True)
class Plan:
    """What to renew now, first things first, what to park, and what there is no room for yet."""

    renew: tuple[DueToken, ...] = ()
    park: tuple[DueToken, ...] = ()
    later: tuple[DueToken, ...] = ()


def plan(rows: Sequence[DueToken], *, now: datetime, window: timedelta, room: int) -> Plan:
    """Decide about rows that are due; at most `room` of them are renewed now."""
    wanted = [row for row in rows if _is_wanted(row, now - window)]
    wanted.sort(key=lambda row: (row.key.kind is not TokenKind.COMPONENT, row.expires_at))
    return Plan(
        renew=tuple(wanted[:room]),
        park=tuple(row for row in rows if not _is_wanted(row, now - window)),
        later=tuple(wanted[room:]),
    )


def _is_wanted(row: DueToken, since: datetime) -> bool:
    return row.key.kind is TokenKind.COMPONENT or (row.used_at is not None and row.used_at >= since)
