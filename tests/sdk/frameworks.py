"""The same small site in three frameworks, asked in-process as a server would ask it."""

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from flask import Flask, g
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from wxgate.sdk.login import Login, Visit

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x" * 50, ROOT_URLCONF=__name__)
    django.setup()

from wxgate.sdk.login import django as for_django
from wxgate.sdk.login import flask as for_flask
from wxgate.sdk.login import starlette as for_starlette


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """List the values of a header."""
        return [value for header, value in self.headers if header.lower() == name]


Ask = Callable[[str, str, Mapping[str, str], bytes], Reply]
"""Send a request: method, path with query, headers, body."""


def _told(visit: Visit) -> dict[str, Any]:
    return {"sub": visit.person.sub if visit.person else None, "login": visit.login_url()}


def starlette_site(login: Login) -> Ask:
    """Make the site in Starlette."""

    async def anybody(request: Request) -> JSONResponse:
        return JSONResponse(_told(request.state.wechat))

    @for_starlette.login_required()
    async def somebody(request: Request) -> JSONResponse:
        return JSONResponse(_told(request.state.wechat))

    @for_starlette.login_required("consent", max_age=300)
    def consenting(request: Request) -> JSONResponse:
        return JSONResponse(_told(request.state.wechat))

    routes = [Route("/", anybody), Route("/me", somebody, methods=["GET", "POST"]), Route("/pay", consenting)]
    app = Starlette(routes=routes, middleware=[Middleware(for_starlette.WeChatLogin, login=login)])
    return lambda *asked: asyncio.run(ask_asgi(app, *asked))


def flask_site(login: Login) -> Ask:
    """Make the site in Flask."""
    app = Flask(__name__)
    for_flask.WeChatLogin(app, login=login)

    @app.get("/")
    def anybody() -> dict[str, Any]:
        return _told(g.wechat)

    @app.route("/me", methods=["GET", "POST"])
    @for_flask.login_required()
    def somebody() -> dict[str, Any]:
        return _told(g.wechat)

    @app.get("/pay")
    @for_flask.login_required("consent", max_age=300)
    def consenting() -> dict[str, Any]:
        return _told(g.wechat)

    return lambda *asked: ask_wsgi(app, *asked)


def anybody(request: HttpRequest) -> JsonResponse:
    """Show anybody the page, in Django."""
    return JsonResponse(_told(request.wechat))


@csrf_exempt
@for_django.login_required()
def somebody(request: HttpRequest) -> JsonResponse:
    """Show the page to whoever is logged in."""
    return JsonResponse(_told(request.wechat))


@for_django.login_required("consent", max_age=300)
def consenting(request: HttpRequest) -> JsonResponse:
    """Show the page to whoever has just agreed."""
    return JsonResponse(_told(request.wechat))


urlpatterns = [path("", anybody), path("me", somebody), path("pay", consenting)]


def django_site(login: Login) -> Ask:
    """Make the site in Django, with its protection against forged forms."""
    middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
    middleware.insert(0, "wxgate.sdk.login.django.WeChatLoginMiddleware")
    with override_settings(WXGATE_LOGIN={"login": login}, MIDDLEWARE=middleware):
        app = WSGIHandler()
    return lambda *asked: ask_wsgi(app, *asked)


async def ask_asgi(app: Any, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Ask an ASGI application."""
    at, _, query = target.partition("?")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": at,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    start, *rest = sent
    lines = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return Reply(start["status"], lines, b"".join(message.get("body", b"") for message in rest))


def ask_wsgi(app: Any, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Ask a WSGI application."""
    at, _, query = target.partition("?")
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": at, "QUERY_STRING": query}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    setup_testing_defaults(environ)
    started: list[Any] = []
    content = app(environ, lambda *start: started.append(start))
    try:
        written = b"".join(content)
    finally:
        content.close()
    return Reply(int(started[0][0].split()[0]), list(started[0][1]), written)
