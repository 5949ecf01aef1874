"""How a ticket's age is judged."""

from datetime import UTC, datetime, timedelta

import pytest

from wxgate.custody.tickets import TicketHealth, judge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "health"),
    [
        (0, TicketHealth.GOOD),
        (24, TicketHealth.GOOD),
        (25, TicketHealth.LATE),
        (59, TicketHealth.LATE),
        (60, TicketHealth.ALARM),
        (12 * 60 - 1, TicketHealth.ALARM),
        (12 * 60, TicketHealth.EXPIRED),
    ],
)
def test_a_ticket_is_judged_by_its_age(minutes: int, health: TicketHealth) -> None:
    assert judge(NOW - timedelta(minutes=minutes), NOW) is health


def test_no_ticket_is_missing() -> None:
    assert judge(None, NOW) is TicketHealth.MISSING
