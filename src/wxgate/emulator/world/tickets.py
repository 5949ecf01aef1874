"""component_verify_ticket: a new value every ten minutes, each good for twelve hours (验证票据)."""

from dataclasses import dataclass

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal


@dataclass(slots=True)
class IssuedTicket:
    """A ticket value, when it was last pushed and how often."""

    value: str
    pushed_at: float
    pushes: int = 1


class Tickets:
    """The tickets of every platform, oldest first."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._of: dict[str, list[IssuedTicket]] = {}

    def issue(self, platform: str, *, new: bool = True) -> str:
        """Return the ticket value to push now, the last one again if so asked or so switched."""
        tickets = self._of.setdefault(platform, [])
        last = tickets[-1] if tickets else None
        if last and (not new or last.pushes < self._switches.ticket_value_kept):
            last.pushes += 1
            last.pushed_at = self._clock.now()
            return last.value
        tickets.append(IssuedTicket(self._values.ticket(), self._clock.now()))
        return tickets[-1].value

    def check(self, platform: str, value: str) -> None:
        """Accept a ticket; raises 61006 for a foreign value and 61005 for one that is too old."""
        ticket = next((each for each in self._of.get(platform, []) if each.value == value), None)
        if ticket is None:
            raise refusal(61006)
        if self._clock.now() >= ticket.pushed_at + self._switches.ticket_lifetime:
            raise refusal(61005)

    def all(self, platform: str) -> list[IssuedTicket]:
        """Return a platform's tickets, oldest first."""
        return self._of.get(platform, [])
