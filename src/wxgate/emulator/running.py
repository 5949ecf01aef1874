"""The emulator inside a running event loop, on a real port: for tests, ours and those of applications."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp

from wxgate.emulator.app import Emulator, EmulatorApp, create_app
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.serving import listen, serving, url_of
from wxgate.emulator.world import World


class RunningEmulator:
    """Serve an emulator on a free port of 127.0.0.1 for the length of an `async with`."""

    def __init__(
        self, *, seed: int = 1, scenario: str | None = None, clock: EmulatorClock | None = None
    ) -> None:
        self._app: EmulatorApp = create_app(seed, scenario, clock)
        self._socket = listen()
        self.url = url_of(self._socket)
        self._stack = AsyncExitStack()

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
        await self._stack.enter_async_context(serving(self._app, self._socket))
        self.http = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of whatever hangs and stop serving."""
        await self.http.close()
        self.emulator.let_go()
        await self._stack.aclose()

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
