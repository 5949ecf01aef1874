"""Posts logout tokens to clients, by the way out that goes to no private address."""

from urllib.parse import urlencode

from wxgate.errors import Undeliverable
from wxgate.events.sending import Posting
from wxgate.server.outgoing import Outgoing

SECONDS = 10.0

FORM = {"content-type": "application/x-www-form-urlencoded"}


class Messenger:
    """Implements the port of back-channel logout."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def tell(self, url: str, logout_token: str) -> bool | None:
        """Post a logout token; None asks to be tried again."""
        body = urlencode({"logout_token": logout_token}).encode()
        try:
            answered = await self._outgoing.post(Posting(url, FORM, body), seconds=SECONDS)
        except Undeliverable:
            return None
        if answered.accepted:
            return True
        return None if answered.status >= 500 or answered.status in (408, 425, 429) else False
