"""What is done is answered again: for whoever comes twice, waits, or has lost the answer (P5)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from wxgate.login.attempts import POLL_SECONDS, Replays, Step
from wxgate.login.entering import Entered, Entering
from wxgate.login.finishing import Finisher
from wxgate.login.records import Attempt, Purpose
from wxgate.login.visits import Leave
from wxgate.secret import Presence, SessionId

Look = Callable[[], Awaitable[tuple[Attempt | None, Step]]]
"""Tells where an attempt stands now."""


async def outwait(look: Look, seconds: float) -> tuple[Attempt | None, Step]:
    """Look where an attempt stands; while another request is at it, for so long."""
    waited = 0.0
    while True:
        attempt, step = await look()
        if step is not Step.WAIT or waited >= seconds:
            return attempt, step
        await asyncio.sleep(POLL_SECONDS)
        waited += POLL_SECONDS


class Replaying:
    """Gives outcomes again, at screens as in WeChat."""

    def __init__(self, entering: Entering, finishers: Mapping[Purpose, Finisher]) -> None:
        self._entering = entering
        self._finishers = finishers
        self._replays = Replays()

    def take(self, attempt: Attempt) -> bool:
        """Take one of the answers that are made anew for an attempt that is over; False when none is left."""
        return self._replays.take(attempt)

    async def replay(self, attempt: Attempt) -> Leave | None:
        """Give the outcome again; None where its session has ended since, which nobody gets back.

        What is good for one use is made anew: an application that got the same code twice would take it for
        a theft, and revoke what the first one brought. Nobody reloads often enough to need many of them.
        """
        if (outcome := attempt.outcome) is None:
            return None
        if outcome.session_id is None or outcome.presence is None:
            return Leave(outcome.location)
        session = await self._entering.session(outcome.session_id)
        if session is None or session.ended_at is not None:
            return None
        again = Entered(session, SessionId.of(outcome.session_id), Presence.of(outcome.presence))
        if not self.take(attempt):
            return Leave(outcome.location, again.cookies)
        location = await self._finishers[attempt.goal.purpose].arrived(attempt.goal, session)
        return Leave(location, again.cookies)
