"""One door for everything an operator manages over HTTP: a key with the scope `manage`, JSON in and out.

FastAPI reads the requests and describes them at /v1/openapi.json; who may come in, how large a body may be
and what is written down of it is decided here, before and around it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any, cast

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wxgate import __version__
from wxgate.custody.clients import Client
from wxgate.errors import (
    BadFile,
    BadRequest,
    ConfigError,
    GatewayError,
    LinkRefused,
    MalformedPush,
    NotAuthorized,
    PushTooLarge,
    RequestRefused,
    SeveralIssuers,
)
from wxgate.secret import trace_of
from wxgate.server.asgi import Receive, Scope, Send, client_ip, header, read_body
from wxgate.server.management import (
    accounts,
    audits,
    clients,
    configuration,
    events,
    login,
    platforms,
    quotas,
    reconciling,
    replies,
    subscribers,
)
from wxgate.server.management.described import described
from wxgate.server.management.scope import calling, check_given, need_manage
from wxgate.server.node import Node
from wxgate.server.refusals import NO_SUCH_ROUTE, NOT_ALLOWED, UNEXPECTED, Refusal, refuse
from wxgate.server.requests import PRIVATE, read_query, send_json

log = structlog.get_logger("wxgate.api")

BODY_LIMIT = 1024 * 1024
"""The largest body: a file of platforms to apply is some kilobytes."""

DOCUMENT = "/v1/openapi.json"
"""Where the API describes itself, to anybody: it tells nothing of what is kept here."""

READING = ("GET", "HEAD")

REPEATED = frozenset({"path", "name"})
"""Parameters that may be given several times."""

DESCRIPTION = """
Send an API key with the scope `manage`: `Authorization: Bearer wxg_…` (`wxgate client add --scope manage`).
A key that is for some platforms or accounts reaches only these.

Every refusal is `{"error": {"code", "message", "message_zh", "hint"}}`; `code` is stable.
Secrets go in and never come out.
"""


class Management:
    """Admits a request and lets FastAPI answer it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._routes: asyncio.Future[FastAPI] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Watched(send)
        client: Client | None = None
        try:
            if scope["path"] != DOCUMENT:
                client = await self._admit(scope)
                need_manage(client)
                read_query(scope["query_string"], REPEATED)
                receive = await _bounded(scope, receive)
                # Every body here is JSON, whatever the caller's library calls it.
                others = [one for one in scope["headers"] if one[0] != b"content-type"]
                scope["headers"] = [*others, (b"content-type", b"application/json")]
            scope.setdefault("state", {})["client"] = client
            routes = await self._made()
            if scope["path"] == DOCUMENT:
                await asyncio.to_thread(openapi)
            await routes(scope, receive, answer)
        except GatewayError as error:
            await _send_refusal(answer, refuse(error))
        except Exception as error:
            log.exception("api.failed", path=scope["path"], exc_info=False, exception=trace_of(error))
            if not answer.status:
                await _send_refusal(answer, UNEXPECTED)
        await self._note(scope, client, answer.status)

    async def _made(self) -> FastAPI:
        """Make the routes when they are first asked for, beside the loop: it takes a tenth of a second."""
        if self._routes is None:
            self._routes = asyncio.ensure_future(asyncio.to_thread(_make_routes, self._node))
        return await asyncio.shield(self._routes)

    async def _admit(self, scope: Scope) -> Client:
        kind, _, key = (header(scope, b"authorization") or b"").decode("latin-1").partition(" ")
        ip = client_ip(scope, self._node.settings.proxies)
        return await self._node.admission.admit(key.strip() if kind.lower() == "bearer" else None, ip)

    async def _note(self, scope: Scope, client: Client | None, status: int) -> None:
        """Count the request, and write down who did it."""
        name = getattr(scope.get("route"), "name", "unknown")
        self._node.metrics.api.labels("manage", str(status)).inc()
        if client is None:
            return
        given = scope.get("path_params", {})
        await self._node.audit.note(
            client.id,
            name,
            issuer=str(given.get("platform", "")),
            account=_target(given),
            ip=client_ip(scope, self._node.settings.proxies),
            outcome=str(status),
        )


def _target(given: Mapping[str, str]) -> str:
    """Name what a request was about: an account, or what stands in its address under /v1/login/."""
    names = ("appid", "sub", "sid", "app", "realm")
    return next((str(given[name])[:64] for name in names if name in given), "")


@cache
def openapi() -> dict[str, Any]:
    """Describe the API, once in a process: the routes look at their node only when they are called."""
    return described(_make_routes(cast(Node, None)))


def _make_routes(node: Node) -> FastAPI:
    app = FastAPI(
        title="wxgate",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=DOCUMENT,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Exception: _answer_unexpected,
            RequestValidationError: _refuse_form,
            HTTPException: _refuse_route,
        },
    )

    @app.exception_handler(GatewayError)
    async def refuse_error(request: Request, error: GatewayError) -> Response:
        if request.method not in READING and _is_nonsense(error):
            # It is the request that makes no sense, and not the gateway that is set up wrongly.
            return _as_response(_refuse_content(error))
        if not isinstance(error, RequestRefused):
            log.warning("api.refused", path=request.url.path, error=str(error))
        link = error.link if isinstance(error, NotAuthorized) else ""
        return _as_response(refuse(error, link, narrow=not calling(request).reach.is_everything))

    for module in (
        platforms,
        accounts,
        audits,
        configuration,
        quotas,
        reconciling,
        clients,
        subscribers,
        events,
        replies,
        login,
    ):
        app.include_router(module.make_router(node), prefix="/v1", dependencies=[Depends(check_given)])
    app.openapi = openapi  # type: ignore[method-assign]  # this is how FastAPI takes another one
    return app


class _Watched:
    """Sends on, and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            private = {name for name, _ in PRIVATE}
            kept = [(name, value) for name, value in event["headers"] if name not in private]
            event = {**event, "headers": [*kept, *PRIVATE]}
        await self._send(event)


async def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Read the body, if it is not too large, and give it out in its place."""
    try:
        body = await read_body(scope, receive, BODY_LIMIT)
    except PushTooLarge as error:
        raise BadRequest(str(error), status=413) from None
    except MalformedPush as error:
        raise BadRequest(str(error)) from None
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return waiting.pop() if waiting else await receive()

    return again


async def _send_refusal(send: Send, refusal: Refusal) -> None:
    await send_json(send, refusal.status, refusal.body(), refusal.headers())


def _is_nonsense(error: GatewayError) -> bool:
    return isinstance(error, (ConfigError, LinkRefused)) and not isinstance(error, SeveralIssuers)


def _refuse_content(error: GatewayError) -> Refusal:
    refusal = refuse(BadRequest(str(error)))
    if not isinstance(error, BadFile):
        return refusal
    return replace(refusal, more={"mistakes": [asdict(mistake) for mistake in error.mistakes]})


async def _refuse_form(_: Request, error: Exception) -> Response:
    """Name what is wrong where, without the value: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    places = [
        f"{'.'.join(str(part) for part in one['loc'][1:]) or one['loc'][0]}: {one['msg']}"
        for one in error.errors()
    ]
    return _as_response(refuse(BadRequest("; ".join(places[:5]))))


async def _answer_unexpected(_: Request, __: Exception) -> Response:
    """Answer in our words; the error itself goes on to the door, which writes it down."""
    return _as_response(UNEXPECTED)


async def _refuse_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {refusal.status: refusal for refusal in (NO_SUCH_ROUTE, NOT_ALLOWED)}
    refusal = known.get(error.status_code) or refuse(BadRequest(str(error.detail)))
    response = _as_response(refusal)
    response.headers.update(error.headers or {})
    return response


def _as_response(refusal: Refusal) -> Response:
    headers = {name.decode(): value.decode() for name, value in refusal.headers()}
    return Response(refusal.body(), refusal.status, headers, media_type="application/json")
