"""Times for tests: they need no clock, only an order."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
TTL = timedelta(seconds=15)


def after(seconds: float) -> datetime:
    """Give the moment so many seconds after NOW, or before it."""
    return NOW + timedelta(seconds=seconds)
