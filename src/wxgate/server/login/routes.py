"""The addresses of login: in to WeChat, back from it, and the pages where it ends otherwise."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from wxgate.login.addresses import CALLBACK, local_path
from wxgate.login.records import Goal, Mode, Purpose
from wxgate.login.visits import Answer, Demand, Enter, Leave, Refuse, Visitor
from wxgate.server.login.cookies import CookieJar
from wxgate.server.login.requests import returned_of, visitor_of
from wxgate.server.node import Node
from wxgate.server.pages import Referrer, private_headers

HEADERS = private_headers(Referrer.NONE)

MODES = {"silent": Mode.SILENT, "consent": Mode.CONSENT, "qr": Mode.QR, "scan": Mode.SCAN}


class LoginRoutes:
    """Serves everything under /login."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._login = node.login
        self._jar = CookieJar(node.settings.public_base_url)

    def routes(self) -> list[Route]:
        """List the routes; no app can be called `callback`."""
        return [
            Route(CALLBACK, self._callback, methods=["GET"]),
            Route("/login/wechat/{app}", self._start, methods=["GET"]),
            Route("/login/ended/{page}", self._ended, methods=["GET"]),
        ]

    async def _start(self, request: Request) -> Response:
        app = await self._login.store.realms.app(request.path_params["app"])
        if app is None:
            return PlainTextResponse("no such app · 没有这个应用\n", 404, HEADERS)
        if request.method == "HEAD":
            return Response(status_code=204, headers=HEADERS)
        return_to = local_path(request.query_params.get("return_to", "/"))
        if return_to is None:
            return PlainTextResponse("return_to is no path of this site\n", 400, HEADERS)
        goal = Goal(Purpose.PAGE, {"return_to": return_to})
        demand = Demand(
            app.realm, goal, app=app.name, mode=MODES.get(request.query_params.get("mode", "auto"))
        )
        answer = await self._login.door.open(demand, self._visitor(request))
        return await self._respond(demand, answer)

    async def _callback(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(status_code=204, headers=HEADERS)
        answer = await self._login.door.back(returned_of(request), self._visitor(request))
        return await self._respond(None, answer)

    async def _ended(self, request: Request) -> Response:
        page, why = request.path_params["page"], request.query_params.get("why", "")
        return PlainTextResponse(f"{page[:20]}: {why[:40]}\n", 400, HEADERS)

    def _visitor(self, request: Request) -> Visitor:
        return visitor_of(request, self._jar, self._node.settings.proxies)

    async def _respond(self, demand: Demand | None, answer: Answer) -> Response:
        response: Response
        match answer:
            case Enter():
                assert demand is not None
                location = await self._login.finishers[demand.goal.purpose].arrived(
                    demand.goal, answer.session
                )
                response = RedirectResponse(location, 303, HEADERS)
            case Leave():
                response = RedirectResponse(answer.url, 303, HEADERS)
            case Refuse():
                return JSONResponse(
                    {"error": answer.word, "error_description": answer.description}, 401, HEADERS
                )
            case _:
                response = PlainTextResponse(f"{answer.page}\n", 200, HEADERS)
        self._jar.write(response, answer.cookies, self._node.clock.now())
        return response
