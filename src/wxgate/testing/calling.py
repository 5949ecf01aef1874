"""Calling an application as a server would: an ASGI application in this process, or an address over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

ASGIApp: TypeAlias = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole HTTP answer."""

    status: int
    body: bytes


class Target(Protocol):
    """Something that answers HTTP requests."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go of everything."""

    async def request(self, method: str, url: str, body: bytes, content_type: str) -> Answered:
        """Send one request and return the whole answer."""
        ...


class AddressTarget:
    """A server somewhere; each request has a connection of its own, as WeChat's pushes do."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def request(self, method: str, url: str, body: bytes, content_type: str) -> Answered:
        """Send one request; redirects are not followed."""
        if self._session is None:
            await self.open()
        assert self._session is not None
        async with self._session.request(
            method,
            URL(url, encoded=True),
            data=body,
            headers={"Content-Type": content_type},
            allow_redirects=False,
        ) as answer:
            return Answered(answer.status, await answer.read())


class AppTarget:
    """An ASGI application, called without a socket; its lifespan runs from `open` to `close`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lifespan: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._told: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        """Start the application, if it has a lifespan; raises what it raised."""
        self._lifespan = asyncio.create_task(self._live())
        await self._inbox.put({"type": "lifespan.startup"})
        told = asyncio.create_task(self._told.get())
        await asyncio.wait([told, self._lifespan], return_when=asyncio.FIRST_COMPLETED)
        if told.done() and told.result()["type"] == "lifespan.startup.failed":
            raise RuntimeError(
                f"the application did not start: {told.result().get('message') or 'see its log'}"
            )
        told.cancel()

    async def close(self) -> None:
        """End the application."""
        if self._lifespan is None:
            return
        await self._inbox.put({"type": "lifespan.shutdown"})
        # An application without a lifespan has ended long ago, by raising something.
        with suppress(Exception):
            await self._lifespan

    async def _live(self) -> None:
        async def send(event: MutableMapping[str, Any]) -> None:
            await self._told.put(event)

        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, self._inbox.get, send)

    async def request(self, method: str, url: str, body: bytes, content_type: str) -> Answered:
        """Call the application once."""
        parts = urlsplit(url)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": parts.scheme or "http",
            "path": unquote(parts.path) or "/",
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (b"host", (parts.netloc or "testserver").encode()),
                (b"content-type", content_type.encode()),
                (b"content-length", str(len(body)).encode()),
            ],
            "client": ("127.0.0.1", 1),
            "server": (parts.hostname or "testserver", parts.port or 80),
            "state": {},
        }
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])
        status, chunks = 0, list[bytes]()

        async def receive() -> MutableMapping[str, Any]:
            if (event := next(incoming, None)) is not None:
                return event
            await asyncio.Event().wait()  # the caller stays until the answer is there
            raise AssertionError

        async def send(event: MutableMapping[str, Any]) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            elif event["type"] == "http.response.body":
                chunks.append(event.get("body", b""))

        await self._app(scope, receive, send)
        return Answered(status, b"".join(chunks))
