"""How sessions end: with everything that hangs on them, whoever ends them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.login.ports import Grants, Sessions
from wxgate.login.records import Session

log = structlog.get_logger("wxgate.login")

Hearing: TypeAlias = Callable[[Sequence[Session]], Awaitable[object]]
"""Hears which sessions have ended, to tell the applications."""


async def nobody_hears(_: Sequence[Session]) -> None:
    """Tell nobody."""


class Endings:
    """Ends sessions: their tokens are revoked, and whoever has to know is told, once."""

    def __init__(self, sessions: Sessions, grants: Grants, clock: Clock, *, tell: Hearing) -> None:
        self._sessions = sessions
        self._grants = grants
        self._clock = clock
        self._tell = tell

    async def end(self, session: Session, reason: str) -> Session | None:
        """End one session; None if it had ended before."""
        ended = await self._sessions.end(session.id_hash, reason=reason, now=self._clock.now())
        if ended is not None:
            await self.follow([ended])
        return ended

    async def end_all(
        self,
        realm: str,
        reason: str,
        *,
        sub: str | None = None,
        client: str | None = None,
        app: str | None = None,
    ) -> Sequence[Session]:
        """End every session of a person, of those a client has had, or by an app.

        Refresh tokens live on after their sessions have expired; they end here as well.
        """
        now = self._clock.now()
        ended = await self._sessions.end_all(
            realm=realm, sub=sub, client=client, app=app, reason=reason, now=now
        )
        await self.follow(ended)
        await self._grants.revoke_all(realm, sub=sub, client=client, app=app, now=now)
        return ended

    async def follow(self, ended: Sequence[Session]) -> None:
        """Do what comes after the end of sessions that somebody else has just ended."""
        for session in ended:
            await self._grants.revoke_session(session.sid, now=self._clock.now())
            log.info("login.session_ended", realm=session.realm, sid=session.sid, reason=session.end_reason)
        if ended:
            await self._tell(ended)
