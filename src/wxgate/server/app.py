"""The ASGI application of one node: pushes and the API raw and first, everything else behind Starlette."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from wxgate.errors import GatewayError
from wxgate.secret import trace_of
from wxgate.server.api import Api
from wxgate.server.asgi import ASGIApp, Receive, Scope, Send, send_plain
from wxgate.server.authorize import AuthorizePages
from wxgate.server.health import Health
from wxgate.server.login.routes import LoginRoutes
from wxgate.server.management.app import Management
from wxgate.server.node import Node
from wxgate.server.oidc.people import People
from wxgate.server.oidc.programs import Programs
from wxgate.server.pushes import Pushes

log = structlog.get_logger("wxgate.server")


def create_app(
    open_node: Callable[[], Awaitable[Node]], close_node: Callable[[Node], Awaitable[None]] = Node.close
) -> ASGIApp:
    """Make the application; its node opens with the lifespan, or at the first request without one."""
    return _App(open_node, close_node)


@dataclass(frozen=True, slots=True)
class _Served:
    """What an open node answers with."""

    node: Node
    pushes: ASGIApp
    api: ASGIApp
    pages: ASGIApp


class _App:
    def __init__(
        self, open_node: Callable[[], Awaitable[Node]], close_node: Callable[[Node], Awaitable[None]]
    ) -> None:
        self._open_node = open_node
        self._close_node = close_node
        self._served: _Served | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            served = self._served or await self._start()
        except GatewayError as fault:
            log.error("gateway.not_open", error=str(fault))
            await send_plain(send, 503, b"try_again")
            return
        if scope["type"] == "http" and scope["path"].startswith("/wechat/"):
            await served.pushes(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await served.api(scope, receive, send)
        else:
            await served.pages(scope, receive, send)

    async def _start(self) -> _Served:
        async with self._starting:
            if self._served is None:
                node = await self._open_node()
                self._served = _Served(node, Pushes(node), Api(node, Management(node)), _pages(node))
                node.runner.start()
        return self._served

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._served is not None:
                    node, self._served = self._served.node, None
                    await self._close_node(node)
                await send({"type": "lifespan.shutdown.complete"})
                return


def _pages(node: Node) -> Starlette:
    health, login = Health(node), LoginRoutes(node)
    pages = Starlette(
        routes=[
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            *AuthorizePages(node).routes(),
            *login.routes(),
            *Programs(node.login.oidc, node.metrics).routes(),
            *People(login.front).routes(),
        ],
        exception_handlers={Exception: _no_trace},
    )
    # It would send visitors on to whatever host their request names.
    pages.router.redirect_slashes = False
    return pages


async def _no_trace(_: Request, error: Exception) -> Response:
    """Answer a stranger in one line; the trace goes to the log."""
    log.error("request.failed", exception=trace_of(error))
    return PlainTextResponse(
        "temporarily unavailable, please try again · 暂时不可用，请稍后再试\n", status_code=503
    )
