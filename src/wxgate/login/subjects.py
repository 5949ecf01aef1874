"""The people who logged in, as an operator sees them: who they are, where, and the end of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from wxgate.clock import Clock
from wxgate.errors import ConfigError, NotFound
from wxgate.login.endings import Endings
from wxgate.login.news import Tell, merge_news
from wxgate.login.ports import Identities, Realms, Sessions
from wxgate.login.records import Conflict, Identity, Session, Subject
from wxgate.login.sessions import BY_OPERATOR

log = structlog.get_logger("wxgate.login")

MERGED = "merged"
"""Why a session ended, as it is kept with it."""

LIST_LIMIT = 1000


class Whose(StrEnum):
    """Whose sessions are ended together."""

    SUBJECT = "subject"
    CLIENT = "client"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Person:
    """A subject with WeChat's names for it and where it is logged in."""

    subject: Subject
    names: Sequence[Identity]
    sessions: Sequence[Session]


class Subjects:
    """Looks people up, ends their sessions, merges and forgets them."""

    def __init__(
        self,
        realms: Realms,
        identities: Identities,
        sessions: Sessions,
        clock: Clock,
        *,
        endings: Endings,
        tell: Tell,
    ) -> None:
        self._realms = realms
        self._identities = identities
        self._sessions = sessions
        self._clock = clock
        self._endings = endings
        self._news = tell

    async def find(
        self, realm: str, *, search: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Subject]:
        """List people by `sub`; `search` is a sub, an openid or a unionid."""
        await self._require_realm(realm)
        return await self._identities.subjects(realm, search=search, after=after, limit=limit)

    async def require(self, realm: str, sub: str) -> Person:
        """Load a person as they are kept, or raise NotFound."""
        await self._require_realm(realm)
        subject = await self._identities.subject(realm, sub)
        if subject is None:
            raise NotFound(
                f"nobody with the sub {sub} in realm {realm}; `wxgate login subject list --search` "
                "finds people by openid or unionid"
            )
        names = await self._identities.names(realm, sub)
        sessions = await self._sessions.live(realm, sub=sub, now=self._clock.now(), limit=LIST_LIMIT)
        return Person(subject, names, sessions)

    async def merge(self, realm: str, *, kept: str, other: str) -> Subject:
        """Make one person of two: `other` becomes another name of `kept`, and logs in anew."""
        if kept == other:
            raise ConfigError(f"{kept} is one person already; name two")
        for sub in (kept, other):
            await self.require(realm, sub)
        if not await self._identities.merge(realm, kept=kept, other=other, now=self._clock.now()):
            raise ConfigError(f"one of {kept} and {other} was merged into another before; merge that one")
        log.info("login.subjects_merged", realm=realm, kept=kept, other=other)
        await self._end(realm, Whose.SUBJECT, other, MERGED)
        await self._news(merge_news(realm, kept=kept, other=other))
        return (await self.require(realm, kept)).subject

    async def forget(self, realm: str, sub: str) -> int:
        """Forget a person with their names, sessions, codes and tokens; return how many sessions ended."""
        await self.require(realm, sub)
        ended = await self._end(realm, Whose.SUBJECT, sub, BY_OPERATOR)
        await self._identities.forget(realm, sub)
        log.info("login.subject_forgotten", realm=realm, sub=sub)
        return len(ended)

    async def conflicts(self, realm: str | None = None, *, open_only: bool = True) -> Sequence[Conflict]:
        """List the pairs that WeChat showed to be one person, oldest first."""
        if realm is not None:
            await self._require_realm(realm)
        return await self._identities.conflicts(realm, open_only=open_only)

    async def live(
        self, realm: str, *, sub: str | None = None, after: str = "", limit: int = 100
    ) -> Sequence[Session]:
        """List live sessions of a realm, or of one person."""
        await self._require_realm(realm)
        return await self._sessions.live(realm, sub=sub, now=self._clock.now(), after=after, limit=limit)

    async def end(self, sid: str) -> Session:
        """End one session, known by the name that applications know; raise NotFound."""
        session = await self._sessions.by_sid(sid)
        if session is None:
            raise NotFound(f"no session {sid} here; `wxgate login session list` shows those that live")
        await self._endings.end(session, BY_OPERATOR)
        return await self._sessions.by_sid(sid) or session

    async def end_all(self, realm: str, whose: Whose, which: str) -> Sequence[Session]:
        """End every live session of a person, of those a client has had, or by an app; raise NotFound."""
        await self._require_realm(realm)
        ended = await self._end(realm, whose, which, BY_OPERATOR)
        # Sessions may outlive their app, so they are ended first; with none, a slip of the pen is named.
        if not ended and not await self._is_there(realm, whose, which):
            what = "person" if whose is Whose.SUBJECT else whose.value
            raise NotFound(
                f"no {what} {which} in realm {realm}; `wxgate login {whose.value} list` shows them"
            )
        return ended

    async def _is_there(self, realm: str, whose: Whose, which: str) -> bool:
        match whose:
            case Whose.SUBJECT:
                return await self._identities.subject(realm, which) is not None
            case Whose.CLIENT:
                client = await self._realms.client(which)
                return client is not None and client.realm == realm
            case Whose.APP:
                app = await self._realms.app(which)
                return app is not None and app.realm == realm

    async def _end(self, realm: str, whose: Whose, which: str, reason: str) -> Sequence[Session]:
        return await self._endings.end_all(
            realm,
            reason,
            sub=which if whose is Whose.SUBJECT else None,
            client=which if whose is Whose.CLIENT else None,
            app=which if whose is Whose.APP else None,
        )

    async def _require_realm(self, name: str) -> None:
        if await self._realms.realm(name) is None:
            raise NotFound(f"no realm {name} here; `wxgate login realm list` shows them")
