"""Log in with WeChat in any ASGI application; `starlette` beside this has what its pages need.

app.add_middleware(WeChatLogin, issuer=..., client_id=..., client_secret=..., secret_key=..., base_url=...)
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from wxgate.sdk.login.addresses import quoted
from wxgate.sdk.login.exchange import MOST_BODY, Answer, Asked
from wxgate.sdk.login.flow import Login, Visit
from wxgate.sdk.login.options import Options

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class WeChatLogin:
    """Wrap an application: `request.state.wechat` is the Visit, and the pages of a login are served.

    A WebSocket is told who its visitor is, too, but never refused: what to do is for the application.
    """

    def __init__(self, app: Any, *, login: Login | None = None, **options: Any) -> None:
        self.login = login or Login(Options(**options))
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        visit, answer = await self.login.run_async(self.login.enter(await _read(self.login, scope, receive)))
        if scope["type"] == "websocket":
            answer = None
        if answer is not None:
            await _send(answer, visit, send)
            return

        async def sending(message: Message) -> None:
            if visit.instead is not None:
                if message["type"] == "http.response.start":
                    await _send(visit.instead, visit, send)
                return
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                cached = any(name.lower() == b"cache-control" for name, _ in headers)
                message = {**message, "headers": headers + _encoded(visit.headers(has_cache_control=cached))}
            await send(message)

        scope.setdefault("state", {})["wechat"] = visit
        await self._app(scope, receive, send if scope["type"] == "websocket" else sending)


async def _read(login: Login, scope: Message, receive: Receive) -> Asked:
    headers: dict[str, str] = {}
    for raw, text in scope["headers"]:
        name, value = raw.decode("latin-1").lower(), text.decode("latin-1")
        headers[name] = f"{headers[name]}; {value}" if name == "cookie" and name in headers else value
    method, path = scope.get("method", "GET"), quoted(scope["path"])
    body = b""
    while login.reads_body(method, path):
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > MOST_BODY:
            break
    return Asked(method, path, scope["query_string"].decode("latin-1"), headers, body)


async def _send(answer: Answer, visit: Visit, send: Send) -> None:
    lines = _encoded([*answer.lines, *visit.headers(has_cache_control=True)])
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body})


def _encoded(lines: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines]
