"""The session as pages see it: who is logged in, and how to log out.

Pages of the gateway's own host ask with fetch; pages of neighbouring hosts too, where the realm sends people
back to them. Neither is ever led to WeChat: it is told where to go, and goes there as a whole.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from wxgate.errors import BadRequest
from wxgate.login.addresses import local_path
from wxgate.login.browsers import Entrance, choose
from wxgate.login.oidc.claims import Login as Told
from wxgate.login.oidc.claims import person
from wxgate.login.oidc.terms import ScopeName
from wxgate.login.records import AppKind, Realm, Session
from wxgate.login.sessions import ANY, BY_PERSON, Verdict, judge
from wxgate.login.visits import Cookies
from wxgate.secret import SessionId
from wxgate.server.front import Outcome
from wxgate.server.login.csrf import TOKEN, form_token, is_from_us
from wxgate.server.login.friends import answer_friend, friends_of
from wxgate.server.login.front import LoginFront, as_json, nothing, redirect
from wxgate.server.login.pages import Notice
from wxgate.server.login.visits import LoginVisit, as_name

LOGGED_OUT = "/login/logged-out"

PURPOSE = "logout"

BY_HAND = BY_PERSON
"""Why a session ended, as it is kept with it."""


class Sessions:
    """Serves /login/session and /login/logout."""

    def __init__(self, front: LoginFront) -> None:
        self._front = front
        self._store = front.login.store

    async def show(self, visit: LoginVisit) -> Outcome:
        """Tell a page who is logged in, or where to go to be."""
        visit.check()
        realm = await self._realm_asked(visit)
        word, response = await self._tell(visit, realm)
        return word, answer_friend(visit.request, response, realm)

    async def _tell(self, visit: LoginVisit, realm: Realm) -> Outcome:
        held, now = visit.visitor.at(realm.name), self._front.node.clock.now()
        session = await self._front.login.entering.held(realm.name, held)
        verdict = judge(session, held, visit.browser, realm.limits, ANY, now, top_level=False)
        subject = await self._front.login.oidc.subjects.load(realm.name, session.sub) if session else None
        if verdict is not Verdict.GO or session is None or subject is None:
            word = "reauth_required" if verdict is Verdict.REAUTH_401 else "login_required"
            return word, as_json({"error": word, "url": await self._url(visit, realm, session)}, 401)
        await self._front.login.entering.touch(session, realm.limits, now)
        origin = visit.request.headers.get("origin", "")
        sub = await self._front.login.oidc.subjects.told_at(realm.name, origin, subject.sub)
        told = person(Told.of_session(session), subject, sub, frozenset({ScopeName.PROFILE}))
        return "ok", as_json({"realm": realm.name, "app": session.app, "expires_at": _stamp(session)} | told)

    async def ask(self, visit: LoginVisit) -> Outcome:
        """Ask whether to log out; a link, wherever it comes from, ends nothing."""
        visit.check()
        if visit.is_head:
            return "head", nothing()
        realms = await self._realms(visit, visit.query("realm"))
        asked = visit.query("return_to")
        back = next((back for realm in realms if (back := self._front.back_of(realm, asked))), "")
        if not await self._live(visit, realms):
            return "nobody", self._leave(await self._gone(visit, realms, back), realms)
        fields = {
            "realm": visit.query("realm"),
            "return_to": asked if back else "",
            "lang": visit.query("lang"),
        }
        key = self._key(visit, realms)
        fields[TOKEN] = form_token(key, PURPOSE) if key else ""
        page = self._front.pages.logout(
            visit.request,
            visit.lang,
            name="、".join(realm.title for realm in realms),
            action=f"{self._front.base}/login/logout",
            fields={name: value for name, value in fields.items() if value},
            everywhere=visit.query("all") == "1",
            back=back,
        )
        return "asked", page

    async def end(self, visit: LoginVisit) -> Outcome:
        """End the sessions of this browser, and with `all` those of the same people elsewhere."""
        names = ("realm", "all", "return_to")
        form = {name: visit.query(name) for name in names} | dict(await visit.form())
        realms = await self._realms(visit, form["realm"])
        friends = frozenset[str]().union(*map(friends_of, realms))
        ours = is_from_us(
            visit.request.headers,
            self._front.origin,
            friends=friends,
            key=self._key(visit, realms),
            purpose=PURPOSE,
            token=form.get(TOKEN, ""),
        )
        realm = realms[0] if len(realms) == 1 else None
        if not ours:
            return "forged", answer_friend(visit.request, self._forged(visit), realm)
        ended = [session for one in realms for session in await self._end(visit, one, form["all"] == "1")]
        response = self._after(visit, realms, form["return_to"], len(ended))
        self._leave(response, realms)
        return "ended" if ended else "nobody", answer_friend(visit.request, response, realm)

    async def gone(self, visit: LoginVisit) -> Outcome:
        """Say that somebody is logged out."""
        realms = await self._realms(visit, visit.query("realm"))
        return "shown", await self._gone(visit, realms, "")

    async def _end(self, visit: LoginVisit, realm: Realm, everywhere: bool) -> list[Session]:
        session = await self._front.login.entering.held(realm.name, visit.visitor.at(realm.name))
        if session is None:
            return []
        endings = self._front.login.endings
        first = await endings.end(session, BY_HAND)
        ended = [first] if first else []
        # One that had ended before says nothing about who is here now: it ends no others.
        if first and everywhere:
            ended += await endings.end_all(realm.name, BY_HAND, sub=session.sub)
        return ended

    def _leave(self, response: Response, realms: list[Realm]) -> Response:
        """Let the browser remember that its person has logged out, whether or not there was a session."""
        for realm in realms:
            self._front.with_cookies(response, Cookies(realm=realm.name, forget=True, logged_out=True))
        return response

    def _after(self, visit: LoginVisit, realms: list[Realm], asked: str, ended: int) -> Response:
        if visit.wants_json:
            return as_json({"logged_out": True, "ended": ended})
        back = next((back for realm in realms if (back := self._front.back_of(realm, asked))), "")
        query = {"realm": realms[0].name} if len(realms) == 1 else {}
        query |= {"lang": visit.query("lang")} if visit.query("lang") else {}
        return redirect(back or f"{self._front.base}{LOGGED_OUT}?{urlencode(query)}")

    def _forged(self, visit: LoginVisit) -> Response:
        if visit.wants_json:
            return as_json({"error": "not_from_here"}, 403)
        return self._front.notice(visit, Notice("forged", again="/login/logout"))

    async def _gone(self, visit: LoginVisit, realms: list[Realm], back: str) -> Response:
        again = await self._again(visit, realms[0], back) if len(realms) == 1 else ""
        return self._front.notice(visit, Notice("logged_out", again=again, back=back))

    async def _again(self, visit: LoginVisit, realm: Realm, back: str) -> str:
        """Make the path on which this browser can log in again, or ""."""
        entrance = choose(visit.browser, await self._store.realms.apps(realm.name))
        if not isinstance(entrance, Entrance):
            return ""
        asked = visit.query("return_to") if back else ""
        query = {"return_to": asked} if asked else {}
        # A page that people come back to without a code asks who is there.
        query |= {"result": "none"} if asked and local_path(asked) is None else {}
        query |= {"lang": visit.query("lang")} if visit.query("lang") else {}
        return f"/login/wechat/{entrance.app.name}?{urlencode(query)}"

    def _key(self, visit: LoginVisit, realms: list[Realm]) -> SessionId | None:
        ids = (visit.visitor.at(realm.name).session_id for realm in realms)
        return next((id for id in ids if id is not None), None)

    async def _live(self, visit: LoginVisit, realms: list[Realm]) -> bool:
        for realm in realms:
            session = await self._front.login.entering.held(realm.name, visit.visitor.at(realm.name))
            if session is not None and session.ended_at is None:
                return True
        return False

    async def _realm_asked(self, visit: LoginVisit) -> Realm:
        if name := as_name(visit.query("app")):
            return await self._front.realm((await self._front.app(name)).realm)
        if not (name := as_name(visit.query("realm"))):
            raise BadRequest("say which realm (realm=…) or which app (app=…)")
        return await self._front.realm(name)

    async def _realms(self, visit: LoginVisit, name: str) -> list[Realm]:
        """Load the realm that is named, else those that the browser has a session of."""
        if name:
            return [await self._front.realm(as_name(name))]
        held = [realm for realm, held in visit.visitor.held.items() if held.session_id is not None]
        found = [await self._store.realms.realm(name) for name in sorted(held)[:MOST_REALMS]]
        return [realm for realm in found if realm is not None]

    async def _url(self, visit: LoginVisit, realm: Realm, session: Session | None) -> str:
        """Make the address where a page lets people log in, and come back to where they were.

        It is by the app of the session there was: by another one WeChat would name them differently.
        """
        app = as_name(visit.query("app")) or (session.app if session else "")
        if not app:
            apps = [app for app in await self._store.realms.apps(realm.name) if app.kind in BY_BROWSER]
            if not apps:
                return ""
            app = apps[0].name
        back = self._front.back_of(realm, visit.query("return_to"))
        asked = visit.query("return_to") if back else ""
        # A page that asks here needs no code in its address.
        elsewhere = {"result": "none"} if local_path(asked) is None else {}
        query = f"?{urlencode({'return_to': asked} | elsewhere)}" if asked else ""
        return f"{self._front.base}/login/wechat/{app}{query}"


BY_BROWSER = (AppKind.OFFICIAL, AppKind.WEBSITE)

MOST_REALMS = 20


def _stamp(session: Session) -> str:
    return session.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
