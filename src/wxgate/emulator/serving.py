"""Serving an application inside a running event loop, on a real port of 127.0.0.1."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS = 0.5
"""What calls still under way are given at the end; those that hang on a fault have been let go before."""

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep a connection, so that none is closed under a request."""


def listen() -> socket.socket:
    """Bind a free port."""
    # Made as TCP by name: asyncio turns Nagle's delay off for no other socket.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a bound socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application with its lifespan; what goes wrong at its start is raised here."""
    server = EmbeddedServer(
        uvicorn.Config(
            app,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve([listener]))
    await server.ready.wait()
    if not server.started:
        await task
        raise RuntimeError("the application ended before it was started; see its log")
    try:
        yield
    finally:
        server.stop.set()
        await task
        listener.close()


class EmbeddedServer(uvicorn.Server):
    """A server that starts and stops when told, and leaves signals to the program it runs in.

    `ready` is set when it listens or has failed to start; `stop` is for the caller to set.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    async def main_loop(self) -> None:
        """Serve until stopped, without looking every tenth of a second whether that is now."""
        await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, but without its fixed pauses: tests start many emulators."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
                    await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
