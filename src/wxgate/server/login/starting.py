"""The way in and back: a login starts here, and WeChat sends people back here.

    start ──303──> WeChat ──> callback ──303──> the page or application that asked
                                     └──303──> how it ended, where nobody was logged in

The callback's address holds WeChat's code, so nothing is ever shown there.
"""

import json
import time
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from wxgate.errors import NotFound
from wxgate.login.addresses import is_allowed, local_path
from wxgate.login.browsers import Entrance
from wxgate.login.handover import read_wish, with_answer
from wxgate.login.oidc.requests import LONGEST_CLIENT_ID
from wxgate.login.proofs import keep_terms
from wxgate.login.records import App, AppKind, Goal, Mode, Purpose, Realm
from wxgate.login.returning import Returned
from wxgate.login.visits import Answer, Demand, Enter, Leave, Page, Prompt, Refuse, Show
from wxgate.secret import LoginState
from wxgate.server.asgi import client_ip
from wxgate.server.front import Outcome
from wxgate.server.limits import Limiter, household
from wxgate.server.login.csrf import is_from_us
from wxgate.server.login.friends import answer_friend, friends_of
from wxgate.server.login.front import (
    LoginFront,
    ReturnRefused,
    again_of,
    as_json,
    nothing,
    redirect,
)
from wxgate.server.login.pages import STATUS, Notice, Why
from wxgate.server.login.places import home_of
from wxgate.server.login.scan_pages import scan_facts
from wxgate.server.login.visits import LoginVisit, as_name

DONE = "/login/done"

QR_SECONDS = 300
"""For how long WeChat shows one QR code."""

STARTS_PER_ADDRESS = 240
STRANGERS_PER_ADDRESS = 60
SECONDS = 60.0
"""How many starts, and how many returns of nobody we know, an address has within how long. A mobile network
hides thousands of people behind one address, so it is for floods only."""


class Starting:
    """Serves the start, the callback, and the pages of how it ended."""

    def __init__(self, front: LoginFront) -> None:
        self._front = front
        self._starts = Limiter(STARTS_PER_ADDRESS, SECONDS)
        self._strangers = Limiter(STRANGERS_PER_ADDRESS, SECONDS)

    async def start(self, visit: LoginVisit) -> Outcome:
        """Let somebody in, or send them to WeChat."""
        if visit.is_head:
            return "head", nothing()
        if visit.is_prefetch:
            return "prefetch", self._front.notice(visit, Notice("prefetch"))
        app, realm = await self._named(visit)
        demand = self._demand(visit, app, realm, self._goal(visit, realm))
        if refused := self._flood(visit, self._starts):
            return refused
        return await self.open(visit, realm, demand)

    async def open(self, visit: LoginVisit, realm: Realm, demand: Demand) -> Outcome:
        """Open the door, and answer with what it says."""
        return await self.answer(visit, realm, demand, await self._front.door.open(demand, visit.visitor))

    async def answer(self, visit: LoginVisit, realm: Realm, demand: Demand, answer: Answer) -> Outcome:
        """Make the response of what the door says."""
        finisher = self._front.login.finishers[demand.goal.purpose]
        match answer:
            case Enter(session, cookies):
                if not visit.visitor.top_level:
                    return "entered", as_json({"logged_in": True, "url": self._front.here(visit)})
                location = await finisher.arrived(demand.goal, session)
                return "entered", self._front.with_cookies(redirect(location), cookies)
            case Leave():
                if visit.query("mode") == "qr":
                    return self._in_our_page(visit, realm, demand, answer)
                return "left", self._front.leave(answer)
            case Refuse(word, description):
                if not visit.visitor.top_level:
                    url = self._front.base + self._front.here(visit)
                    return word, as_json({"error": word, "url": url}, 401)
                elsewhere = await finisher.refused(demand.goal, word, description)
                # Where nothing may be shown, a page of our own site is told like any other.
                own = self._front.base + demand.goal.data.get("return_to", "/")
                return word, redirect(elsewhere or with_answer(own, {"error": word}))
            case _:
                return self._front.show(visit, realm, answer)

    async def qr(self, visit: LoginVisit) -> Outcome:
        """Start a login by QR code for a page that shows WeChat's frame itself: what wxLogin.js takes."""
        if visit.is_head:
            return "head", nothing()
        app, realm = await self._named(visit)
        word, response = await self._qr(visit, app, realm)
        return word, answer_friend(visit.request, response, realm)

    async def _qr(self, visit: LoginVisit, app: App, realm: Realm) -> Outcome:
        # An attempt costs a row, so other sites' pages have to be on the list.
        if not is_from_us(visit.request.headers, self._front.origin, friends=friends_of(realm)):
            return "forged", as_json({"error": "origin_not_allowed"}, 403)
        if app.kind is not AppKind.WEBSITE:
            return "no_app", as_json({"error": "no_qr_code", "hint": "only a website app has one"}, 400)
        demand = replace(self._demand(visit, app, realm, self._goal(visit, realm)), mode=Mode.QR)
        if refused := self._flood(visit, self._starts):
            return refused
        begun = await self._front.door.begin(demand, visit.visitor, Entrance(Mode.QR, app))
        told = wxlogin(begun.url, demand) | {"script": self._front.pages.script, "expires_in": QR_SECONDS}
        return "qr", self._front.with_cookies(as_json(told), begun.cookies)

    async def scan(self, visit: LoginVisit) -> Outcome:
        """Start a login by scanning for a page of this host that shows the account's code itself."""
        if not is_from_us(visit.request.headers, self._front.origin):
            return "forged", as_json({"error": "origin_not_allowed"}, 403)
        app = await self._front.app(as_name(visit.query("app")))
        realm = await self._front.realm(app.realm)
        demand = replace(self._demand(visit, app, realm, self._goal(visit, realm)), mode=Mode.SCAN)
        if refused := self._flood(visit, self._starts):
            return refused
        match await self._front.door.open(demand, replace(visit.visitor, top_level=True)):
            case Enter(session, cookies):
                location = await self._front.login.finishers[demand.goal.purpose].arrived(
                    demand.goal, session
                )
                told = {"logged_in": True, "location": location}
            case Show(page=Page.SCAN, facts=facts, cookies=cookies):
                told = scan_facts(facts)
            case Show(page=page, facts=facts):
                word = facts.get("why", page.value)
                return word, as_json({"error": word}, STATUS.get(word, 503))
            case answer:
                word = answer.word if isinstance(answer, Refuse) else "trouble"
                return word, as_json({"error": word}, 401)
        return "scan", self._front.with_cookies(as_json(told), cookies)

    async def callback(self, visit: LoginVisit) -> Outcome:
        """Take what WeChat sends back; HEAD and loading ahead spend nothing."""
        if visit.is_head:
            return "head", nothing()
        if visit.is_prefetch:
            return "prefetch", self._front.notice(visit, Notice("prefetch"))
        state = visit.state() if visit.is_plain else None
        if state is None:
            if refused := self._flood(visit, self._strangers):
                return refused
            return "unknown", redirect(self._front.login.places.ended(Page.TROUBLE, "unknown", None))
        returned = Returned(LoginState(state), visit.code(), visit.account())
        leave = await self._front.door.back(returned, visit.back_from(returned.state))
        # Counted afterwards: an address that strangers share with people is closed to strangers alone.
        if leave.turned_away and (refused := self._flood(visit, self._strangers)):
            return refused
        return "settled", self._front.leave(replace(leave, url=without_inheritance(leave.url)))

    async def ended(self, visit: LoginVisit) -> Outcome:
        """Say how an attempt ended, and let people try again."""
        word = str(visit.request.path_params.get("word", ""))
        if word not in STATUS:
            # What a stranger makes up must not become a label of a metric.
            raise NotFound("there is no such page")
        app, realm = await self._known(visit.query("app"))
        again = again_of(visit.query("again"))
        back = await self._back(realm, visit) if realm else ""
        if word in ("stranger", "unknown") and realm is not None and again:
            # Whoever has no cookie here has not shown to be the person who began: a button, nothing else.
            return word, self._front.tap(visit, realm.title, Why.LOST, again)
        figures = {
            "name": app.title if app else "",
            "appid": app.appid if app else "",
            "realm": realm.name if realm else "",
        }
        return word, self._front.notice(visit, Notice(word, figures, again, back))

    async def _back(self, realm: Realm, visit: LoginVisit) -> str:
        """Find the site that people may go back to: on the realm's list, or that of the client that asked."""
        asked, name = visit.query("back"), visit.query("client")[:LONGEST_CLIENT_ID]
        if back := self._front.back_of(realm, asked):
            return back
        client = await self._front.login.store.realms.client(name) if name.isprintable() and name else None
        if not asked or client is None or client.realm != realm.name:
            return ""
        return asked if asked in map(home_of, client.redirect_uris) else ""

    async def done(self, visit: LoginVisit) -> Outcome:
        """Say that somebody is logged in, where no page has asked for it."""
        _, realm = await self._known(visit.query("app"))
        return "done", self._front.notice(visit, Notice("done", {"name": realm.title if realm else ""}))

    async def _named(self, visit: LoginVisit) -> tuple[App, Realm]:
        app = await self._front.app(visit.app)
        return app, await self._front.realm(app.realm)

    async def _known(self, name: str) -> tuple[App | None, Realm | None]:
        try:
            app = await self._front.app(name)
            return app, await self._front.realm(app.realm)
        except NotFound:
            return None, None

    def _goal(self, visit: LoginVisit, realm: Realm) -> Goal:
        """Read where the login leads; an address that is not on the realm's list is never gone to."""
        asked = visit.query("return_to")
        # Only a language that was asked for stays with the login; else each browser says its own.
        lang = {"lang": visit.lang.value} if visit.query("lang") else {}
        if not asked:
            return Goal(Purpose.PAGE, {"return_to": f"{DONE}?{urlencode({'app': visit.app} | lang)}", **lang})
        if (path := local_path(asked)) is not None:
            return Goal(Purpose.PAGE, {"return_to": path, **lang})
        if not is_allowed(asked, realm.return_to):
            raise ReturnRefused(realm)
        names = ("result", "state", "nonce", "code_challenge", "code_challenge_method", "client_id")
        present = {name: visit.query(name) for name in names if visit.query(name)}
        goal = read_wish(asked, present).goal
        return Goal(goal.purpose, {**goal.data, **lang})

    def _demand(self, visit: LoginVisit, app: App, realm: Realm, goal: Goal) -> Demand:
        visit.check()
        demand = Demand(
            realm=realm.name,
            goal=goal,
            app=app.name,
            mode=visit.mode(),
            prompt=visit.prompt(),
            max_age=visit.max_age(),
            acr=visit.acr(),
            lang=visit.lang.value,
            tapped=visit.is_tapped(),
        )
        return keep_terms(demand, self._front.node.clock.now())

    def _in_our_page(self, visit: LoginVisit, realm: Realm, demand: Demand, leave: Leave) -> Outcome:
        """Show WeChat's QR code in a page of ours; the same attempt can go on at WeChat's own page."""
        login = json.dumps(wxlogin(leave.url, demand))
        page = self._front.pages.qr(visit.request, visit.lang, name=realm.title, login=login, full=leave.url)
        return "qr", self._front.with_cookies(page, leave.cookies)

    def _flood(self, visit: LoginVisit, limiter: Limiter) -> Outcome | None:
        """Count a visit of an address; answer it when there are too many."""
        address = household(client_ip(visit.request.scope, self._front.node.settings.proxies))
        if not (wait := limiter.take(address, time.monotonic())):
            return None
        return self._front.too_many(visit, wait)


def without_inheritance(url: str) -> str:
    """Give an address a fragment of its own, an empty one.

    Browsers hand the fragment of a redirect's address on to where it leads, and WeChat's links end with
    #wechat_redirect: applications that keep their routes in the fragment would not find that one.
    """
    return url if "#" in url else url + "#"


def wxlogin(url: str, demand: Demand) -> dict[str, object]:
    """Make what `new WxLogin({…})` takes of the link to WeChat's full page; `id` is the element's.

    Who wants to choose the account is not offered the one that WeChat on this computer has: that is scanned.
    """
    query = dict(parse_qsl(urlsplit(url).query))
    # The script knows "en", and takes everything else for Chinese.
    lang = {"lang": query["lang"]} if "lang" in query else {}
    return lang | {
        "self_redirect": False,
        "id": "wx_login",
        "appid": query["appid"],
        "scope": query["scope"],
        # wxLogin.js puts it into an address as it is.
        "redirect_uri": quote(query["redirect_uri"], safe=""),
        "state": query["state"],
        "stylelite": 1,
        "fast_login": int(Prompt.SELECT_ACCOUNT not in demand.prompt),
    }
