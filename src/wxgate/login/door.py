"""The one door: whoever comes is let in, sent to WeChat, shown a page or refused; what comes back is settled.

    open ── a session satisfies ──> Enter
      │                                     WeChat
      └── attempt stored, 303 ─────────────────┐
                                               v
    goal <── session, outcome kept <── claim, exchange <── back (perhaps twice)

Who wanted the login says what comes after it: a `Finisher` for each purpose.
"""

from dataclasses import replace

from wxgate.clock import Clock
from wxgate.errors import NotFound
from wxgate.login.browsers import Entrance, Obstacle, choose
from wxgate.login.entering import Entering
from wxgate.login.ports import Identities, Realms
from wxgate.login.proofs import is_strong, least_acr
from wxgate.login.records import Acr, Mode, Realm, Session, Subject
from wxgate.login.returning import Returned, Returning, enough_for
from wxgate.login.scan_entering import ScanEntrance
from wxgate.login.sessions import Terms, Verdict, is_ended_by_hand, judge
from wxgate.login.starting import Begun, Starter
from wxgate.login.visits import (
    NO_COOKIES,
    Answer,
    Cookies,
    Demand,
    Enter,
    Leave,
    Page,
    Prompt,
    Refuse,
    Show,
    Visitor,
)

MOST_LOOPS = 2
"""How many hops to WeChat within a minute nobody has to tap for: a third one means that no cookie stays."""

MOST_LOOPS_WITH_SESSION = 6
"""The same where the browser shows a session, so that cookies do stay: a login, a consent and a killed WeChat
may well fall into one minute."""


class Door:
    """Lets people in."""

    def __init__(
        self,
        *,
        realms: Realms,
        identities: Identities,
        entering: Entering,
        starter: Starter,
        returning: Returning,
        scanning: ScanEntrance,
        clock: Clock,
    ) -> None:
        self._realms = realms
        self._identities = identities
        self._entering = entering
        self._starter = starter
        self.returning = returning
        self._scanning = scanning
        self._clock = clock

    async def open(self, demand: Demand, visitor: Visitor) -> Answer:
        """Answer somebody who wants to be logged in."""
        realm = await self._realm(demand.realm)
        entrance = await self.entrance(demand, visitor)
        session, verdict = await self.look(realm, demand, visitor, entrance)
        if verdict is Verdict.GO and session is not None:
            await self._entering.touch(session, demand.limits or realm.limits, self._clock.now())
            # The cookie has come back, so this browser is in no loop.
            return Enter(session, Cookies(loops=0) if visitor.loops else NO_COOKIES)
        if not visitor.top_level:
            word = "reauth_required" if verdict is Verdict.REAUTH_401 else "login_required"
            return Refuse(word, "only a page that is opened can be sent to WeChat")
        if isinstance(entrance, Obstacle):
            return _blocked(demand, entrance)
        if is_ended_by_hand(session):
            # "Log out everywhere" reaches browsers that never got the cookie that says so.
            visitor = visitor.logged_out_of(realm.name)
        if session is not None and verdict is Verdict.SILENT_HOP:
            asked, entrance = entrance, silent_entrance(entrance, demand, session)
            if entrance is not asked and Prompt.NONE not in demand.prompt:
                demand = replace(demand, goal=enough_for(session, demand.goal))
        most = MOST_LOOPS if session is None else MOST_LOOPS_WITH_SESSION
        if (kept := held_back(realm, demand, visitor, entrance, most)) is not None:
            return kept
        if entrance.mode is Mode.SCAN:
            return await self._scanning.show(realm, entrance.app, demand.goal, visitor)
        return await self._leave(demand, visitor, entrance)

    async def begin(self, demand: Demand, visitor: Visitor, entrance: Entrance) -> Begun:
        """Begin an attempt without sending anybody anywhere: for a page that embeds WeChat's QR code."""
        return await self._starter.begin(
            entrance.app,
            entrance.mode,
            demand.goal,
            visitor,
            force_popup=Prompt.CONSENT in demand.prompt and entrance.mode is Mode.CONSENT,
            lang=demand.lang,
            tapped=demand.tapped,
        )

    async def back(self, returned: Returned, visitor: Visitor) -> Leave:
        """Settle what comes back from WeChat."""
        return await self.returning.back(returned, visitor)

    async def entrance(self, demand: Demand, visitor: Visitor) -> Entrance | Obstacle:
        """Choose the app that somebody would log in by now."""
        return choose(
            visitor.browser,
            await self._realms.apps(demand.realm),
            named=demand.app,
            mode=demand.mode,
            profile=_asks_consent(demand),
        )

    async def look(
        self, realm: Realm, demand: Demand, visitor: Visitor, entrance: Entrance | Obstacle
    ) -> tuple[Session | None, Verdict]:
        """Judge the session that a browser shows."""
        held = visitor.at(realm.name)
        session = await self._entering.held(realm.name, held)
        terms = Terms(
            app=wanted_app(demand, entrance, session),
            prompt=demand.prompt,
            max_age=demand.max_age,
            acr=least_acr(demand),
        )
        verdict = judge(
            session,
            held,
            visitor.browser,
            demand.limits or realm.limits,
            terms,
            self._clock.now(),
            top_level=visitor.top_level,
        )
        if session is not None and verdict is Verdict.GO:
            subject = await self._identities.subject(session.realm, session.sub)
            # Nobody can be told who somebody is that has been forgotten.
            if subject is None or _lacks_name(demand, visitor, session, subject):
                verdict = Verdict.LOGIN
        return session, verdict

    async def _leave(self, demand: Demand, visitor: Visitor, entrance: Entrance) -> Leave:
        begun = await self.begin(demand, visitor, entrance)
        # Elsewhere somebody has to scan a code each time, so nothing goes round by itself.
        by_itself = visitor.browser.is_wechat and not demand.tapped
        loops = visitor.loops + 1 if by_itself else 0
        return Leave(begun.url, replace(begun.cookies, loops=loops))

    async def _realm(self, name: str) -> Realm:
        realm = await self._realms.realm(name)
        if realm is None:
            raise NotFound(f"no realm {name} here; `wxgate login realm list` shows them")
        return realm


def held_back(
    realm: Realm, demand: Demand, visitor: Visitor, entrance: Entrance, most_loops: int = MOST_LOOPS
) -> Show | Refuse | None:
    """Keep somebody from WeChat where that needs a tap, would show something, or could go on for ever."""
    logged_out = visitor.at(realm.name).logged_out
    unseen = visitor.browser.is_wechat and entrance.mode is Mode.SILENT
    in_a_loop = not demand.tapped and visitor.loops >= most_loops
    if Prompt.NONE in demand.prompt:
        if not unseen or logged_out or not realm.silent or in_a_loop:
            return Refuse("login_required")
        return None
    facts = {"app": entrance.app.name, "mode": entrance.mode.value}
    if entrance.mode is Mode.SCAN:
        # Nobody scans without meaning to: it needs no tap, and what it leads to is no loop.
        return None
    # WeChat may show a consent that nobody tapped for as a snapshot (P4): whoever wants taps wants one there.
    if not demand.tapped and (logged_out or (visitor.browser.is_wechat and not realm.silent)):
        return Show(Page.TAP, facts | ({"why": "logged_out"} if logged_out else {}))
    return Show(Page.LOOP, facts) if in_a_loop else None


def _lacks_name(demand: Demand, visitor: Visitor, session: Session, subject: Subject) -> bool:
    """Tell whether a nickname is wanted that only a consent would bring."""
    silent = session.acr is Acr.SILENT and visitor.browser.is_wechat and demand.mode is not Mode.SILENT
    named = subject.profile.nickname or not demand.profile
    return silent and not named and Prompt.NONE not in demand.prompt


def _blocked(demand: Demand, obstacle: Obstacle) -> Show | Refuse:
    if Prompt.NONE in demand.prompt:
        return Refuse("login_required")
    page = Page.OPEN_IN_WECHAT if obstacle is Obstacle.OPEN_IN_WECHAT else Page.NO_APP
    return Show(page, {"app": demand.app or ""})


def silent_entrance(entrance: Entrance, demand: Demand, session: Session) -> Entrance:
    """Ask silently where only the presence is gone: what the session proves besides has not changed."""
    if entrance.mode is not Mode.CONSENT or demand.prompt - {Prompt.NONE} or demand.max_age is not None:
        return entrance
    least = least_acr(demand)
    strong = least is None or session.acr.satisfies(least)
    return Entrance(Mode.SILENT, entrance.app) if strong else entrance


def wanted_app(demand: Demand, entrance: Entrance | Obstacle, session: Session | None) -> str | None:
    """Name the app that a session must have come by: applications want the openid of the one they asked for.

    That is the one somebody would log in by now, or the very one that was asked for, by whatever way.
    """
    if session is not None and demand.app == session.app:
        return session.app
    return entrance.app.name if isinstance(entrance, Entrance) else None


def _asks_consent(demand: Demand) -> bool:
    """Tell whether WeChat has to ask; a nickname is no reason to where nothing may be shown."""
    named = demand.profile and Prompt.NONE not in demand.prompt
    return named or Prompt.CONSENT in demand.prompt or is_strong(least_acr(demand))
