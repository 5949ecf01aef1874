"""The emulator inside a running event loop, on a real port: for tests, ours and those of applications."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import aiohttp
import uvicorn

from wxgate.emulator.app import Emulator, EmulatorApp, create_app
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.world import World

GRACE_SECONDS = 0.5
"""What calls still under way are given at the end; those that hang on a fault have been let go before."""


class RunningEmulator:
    """Serve an emulator on a free port of 127.0.0.1 for the length of an `async with`."""

    def __init__(
        self, *, seed: int = 1, scenario: str | None = None, clock: EmulatorClock | None = None
    ) -> None:
        self._app: EmulatorApp = create_app(seed, scenario, clock)
        # Made as TCP by name: asyncio turns Nagle's delay off for no other socket.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def emulator(self) -> Emulator:
        """Return the parts, for tests that look inside."""
        emulator: Emulator = self._app.state.emulator
        return emulator

    @property
    def world(self) -> World:
        """Return the world."""
        return self.emulator.world

    @property
    def clock(self) -> EmulatorClock:
        """Return the emulator's clock."""
        return self.world.clock

    async def __aenter__(self) -> Self:
        """Start serving."""
        self._server = _Server(
            uvicorn.Config(
                self._app,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                # Longer than clients keep a connection, so that none is closed under a request.
                timeout_keep_alive=75,
            )
        )
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        await self._server.ready.wait()
        self.http = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of whatever hangs and stop serving."""
        await self.http.close()
        self.emulator.faults.remove()
        self._server.stop.set()
        await self._serving
        self._socket.close()

    async def control(self, method: str, path: str, data: Any = None, /, **query: str) -> Any:
        """Call the control plane, as in `control("POST", "act/ticket", {...})`; raises ValueError."""
        async with self.http.request(method, f"/_emulator/{path}", json=data, params=query) as answer:
            result = await answer.json()
            if answer.status != 200:
                raise ValueError(f"{method} {path}: {result['error']}")
            return result

    async def call(self, method: str, path: str, data: Any = None, /, **query: str) -> Any:
        """Call the emulated API and return its JSON."""
        async with self.http.request(method, path, json=data, params=query) as answer:
            return await answer.json(content_type=None)


class _Server(uvicorn.Server):
    """A server that starts and stops when told, and leaves signals to the program it runs in."""

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
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
