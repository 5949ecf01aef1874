"""The endpoints that people's browsers come to: authorization and logout.

    authorize ──door──> an answer to the client, WeChat, or a page of login
    logout    ──hint of this very session──> ended       ──anything else──> asked first, then ended

What comes by POST is turned into an address that is opened: a form from another site brings no cookie of
ours along.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wxgate.errors import AuthorizationRefused, GatewayError, InvalidPush, NotFound, OAuthRefused, told
from wxgate.login.oidc.logout import LogoutRequest, read_logout
from wxgate.login.oidc.requests import LONGEST_CLIENT_ID, Parameters
from wxgate.login.oidc.terms import issuer_of
from wxgate.login.records import Client, Purpose, Realm, Session
from wxgate.login.visits import Cookies, Enter, Leave, Refuse
from wxgate.server.front import Outcome
from wxgate.server.limits import Limiter, household
from wxgate.server.login.csrf import TOKEN, form_token, is_from_us
from wxgate.server.login.front import LoginFront, nothing, redirect
from wxgate.server.login.pages import Notice
from wxgate.server.login.sessions import BY_HAND, LOGGED_OUT
from wxgate.server.login.starting import SECONDS, STARTS_PER_ADDRESS
from wxgate.server.login.visits import LoginVisit, as_name
from wxgate.server.oidc.answers import read_form, read_pairs
from wxgate.server.oidc.authorize import AuthorizationRequests

log = structlog.get_logger("wxgate.login")

LONGEST_QUERY = 16 * 1024

WORDS = {"invalid_redirect_uri": "bad_redirect", "unauthorized_client": "no_client", "no_issuer": "no_client"}
"""Which page says what is wrong, where no client can be told."""

PURPOSE = "oidc logout"
"""What the token of the form is for."""

Answer: TypeAlias = Callable[[LoginVisit, Realm], Awaitable[Outcome]]


class People:
    """Answers browsers."""

    def __init__(self, front: LoginFront) -> None:
        self._front = front
        self._login = front.login
        self._oidc = front.login.oidc
        self._requests = AuthorizationRequests(self._oidc, front.node.clock)
        self._starts = Limiter(STARTS_PER_ADDRESS, SECONDS)

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            self._route("authorize", self._authorize, self._as_get),
            self._route("logout", self._logout, self._confirmed),
        ]

    def _route(self, name: str, get: Answer, post: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            visit = self._front.visit(request)
            try:
                result, response = await self._answer(visit, post if request.method == "POST" else get)
            except (OAuthRefused, NotFound) as error:
                log.info("oidc.not_served", endpoint=name, error=str(error))
                result = error.error if isinstance(error, OAuthRefused) else "no_issuer"
                client = visit.query("client_id")[:LONGEST_CLIENT_ID] or "wxcl_…"
                figures = {"client": client, "why": str(error)}
                response = self._front.notice(visit, Notice(WORDS.get(result, "bad_request"), figures))
            except InvalidPush as error:
                # The body is too long, or did not come.
                log.info("oidc.not_served", endpoint=name, error=str(error))
                result, response = (
                    "invalid_request",
                    self._front.notice(visit, Notice("bad_request", {"why": str(error)})),
                )
            except GatewayError as error:
                log.warning("oidc.page_failed", endpoint=name, **told(error))
                result, response = "trouble", self._front.notice(visit, Notice("trouble"))
            self._front.node.metrics.oidc.labels(name, result).inc()
            return response

        return Route(f"/oidc/{{realm}}/{name}", endpoint, methods=["GET", "POST"], name=f"oidc_{name}")

    async def _answer(self, visit: LoginVisit, answer: Answer) -> Outcome:
        if visit.is_head:
            return "head", nothing()
        if visit.is_prefetch:
            return "prefetch", self._front.notice(visit, Notice("prefetch"))
        realm = await self._front.realm(as_name(str(visit.request.path_params["realm"])))
        return await answer(visit, realm)

    async def _as_get(self, visit: LoginVisit, realm: Realm) -> Outcome:
        form = (await read_form(visit.request)).once()
        return "posted", redirect(f"{self._oidc.base}{visit.request.url.path}?{urlencode(form)}")

    async def _authorize(self, visit: LoginVisit, realm: Realm) -> Outcome:
        """Open the door for a client."""
        try:
            demand = await self._requests.demand(realm.name, _parameters(visit.request), visit.lang)
        except AuthorizationRefused as error:
            return error.error, redirect(self._requests.answer(realm.name, error))
        if wait := self._starts.take(household(visit.visitor.address), time.monotonic()):
            response = self._front.notice(visit, Notice("too_many"))
            response.headers["Retry-After"] = str(math.ceil(wait))
            return "too_many", response
        demand = replace(demand, tapped=visit.is_tapped())
        answer = await self._login.door.open(demand, visit.visitor)
        finisher = self._login.finishers[Purpose.OIDC]
        match answer:
            case Enter(session, cookies):
                location = await finisher.arrived(demand.goal, session)
                return "entered", self._front.with_cookies(redirect(location), cookies)
            case Leave():
                return "left", self._front.leave(answer)
            case Refuse(word, description):
                # Scripts and frames are no place for pages, so whatever the prompt was, the client is told.
                location = await finisher.refused(demand.goal, word, description) or self._oidc.base
                return word, redirect(location)
            case _:
                return self._front.show(visit, realm, answer)

    async def _logout(self, visit: LoginVisit, realm: Realm) -> Outcome:
        """End the session that the client shows to be its own, or ask the person."""
        parameters = _parameters(visit.request)
        asked = await self._read_logout(realm, parameters)
        session = await self._held(visit, realm)
        if session is None or asked.ends_without_asking(await self._sid(asked, session)):
            return await self._end(visit, realm, asked, session)
        fields = {name: value for name, value in parameters.once().items() if name != TOKEN}
        key = visit.visitor.at(realm.name).session_id
        fields[TOKEN] = form_token(key, PURPOSE) if key else ""
        page = self._front.pages.logout(
            visit.request,
            visit.lang,
            name=realm.title,
            action=visit.request.url.path,
            fields=fields,
            back=asked.next or "",
        )
        return "asked", page

    async def _confirmed(self, visit: LoginVisit, realm: Realm) -> Outcome:
        """End the session for whoever pressed the button of our page; another site's form asks first."""
        parameters = await read_form(visit.request)
        form = parameters.once()
        if TOKEN not in form:
            return "posted", redirect(f"{self._oidc.base}{visit.request.url.path}?{urlencode(form)}")
        key = visit.visitor.at(realm.name).session_id
        headers, origin = visit.request.headers, self._front.origin
        if not is_from_us(headers, origin, key=key, purpose=PURPOSE, token=form[TOKEN]):
            return "forged", self._front.notice(visit, Notice("forged"))
        asked = await self._read_logout(realm, parameters)
        session = await self._held(visit, realm)
        return await self._end(visit, realm, asked, session, everywhere=form.get("all") == "1")

    async def _read_logout(self, realm: Realm, parameters: Parameters) -> LogoutRequest:
        hint = parameters.get("id_token_hint")
        claims = await self._oidc.keyring.verify(realm.name, hint) if hint else None
        named = parameters.get("client_id") or str((claims or {}).get("aud", ""))
        client = await self._client(named)
        return read_logout(parameters, client, claims, issuer_of(self._oidc.base, realm.name), realm.name)

    async def _end(
        self,
        visit: LoginVisit,
        realm: Realm,
        asked: LogoutRequest,
        session: Session | None,
        *,
        everywhere: bool = False,
    ) -> Outcome:
        held = session
        if session is None and asked.names_session(self._front.node.clock.now()):
            # The cookie may be gone already; the ID token says just as well which session is meant.
            session = await self._oidc.store.sessions.by_sid(asked.sid or "")
        ended = [await self._login.endings.end(session, BY_HAND)] if session is not None else []
        # Old ID tokens lie about in logs: only whoever has the session itself, and alive, ends the others.
        if held is not None and any(ended) and everywhere:
            ended += await self._login.endings.end_all(realm.name, BY_HAND, sub=held.sub)
        gone = f"{self._front.base}{LOGGED_OUT}?{urlencode({'realm': realm.name})}"
        response = redirect(asked.next or gone)
        self._front.with_cookies(response, Cookies(realm=realm.name, forget=True, logged_out=True))
        return "ended" if any(ended) else "nobody", response

    async def _held(self, visit: LoginVisit, realm: Realm) -> Session | None:
        session = await self._login.entering.held(realm.name, visit.visitor.at(realm.name))
        return session if session is not None and session.ended_at is None else None

    async def _sid(self, asked: LogoutRequest, session: Session) -> str:
        """Name a session as the client knows it that asks for its end."""
        if asked.client is None:
            return session.sid
        return await self._oidc.subjects.sid_told_to(asked.client, session.sid)

    async def _client(self, client_id: str) -> Client | None:
        fit = 0 < len(client_id) <= LONGEST_CLIENT_ID and client_id.isprintable()
        return await self._oidc.store.realms.client(client_id) if fit else None


def _parameters(request: Request) -> Parameters:
    query: bytes = request.scope["query_string"]
    if len(query) > LONGEST_QUERY:
        raise OAuthRefused("invalid_request", f"the query is longer than {LONGEST_QUERY} bytes")
    return read_pairs(query)
