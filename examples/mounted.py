"""A gateway beside a web site of your own, in one process: uvicorn mounted:app --port 8000

WeChat's pushes reach the gateway before any middleware of the site, so no session, CSRF or login rule can
answer WeChat in the gateway's place. The site may be any ASGI application: Starlette, FastAPI, Django.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from wxgate import Gateway
from wxgate.protocol.messages import SubscribeEvent
from wxgate.server.asgi import Receive, Scope, Send

gateway = Gateway()
wechat = gateway.asgi()


@gateway.on("event.subscribe")
async def welcome(message: SubscribeEvent) -> str:
    """Greet a new follower, by the shop whose QR code was scanned."""
    return f"Welcome to shop {message.scene}!" if message.scene else "Welcome!"


async def follower(request: Request) -> JSONResponse:
    """Show what WeChat tells of a follower; the site never sees a token."""
    account = gateway.account(request.path_params["appid"])
    return JSONResponse(await account.get("cgi-bin/user/info", {"openid": request.path_params["openid"]}))


site = Starlette(
    routes=[Route("/followers/{appid}/{openid}", follower)], middleware=[Middleware(GZipMiddleware)]
)

OURS = ("/wechat/", "/authorize/", "/healthz", "/readyz", "/metrics")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Give the gateway its paths and the start and end of the process, and everything else to the site."""
    to_gateway = scope["type"] == "lifespan" or scope["path"].startswith(OURS)
    await (wechat if to_gateway else site)(scope, receive, send)
