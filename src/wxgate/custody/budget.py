"""A daily budget of fetches: a warning at four fifths, and a reserve that lasts to the end of the day."""

from datetime import datetime, timedelta

from wxgate.custody.wording import CHINA, next_day

WARN_AT = 0.8
RESERVE_AT = 0.95
"""The share from which on what is left is spread over what is left of the day."""


def day_of(now: datetime) -> str:
    """Name the day WeChat counts in."""
    return now.astimezone(CHINA).strftime("%Y-%m-%d")


def share(fetched: int, limit: int) -> float:
    """Give the part of a budget that is used; 0 where there is no limit."""
    return fetched / limit if limit else 0.0


def not_before(fetched: int, limit: int, last: datetime | None, now: datetime) -> datetime | None:
    """Say when the next fetch may be, None for at once; `last` is when the last one was."""
    if not limit or share(fetched, limit) < RESERVE_AT:
        return None
    reset = next_day(now)
    if fetched >= limit:
        return reset
    if last is None or last > now:
        return None
    pause: timedelta = (reset - now) / (limit - fetched)
    return last + pause if last + pause > now else None
