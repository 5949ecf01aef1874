"""The endpoints that people's browsers come to: authorization and logout."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from wxgate.errors import AuthorizationRefused, NotFound, OAuthRefused
from wxgate.login.oidc.requests import Parameters
from wxgate.login.records import Purpose, Realm
from wxgate.login.visits import Cookies, Enter, Leave, Refuse
from wxgate.server.login.cookies import CookieJar
from wxgate.server.login.pages import LoginPages, Notice
from wxgate.server.login.requests import visitor_of
from wxgate.server.node import Node
from wxgate.server.oidc.answers import read_form, read_pairs
from wxgate.server.oidc.authorize import AuthorizationRequests
from wxgate.server.pages import Referrer, private_headers
from wxgate.server.texts import Lang, choose_language

log = structlog.get_logger("wxgate.login")

LONGEST_QUERY = 16 * 1024

Outcome: TypeAlias = tuple[str, Response]


class People:
    """Answers browsers."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._login = node.login
        self._oidc = node.login.oidc
        self._requests = AuthorizationRequests(self._oidc)
        self._jar = CookieJar(node.settings.public_base_url)
        self._pages = LoginPages(
            res_base_url=node.settings.res_base_url, open_base_url=node.settings.open_base_url
        )

    def routes(self) -> list[Route]:
        """List the routes."""
        return [self._route("authorize", self._authorize)]

    def _route(self, name: str, answer: Callable[[Request, Realm], Awaitable[Outcome]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                realm = await self._realm(request)
                if request.method == "HEAD":
                    result, response = "head", Response(status_code=204, headers=HEADERS)
                elif request.method == "POST":
                    result, response = "post", await self._as_get(request)
                else:
                    result, response = await answer(request, realm)
            except (OAuthRefused, NotFound) as error:
                log.info("oidc.not_served", endpoint=name, error=str(error))
                result = error.error if isinstance(error, OAuthRefused) else "no_issuer"
                response = self._pages.notice(request, _lang(request), Notice("bad_request"))
            self._node.metrics.oidc.labels(name, result).inc()
            return response

        return Route(f"/oidc/{{realm}}/{name}", endpoint, methods=["GET", "POST"], name=f"oidc_{name}")

    async def _realm(self, request: Request) -> Realm:
        realm = await self._oidc.store.realms.realm(str(request.path_params["realm"]))
        if realm is None:
            raise NotFound("there is no such issuer here")
        return realm

    async def _as_get(self, request: Request) -> Response:
        """Let the browser open the address: a form from another site comes without the session's cookie."""
        form = (await read_form(request)).once()
        return RedirectResponse(f"{self._oidc.base}{request.url.path}?{urlencode(form)}", 303, HEADERS)

    async def _authorize(self, request: Request, realm: Realm) -> Outcome:
        try:
            demand = await self._requests.demand(realm.name, _parameters(request))
        except AuthorizationRefused as error:
            return error.error, _redirect(self._requests.answer(realm.name, error))
        visitor = visitor_of(request, self._jar, self._node.settings.proxies)
        answer = await self._login.door.open(demand, visitor)
        finisher = self._login.finishers[Purpose.OIDC]
        match answer:
            case Enter(session, _):
                result, response = "entered", _redirect(await finisher.arrived(demand.goal, session))
            case Leave(url, _):
                result, response = "left", _redirect(url)
            case Refuse(word, description):
                location = await finisher.refused(demand.goal, word, description)
                return word, _redirect(location or self._oidc.base)
            case _:
                figures = {"name": realm.title, "realm": realm.name, "appid": "", **answer.facts}
                notice = Notice(answer.page.value, figures)
                result, response = answer.page.value, self._pages.notice(request, _lang(request), notice)
        return result, self._with_cookies(response, answer.cookies)

    def _with_cookies(self, response: Response, cookies: Cookies) -> Response:
        self._jar.write(response, cookies, self._node.clock.now())
        return response


HEADERS = private_headers(Referrer.NONE)


def _redirect(url: str) -> Response:
    return RedirectResponse(url, status_code=303, headers=HEADERS)


def _parameters(request: Request) -> Parameters:
    query: bytes = request.scope["query_string"]
    if len(query) > LONGEST_QUERY:
        raise OAuthRefused("invalid_request", f"the query is longer than {LONGEST_QUERY} bytes")
    return read_pairs(query)


def _lang(request: Request) -> Lang:
    asked = request.query_params.get("lang") or request.query_params.get("ui_locales")
    return choose_language(asked, request.headers.get("accept-language"))
