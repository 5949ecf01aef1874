"""The addresses of login, each with the word that its visits are counted under."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wxgate.errors import GatewayError, NotFound
from wxgate.login.addresses import CALLBACK
from wxgate.server.front import Outcome
from wxgate.server.login.front import LoginFront
from wxgate.server.login.redeeming import Redeeming
from wxgate.server.login.scans import ScanRoutes
from wxgate.server.login.sessions import LOGGED_OUT, Sessions
from wxgate.server.login.starting import DONE, Starting
from wxgate.server.login.visits import LoginVisit
from wxgate.server.node import Node

Answer: TypeAlias = Callable[[LoginVisit], Awaitable[Outcome]]


class LoginRoutes:
    """Serves everything under /login."""

    def __init__(self, node: Node) -> None:
        self.front = LoginFront(node)
        self.starting = Starting(self.front)
        self._sessions = Sessions(self.front)
        self._redeeming = Redeeming(self.front)
        self._scans = ScanRoutes(self.front, self.starting.answer)

    def routes(self) -> list[Route]:
        """List the routes; no app can be called `callback`."""
        start, sessions = self.starting, self._sessions
        return [
            self._route(CALLBACK, "callback", start.callback),
            self._route("/login/wechat/{app}", "start", start.start),
            self._route("/login/wechat/{app}/qr.json", "qr", start.qr),
            self._route("/login/ended/{word}", "ended", start.ended),
            self._route(DONE, "done", start.done),
            self._route("/login/session", "session", sessions.show),
            self._route("/login/logout", "ask", sessions.ask),
            self._route("/login/logout", "logout", sessions.end, "POST"),
            self._route(LOGGED_OUT, "logged_out", sessions.gone),
            Route("/login/redeem", self._redeeming.endpoint, methods=["POST"], name="login_redeem"),
            self._route("/login/scan", "scan", start.scan, "POST"),
            *(self._route(*each) for each in self._scans.routes()),
            self._route("/login{rest:path}", "unknown", self._unknown),
        ]

    def _route(self, path: str, page: str, answer: Answer, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            visit = self.front.visit(request)
            try:
                result, response = await answer(visit)
            except GatewayError as error:
                result, response = self.front.trouble(visit, page, error)
            self.front.node.metrics.login_pages.labels(page, result).inc()
            return response

        return Route(path, endpoint, methods=[method], name=f"login_{page}")

    async def _unknown(self, visit: LoginVisit) -> Outcome:
        raise NotFound("there is no such page")
