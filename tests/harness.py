"""A small world for a test: WeChat in a box, a gateway, and a platform that both sides know.

async with Harness(tmp_path) as world:
    await world.act("message", appid=..., openid=..., type="text", content="hi")
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from tests.servers.templates import migrated_file
from wxgate.clock import Clock, ShiftedClock
from wxgate.custody.records import Platform, PushCredentials
from wxgate.emulator.running import RunningEmulator
from wxgate.events.handlers import Handlers
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret
from wxgate.server.app import create_app
from wxgate.server.asgi import ASGIApp
from wxgate.server.node import Node
from wxgate.settings import load_settings


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to pytest and looks often whether it shall end."""

    async def main_loop(self) -> None:
        """Tick faster than the tenth of a second that every test would wait for."""
        ticks = count(1)
        while not await self.on_tick(next(ticks)):  # noqa: ASYNC110 - this is uvicorn's own loop, faster
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def listen() -> socket.socket:
    """Bind a free port of 127.0.0.1."""
    # Made as TCP by name: asyncio turns Nagle's delay off for no other socket.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application on a bound socket, in the test's event loop."""
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="gateway")
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the gateway ended before it was started")
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers["location"]


@dataclass(frozen=True, slots=True)
class World:
    """What a test sees: both sides, and the platform as we keep it."""

    emulator: RunningEmulator
    gateway_url: str
    node: Node
    platform: Platform
    clock: Clock
    http: aiohttp.ClientSession

    def url(self, path: str) -> str:
        """Make the address of a path of the gateway."""
        return self.gateway_url + path

    async def fetch(self, path: str, method: str = "GET", **headers: str) -> Fetched:
        """Ask the gateway (or any address) as a browser that follows no redirects."""
        url = path if path.startswith("http") else self.url(path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, url, headers=named, allow_redirects=False) as response:
            return Fetched(response.status, response.headers, await response.read())

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Talk to the emulator's control plane."""
        return await self.emulator.control(method, path, body)

    async def act(self, what: str, **fields: Any) -> Any:
        """Let something happen in WeChat: ticket, authorize, message; pushes are through on return."""
        return await self.control("POST", f"act/{what}", fields)

    async def push_ticket(self) -> None:
        """Let WeChat push a ticket, which is the first thing a platform needs."""
        await self.act("ticket", platform=self.platform.appid)

    async def add_account(self, nick_name: str = "晨光咖啡馆", **fields: Any) -> dict[str, Any]:
        """Make an account in WeChat; return its record there."""
        account: dict[str, Any] = await self.control("POST", "accounts", {"nick_name": nick_name, **fields})
        return account

    async def authorize(self, appid: str, **fields: Any) -> Any:
        """Let a merchant authorise the platform, without pages; the push of it has arrived on return."""
        return await self.act("authorize", platform=self.platform.appid, appid=appid, **fields)

    async def add_fault(self, path: str, action: str, **fields: Any) -> None:
        """Let WeChat's API go wrong on the next call of a path."""
        await self.control("POST", "faults", {"path": path, "action": action, **fields})

    async def calls(self, path: str) -> list[dict[str, Any]]:
        """List the calls of one API path that reached WeChat."""
        logged: list[dict[str, Any]] = await self.control("GET", f"calls?path={path}")
        return logged

    async def advance(self, by: timedelta) -> None:
        """Move the clocks of both sides."""
        if not isinstance(self.clock, ShiftedClock):
            raise TypeError("only a ShiftedClock moves together with the emulator's")
        await self.control("POST", "clock", {"advance": by.total_seconds()})
        self.clock.offset += by


class Harness:
    """Starts a world and takes it down again."""

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str | None = None,
        handlers: Handlers | None = None,
        clock: Clock | None = None,
        ticket: bool = True,
        platform_name: str = "云店通",
        **settings: Any,
    ) -> None:
        self._directory = directory
        self._database_url = database_url or f"sqlite:///{migrated_file(directory / 'wxgate.db')}"
        self._handlers = handlers
        self._clock = clock or ShiftedClock()
        self._ticket = ticket
        self._name = platform_name
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> World:
        async with contextlib.AsyncExitStack() as stack:
            world = await self._start(stack)
            self._stack = stack.pop_all()
        return world

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self, stack: contextlib.AsyncExitStack) -> World:
        emulator = await stack.enter_async_context(RunningEmulator())
        listener = listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        node = await self._open_node(url, emulator.url)
        app = create_app(lambda: _as_awaitable(node))  # The application closes the node when it ends.
        await stack.enter_async_context(serving(app, listener))
        # A server closes what is idle for five seconds, which a client sees late after a slow step.
        connector = aiohttp.TCPConnector(keepalive_timeout=2)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        platform = await self._register(emulator, url, node)
        world = World(emulator, url, node, platform, self._clock, http)
        if self._ticket:
            await world.push_ticket()
        return world

    async def _open_node(self, url: str, wechat: str) -> Node:
        settings = load_settings(
            database_url=self._database_url,
            key_file=self._directory / "wxgate.key",
            public_base_url=url,
            api_base_url=wechat,
            mp_base_url=wechat,
            open_base_url=wechat,
            res_base_url=wechat,
            **self._settings,
        )
        return await Node.open(settings, handlers=self._handlers, clock=self._clock)

    async def _register(self, emulator: RunningEmulator, url: str, node: Node) -> Platform:
        """Make the platform in WeChat and tell the gateway of it, as an operator does in two consoles."""
        theirs = await emulator.control("POST", "platforms", {"name": self._name})
        appid = theirs["appid"]
        addresses = {
            "events_url": f"{url}/wechat/{appid}/events",
            "messages_url": f"{url}/wechat/{appid}/messages/$APPID$",
            "authorize_domain": [url.removeprefix("http://")],
        }
        await emulator.control("POST", "platforms", {"appid": appid, **addresses})
        platform = Platform(
            appid=appid,
            name=self._name,
            secret=AppSecret(theirs["secret"]),
            push=PushCredentials((PushToken(theirs["token"]),), (EncodingAESKey(theirs["aes_key"]),)),
            redirect_key=Secret("a key that tenants check our redirects with"),
            created_at=datetime.now(UTC),
        )
        await node.store.platforms.put_platform(platform)
        return platform


async def _as_awaitable(node: Node) -> Node:
    return node
