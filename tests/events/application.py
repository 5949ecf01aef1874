"""An application that gets events: a small real HTTP server that behaves as it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.cast import until


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it arrived."""

    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of a webhook."""
        return self.headers.get("webhook-id", "")


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Application:
    """What arrived, and how it is answered: by a status, or by a function."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    behaviour: Behaviour | None = None
    in_air: int = 0
    most_in_air: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids of the webhooks that arrived."""
        return [got.id for got in self.got]

    async def arrived(self, count: int = 1) -> list[Got]:
        """Wait until so many requests have arrived."""

        async def enough() -> bool:
            return len(self.got) >= count

        await until(enough, seconds=20)
        return self.got

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, request.query_string, headers, body))
        self.in_air += 1
        self.most_in_air = max(self.most_in_air, self.in_air)
        try:
            if self.behaviour is not None:
                return await self.behaviour(request)
            return web.Response(status=self.status, body=self.body, headers=self.headers)
        finally:
            self.in_air -= 1


@contextlib.asynccontextmanager
async def application(host: str = "127.0.0.1") -> AsyncIterator[Application]:
    """Serve an application on a free port."""
    made = Application()
    server = web.Application(client_max_size=10 * 1024 * 1024)
    server.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(server, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    port = runner.addresses[0][1]
    made.url = f"http://{host}:{port}/hooks"
    try:
        yield made
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_server(answer: bytes, *, slowly: bool = False) -> AsyncIterator[str]:
    """Serve bytes as they are to whoever connects, all at once or one by one without end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while slowly:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    finally:
        server.close()
