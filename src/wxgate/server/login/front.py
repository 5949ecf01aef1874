"""What all login pages share: who comes, and the door's answers made into responses."""

import math
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from wxgate.errors import BadRequest, GatewayError, NotFound, TooManyAttempts, told
from wxgate.login.addresses import is_allowed, local_path
from wxgate.login.browsers import Browser
from wxgate.login.door import Door
from wxgate.login.handover import site_of
from wxgate.login.records import App, Realm
from wxgate.login.values import make_browser_key
from wxgate.login.visits import Cookies, Leave, Page, Show
from wxgate.secret import BrowserKey
from wxgate.server.front import Outcome
from wxgate.server.login.cookies import CookieJar
from wxgate.server.login.pages import LoginPages, Notice, Why
from wxgate.server.login.scan_pages import ScanPages
from wxgate.server.login.visits import TAP, LoginVisit, tap_mark
from wxgate.server.node import Node
from wxgate.server.pages import Referrer, private_headers

log = structlog.get_logger("wxgate.login")

START = "/login/wechat/"


class ReturnRefused(BadRequest):
    """The address to go back to is not on the realm's list."""

    def __init__(self, realm: Realm) -> None:
        super().__init__(f"return_to is not on the list of the realm {realm.name}")
        self.realm = realm


class LoginFront:
    """Reads visits and answers them, for the login pages and for the OpenID provider."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.login = node.login
        self.base = node.settings.public_base_url
        self.origin = site_of(self.base)
        self.jar = CookieJar(self.base)
        self.pages = LoginPages(
            res_base_url=node.settings.res_base_url, open_base_url=node.settings.open_base_url
        )
        self.scan_pages = ScanPages(self.pages.pages)

    @property
    def door(self) -> Door:
        """The door that everybody goes through."""
        return self.login.door

    def visit(self, request: Request) -> LoginVisit:
        """Read a request."""
        return LoginVisit(request, self.jar, self.node.settings.proxies)

    async def app(self, name: str) -> App:
        """Load an app; raise NotFound for what is none of ours."""
        app = await self.login.store.realms.app(name) if name else None
        if app is None:
            raise NotFound(f"no app {name or 'of that name'} here; `wxgate login app list` shows them")
        return app

    async def realm(self, name: str) -> Realm:
        """Load a realm; raise NotFound for what is none of ours."""
        realm = await self.login.store.realms.realm(name) if name else None
        if realm is None:
            raise NotFound(f"no realm {name or 'of that name'} here; `wxgate login realm list` shows them")
        return realm

    def leave(self, leave: Leave) -> Response:
        """Send the browser on."""
        return self.with_cookies(redirect(leave.url), leave.cookies)

    def with_cookies(self, response: Response, cookies: Cookies) -> Response:
        """Let the browser keep what it should."""
        self.jar.write(response, cookies, self.node.clock.now())
        return response

    def show(self, visit: LoginVisit, realm: Realm, show: Show) -> Outcome:
        """Make the page that the door asks for; what starts by a button starts at this very address."""
        match show.page:
            case Page.TAP:
                why = Why(show.facts.get("why", Why.ASKED))
                response = self.tap(visit, realm.title, why, self.here(visit))
            case Page.OPEN_IN_WECHAT:
                response = self.pages.open_in_wechat(
                    visit.request,
                    visit.lang,
                    name=realm.title,
                    address=self.base + self._in_wechat(visit),
                    wecom=visit.browser is Browser.WECOM,
                    computer=visit.browser is Browser.OTHER,
                )
            case Page.SCAN:
                response = self.scan_pages.code(visit.request, visit.lang, name=realm.title, facts=show.facts)
            case _:
                figures = {"name": realm.title, "realm": realm.name, "appid": "", **show.facts}
                word = show.facts.get("why", show.page.value)
                response = self.notice(visit, Notice(word, figures, again=self._again(visit, show.page)))
        return show.page.value, self.with_cookies(response, show.cookies)

    def tap(self, visit: LoginVisit, name: str, why: Why, start: str) -> Response:
        """Show a button that starts a login; what it leads to counts as tapped in this browser alone."""
        key = visit.visitor.browser_key or make_browser_key(self.login.random)
        page = self.pages.tap(
            visit.request, visit.lang, name=name, why=why, start=self.base + tapped(start, key)
        )
        return self.with_cookies(page, Cookies(browser_key=key))

    def notice(self, visit: LoginVisit, notice: Notice) -> Response:
        """Say how a visit ended; the button to try again counts as a tap."""
        key = visit.visitor.browser_key or make_browser_key(self.login.random)
        again = self.base + tapped(notice.again, key) if notice.again else ""
        page = self.pages.notice(
            visit.request,
            visit.lang,
            replace(notice, again=again),
        )
        return self.with_cookies(page, Cookies(browser_key=key)) if again else page

    def too_many(self, visit: LoginVisit, wait: float) -> Outcome:
        """Ask a visitor to wait."""
        if visit.wants_json:
            response = as_json({"error": "too_many", "error_description": "wait a moment"}, 429)
        else:
            response = self.notice(visit, Notice("too_many"))
        response.headers["Retry-After"] = str(math.ceil(wait))
        return "too_many", response

    def trouble(self, visit: LoginVisit, page: str, error: GatewayError) -> Outcome:
        """Say what is wrong, to a person or to a script."""
        figures = {"realm": "", "name": "", "appid": ""}
        match error:
            case TooManyAttempts():
                return self.too_many(visit, error.retry_after)
            case ReturnRefused():
                word, figures = "bad_return", figures | {"realm": error.realm.name}
            case BadRequest():
                word, figures = "bad_request", figures | {"why": str(error)}
                log.info("login.not_served", page=page, error=str(error))
            case NotFound():
                word = "unknown_app"
            case _:
                # The address stays as it is: whoever reloads it tries the same once more.
                word = "trouble"
                log.warning("login.page_failed", page=page, **told(error))
        if visit.wants_json:
            status = {"unknown_app": 404, "trouble": 503}.get(word, 400)
            why = "this cannot be answered at present" if word == "trouble" else str(error)
            return word, as_json({"error": word, "error_description": why}, status)
        return word, self.notice(visit, Notice(word, figures))

    def here(self, visit: LoginVisit) -> str:
        """Make the path of this page with its query, but for what only this browser may use."""
        query = [
            (name, value)
            for name, value in visit.request.query_params.multi_items()
            if name not in (TAP, "lang")
        ]
        return visit.request.url.path + (f"?{urlencode(query)}" if query else "")

    def _in_wechat(self, visit: LoginVisit) -> str:
        """Make the path that somebody opens in WeChat, who needs no code to scan there."""
        bare, _, query = self.here(visit).partition("?")
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair != ("mode", "scan")]
        return bare + (f"?{urlencode(kept)}" if kept else "")

    def back_of(self, realm: Realm, return_to: str) -> str:
        """Return the whole address that people may go back to, or ""."""
        if local_path(return_to) is not None:
            return self.base + return_to
        return return_to if is_allowed(return_to, realm.return_to) else ""

    def _again(self, visit: LoginVisit, page: Page) -> str:
        return "" if page is Page.NO_APP else self.here(visit)


def tapped(path: str, key: BrowserKey) -> str:
    """Put the mark of a tap into a path of ours."""
    bare, _, query = path.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != TAP]
    return f"{bare}?{urlencode([*kept, (TAP, tap_mark(key))])}"


def again_of(text: str) -> str:
    """Return where a page may let people start again: one of our own login addresses, or ""."""
    path = local_path(text)
    return path if path is not None and urlsplit(path).path.startswith(START) else ""


def redirect(url: str) -> Response:
    """Send the browser on; nobody on the way is told where it came from."""
    return RedirectResponse(url, status_code=303, headers=private_headers(Referrer.NONE))


def nothing() -> Response:
    """Answer a HEAD to an address that acts: nothing is done for it."""
    return Response(status_code=204, headers=private_headers(Referrer.NONE))


def as_json(document: Mapping[str, object], status: int = 200) -> Response:
    """Answer a script, for this visitor and this moment only."""
    return JSONResponse(dict(document), status, headers=private_headers(Referrer.NONE))
