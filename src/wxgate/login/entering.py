"""From a proof to a session: the same person goes on with the old one, another person never does."""

from dataclasses import dataclass, replace
from datetime import datetime

from wxgate.errors import StorageError
from wxgate.login.endings import Hearing, nobody_hears
from wxgate.login.identities import People
from wxgate.login.ports import Sessions
from wxgate.login.records import Acr, Proof, Realm, Session, SessionLimits
from wxgate.login.sessions import has_presence, is_live, is_touch_due
from wxgate.login.telling import Listener
from wxgate.login.values import Random, make_presence, make_session_id, make_sid
from wxgate.login.visits import Cookies, Held, Visitor
from wxgate.secret import Presence, Secret, SessionId, fingerprint

LONGEST_AGENT = 300

TRIES = 2
"""How often somebody is looked up who is forgotten between that and the session."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A session that somebody has now, with what the browser shows of it.

    `keeps_cookies` is true for a browser that has shown the cookies of its last session: it is in no loop.
    """

    session: Session
    session_id: SessionId
    presence: Presence
    keeps_cookies: bool = False

    @property
    def cookies(self) -> Cookies:
        """The cookies that the browser is to keep; to be logged in is not to be logged out."""
        return Cookies(
            realm=self.session.realm,
            session=self.session_id,
            session_until=self.session.expires_at,
            presence=self.presence,
            logged_out=False,
            loops=0 if self.keeps_cookies else None,
        )


class Entering:
    """Starts, proves, touches and ends sessions."""

    def __init__(
        self,
        sessions: Sessions,
        people: People,
        listener: Listener,
        random: Random,
        *,
        follow: Hearing = nobody_hears,
    ) -> None:
        self._sessions = sessions
        self._people = people
        self._listener = listener
        self._random = random
        self._follow = follow

    async def held(self, realm: str, held: Held) -> Session | None:
        """Load the session of a realm that a browser shows, whatever has become of it."""
        session = await self.session(held.session_id) if held.session_id is not None else None
        return session if session is not None and session.realm == realm else None

    async def session(self, session_id: Secret) -> Session | None:
        """Load a session by the value of its cookie."""
        return await self._sessions.load(fingerprint(session_id))

    async def enter(self, realm: Realm, proof: Proof, visitor: Visitor, now: datetime) -> Entered:
        """Give whoever has proved to be somebody a session.

        A silent proof of the person who has the browser's session already goes on with it, under a new
        presence. Everybody else gets a new session, and the browser's old one ends with it.
        """
        for _ in range(TRIES):
            subject = await self._people.resolve(realm, proof, now)
            entered = await self._enter(realm, proof, subject.sub, visitor, now)
            if entered is not None:
                self._listener.logged_in(realm, proof, subject.sub)
                return entered
        raise StorageError("somebody is forgotten as fast as they log in; try again")

    async def _enter(
        self, realm: Realm, proof: Proof, sub: str, visitor: Visitor, now: datetime
    ) -> Entered | None:
        """Give somebody a session; None when they have been forgotten meanwhile."""
        held = visitor.at(realm.name)
        before = await self.held(realm.name, held)
        keeps_cookies = before is not None and has_presence(before, held)
        live = before is not None and is_live(before, realm.limits, now)
        presence = make_presence(self._random)
        if before is not None and held.session_id is not None and live and _goes_on(before, sub, proof):
            proved = await self._sessions.prove(
                before.id_hash,
                presence_hash=fingerprint(presence),
                proved_at=now,
                openid=proof.openid,
                app=proof.app,
                unionid=proof.unionid,
            )
            if proved:
                self._listener.session(realm.name, "proved")
                session = replace(
                    before,
                    presence_hash=fingerprint(presence),
                    proved_at=now,
                    seen_at=now,
                    unionid=proof.unionid or before.unionid,
                )
                return Entered(session, held.session_id, presence, keeps_cookies)
        session_id = make_session_id(self._random)
        session = self._new(realm, proof, visitor, sub, session_id, presence, now)
        # One that nobody has used for too long has not ended for applications: their tokens are still good.
        created = await self._sessions.create(session, instead_of=before.id_hash if before else None)
        if created is None:
            return None
        self._listener.session(realm.name, "replaced" if created.ended else "started")
        # To applications a person who proves more than before is still logged in: their `sid` stays.
        if created.ended is not None and created.ended.sub != sub:
            await self._follow([created.ended])
        return Entered(created.session, session_id, presence, keeps_cookies)

    def _new(
        self,
        realm: Realm,
        proof: Proof,
        visitor: Visitor,
        sub: str,
        session_id: SessionId,
        presence: Presence,
        now: datetime,
    ) -> Session:
        return Session(
            id_hash=fingerprint(session_id),
            presence_hash=fingerprint(presence),
            realm=realm.name,
            sub=sub,
            app=proof.app,
            appid=proof.appid,
            openid=proof.openid,
            acr=proof.acr,
            mode=proof.mode,
            started_at=now,
            proved_at=now,
            seen_at=now,
            expires_at=now + realm.limits.absolute,
            sid=make_sid(self._random),
            unionid=proof.unionid,
            agent=visitor.agent[:LONGEST_AGENT],
            address=visitor.address,
        )

    async def touch(self, session: Session, limits: SessionLimits, now: datetime) -> None:
        """Note that a session is in use, now and then."""
        if is_touch_due(session, limits, now):
            await self._sessions.touch(session.id_hash, seen_at=now)


def _goes_on(before: Session, sub: str, proof: Proof) -> bool:
    same = (before.sub, before.app, before.openid) == (sub, proof.app, proof.openid)
    return same and proof.acr is Acr.SILENT
