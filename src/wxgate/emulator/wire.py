"""Breaking connections on purpose: cut before a byte of the answer, or in the middle of it."""

from starlette.types import ASGIApp, Receive, Scope, Send

_TRANSPORT = "wxgate.transport"


class ShowTransport:
    """ASGI middleware that puts the connection's transport where `cut` finds it.

    ASGI has no way to drop a connection. uvicorn's `send`, with either of its HTTP parsers, is a method of
    the object that serves the request, and that object knows the transport; so this must be the outermost
    layer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with the transport in the scope."""
        scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, send)


async def cut(scope: Scope, receive: Receive, send: Send) -> None:
    """Close the connection without an answer; under another server than uvicorn, with half of one."""
    transport = scope.get(_TRANSPORT)
    if transport is None:
        await cut_in_the_middle(scope, receive, send, 200, b"{}", "application/json")
        return
    transport.abort()
    await _gone(receive)


async def cut_in_the_middle(
    scope: Scope, receive: Receive, send: Send, status: int, body: bytes, content_type: str
) -> None:
    """Send the headers and half of the body, then close the connection."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    transport = scope.get(_TRANSPORT)
    if transport is not None:
        transport.close()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the server has seen the connection go; it would answer for us if we returned before."""
    while (await receive())["type"] != "http.disconnect":
        continue
