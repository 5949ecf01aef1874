"""jsapi_ticket and wx_card tickets: one for each account, issuer and type until it is over (JS-SDK)."""

from dataclasses import dataclass

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values


@dataclass(frozen=True, slots=True)
class JsTicket:
    """A ticket and when it is over."""

    value: str
    expires_at: float


class JsTickets:
    """Every JS-SDK ticket in use."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._tickets: dict[tuple[str, str | None, str], JsTicket] = {}

    def get(self, appid: str, platform: str | None, type: str) -> tuple[str, int]:
        """Return the ticket and the seconds it has left; WeChat gives the same one until it is over."""
        now = self._clock.now()
        ticket = self._tickets.get((appid, platform, type))
        if ticket is None or now >= ticket.expires_at:
            ticket = JsTicket(self._values.js_ticket(), now + self._switches.js_ticket_lifetime)
            self._tickets[appid, platform, type] = ticket
        return ticket.value, round(ticket.expires_at - now)
