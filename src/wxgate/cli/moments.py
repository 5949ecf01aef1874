"""Moments as people write them: 2026-03-01, 2026-03-01T10:00, or so long ago: 30min, 2h, 7d."""

import re
from datetime import UTC, datetime, timedelta

from wxgate.errors import ConfigError

_AGO = re.compile(r"([0-9]{1,6})\s*(s|min|h|d)")

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def read_moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """Read a moment; one without a time zone is meant in this machine's."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} {text}: write a moment such as 2026-03-01T10:00, or how long ago: 30min, 2h, 7d"
        ) from None
