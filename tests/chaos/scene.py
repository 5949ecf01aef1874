"""The stage of a chaos run: WeChat, a database, nodes, and a wire between each two of them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.evidence import Disturbance, Key, Rows
from tests.chaos.links import Front, Link
from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.processes import ServerProcess, free_port
from tests.servers.templates import migrated_file
from wxgate.clock import SystemClock
from wxgate.custody.clients import ClientScope
from wxgate.custody.issuing import Clients, NewClient
from wxgate.custody.records import DirectAccount, Platform, PushCredentials
from wxgate.emulator.running import RunningEmulator
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import ApiKey, AppSecret, EncodingAESKey, PushToken, Secret
from wxgate.store import Store
from wxgate.store.keyfile import load_vault

ROOT = Path(__file__).parents[2]

FOLLOWED_WITHIN = 2.0
"""Seconds in which a node has noticed that the clock was moved."""

READY_WITHIN = 90.0

QUIET = (2, 6)
"""Which of the accounts are quiet: one of the first platform, and one of both."""

WECHAT_LATENCY = 0.04
"""How far away WeChat is, one way: long enough for two nodes to want the same thing."""


@dataclass(slots=True)
class Member:
    """One node with its wires; `wanted` is whether somebody keeps it running at present."""

    name: str
    address: str
    process: ServerProcess
    wechat: Link
    database: Link | None
    wanted: bool = True
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    starts: int = 0


@dataclass(slots=True)
class Scene:
    """Everything a fault can be done to."""

    emulator: RunningEmulator
    postgres: PostgresServer | None
    database_file: Path | None
    front: Front
    nodes: list[Member]
    rows: Rows
    key_file: Path
    api_key: ApiKey = ApiKey("")  # noqa: RUF009 (a constant: it has no state)
    platforms: list[str] = field(default_factory=list)
    pairs: list[Key] = field(default_factory=list)
    """Every authorization, and the direct accounts."""
    openids: dict[str, str] = field(default_factory=dict)
    quiet: list[str] = field(default_factory=list)
    """Accounts to which nobody writes but in a rush, so that their tokens are expired by then."""
    disturbances: list[Disturbance] = field(default_factory=list)
    database_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> float:
        """Tell the time in this world."""
        return self.emulator.clock.now()

    @contextlib.contextmanager
    def disturbing(self, kind: str, node: Member | None = None) -> Any:
        """Note that something is disturbed for as long as the block runs, and a little longer."""
        began = self.now()
        try:
            yield
        finally:
            ended = self.now() + FOLLOWED_WITHIN
            self.disturbances.append(Disturbance(kind, node.name if node else None, began, ended))

    async def rush(self, appids: Sequence[str], writers: int = 6) -> None:
        """Let many write to some accounts at once, so that all nodes need the tokens in the same moment."""
        what = {"type": "text", "wait": False}
        await asyncio.gather(
            *(
                self.act(
                    "message", appid=appid, openid=self.openids[appid], content=f"call r{number}", **what
                )
                for appid in appids
                for number in range(writers)
            )
        )

    async def act(self, what: str, **fields: Any) -> Any:
        """Let something happen in WeChat."""
        return await self.emulator.control("POST", f"act/{what}", fields)

    async def authorize(self, key: Key, func_ids: Sequence[int], *, wait: bool = False) -> None:
        """Let a merchant authorise, once more where that has been done."""
        platform, appid = key
        await self.act("authorize", platform=platform, appid=appid, func_ids=list(func_ids), wait=wait)

    def advance(self, seconds: float) -> None:
        """Move every clock forward; the nodes follow."""
        with self.disturbing("clock"):
            self.emulator.clock.advance(seconds)

    async def supervise(self) -> None:
        """Start nodes that have ended, as an operator's supervisor does, until cancelled."""
        while True:
            for node in self.nodes:
                if node.wanted and not node.process.running:
                    node.starts += 1
                    with self.disturbing("restart", node):
                        node.process.spawn()
            await asyncio.sleep(0.2)

    async def ready(self, node: Member) -> bool:
        """Tell whether a node says that it is ready."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            timeout = aiohttp.ClientTimeout(total=2)
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"{node.process.url}/readyz") as answer,
            ):
                return answer.status == 200
        return False

    async def until_ready(self, within: float = READY_WITHIN) -> list[str]:
        """Wait until every node is ready; name those that are not."""
        deadline = asyncio.get_running_loop().time() + within
        waiting = list(self.nodes)
        while waiting and asyncio.get_running_loop().time() < deadline:
            waiting = [node for node in waiting if not await self.ready(node)]
            if waiting:
                await asyncio.sleep(0.1)
        return [node.name for node in waiting]


@contextlib.asynccontextmanager
async def open_scene(
    folder: Path, *, engine: str, nodes: int, seed: int, sabotage: str | None = None
) -> AsyncIterator[Scene]:
    """Start everything, and make the platforms and accounts known to both sides."""
    async with contextlib.AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(RunningEmulator(seed=seed))
        emulator.emulator.calls.keep(None)
        postgres = None
        if engine == "postgres":
            tools = find_postgres()
            if tools is None:
                raise RuntimeError("PostgreSQL is not installed; take --database sqlite")
            postgres = stack.enter_context(PostgresServer(tools))
            url = postgres.create_migrated_database()
        else:
            url = f"sqlite:///{migrated_file(folder / 'wxgate.db')}"
        key_file = folder / "wxgate.key"
        ports = [free_port() for _ in range(nodes)]
        front = await stack.enter_async_context(Front([("127.0.0.1", port) for port in ports]))
        members = []
        for number, port in enumerate(ports):
            wires = await _wires(stack, emulator, postgres, number)
            members.append(_member(folder, number, port, wires, url, key_file, emulator.url, front, sabotage))
            stack.callback(members[-1].process.kill)
        rows = Rows(url, key_file)
        stack.push_async_callback(rows.close)
        database_file = None if postgres else folder / "wxgate.db"
        scene = Scene(emulator, postgres, database_file, front, members, rows, key_file)
        await _populate(scene, url)
        yield scene


async def _wires(
    stack: contextlib.AsyncExitStack, emulator: RunningEmulator, postgres: PostgresServer | None, number: int
) -> tuple[Link, Link | None]:
    host, _, port = emulator.url.removeprefix("http://").partition(":")
    wechat = await stack.enter_async_context(
        Link((host, int(port)), source=f"127.0.0.{number + 11}", latency=WECHAT_LATENCY)
    )
    if postgres is None:
        return wechat, None
    return wechat, await stack.enter_async_context(Link(("127.0.0.1", postgres.port)))


def _member(
    folder: Path,
    number: int,
    port: int,
    wires: tuple[Link, Link | None],
    url: str,
    key_file: Path,
    clock: str,
    front: Front,
    sabotage: str | None,
) -> Member:
    wechat, database = wires
    name = f"node-{number + 1}"
    if database is not None:
        head, _, path = url.rpartition("/")
        url = f"{head.rpartition(':')[0]}:{database.port}/{path}"
    there = f"http://127.0.0.1:{wechat.port}"
    env = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "WXGATE_DATABASE_URL": url,
        "WXGATE_KEY_FILE": str(key_file),
        "WXGATE_PUBLIC_BASE_URL": f"http://127.0.0.1:{front.port}",
        "WXGATE_API_BASE_URL": there,
        "WXGATE_MP_BASE_URL": there,
        "WXGATE_OPEN_BASE_URL": there,
        "WXGATE_RES_BASE_URL": there,
        "WXGATE_DEVELOPMENT_CLOCK_URL": clock,
    }
    if sabotage:
        env["CHAOS_SABOTAGE"] = sabotage
    process = ServerProcess.wxgate(
        *("serve", "--port", "{port}", "--app", "tests.chaos.gateway:gateway"),
        log_file=folder / f"{name}.log",
        ready="http://127.0.0.1:{port}/readyz",
        env=env,
        cwd=folder,
        port=port,
    )
    return Member(name, f"127.0.0.{number + 11}", process, wechat, database)


async def _populate(scene: Scene, url: str) -> None:
    """Make two platforms and eight accounts: three and two of one platform, two of both, one direct."""
    store = await Store.open(url, load_vault("", scene.key_file))
    try:
        for name in ("first", "second"):
            scene.platforms.append(await _add_platform(scene, store, name))
        first, second = scene.platforms
        issuers: Sequence[Sequence[str]] = (
            [[first]] * 3 + [[second]] * 2 + [[first, second]] * 2 + [["direct"]]
        )
        for number, held_by in enumerate(issuers):
            account = await scene.emulator.control("POST", "accounts", {"nick_name": f"account {number + 1}"})
            appid = account["appid"]
            user = await scene.emulator.control("POST", "users", {"follows": [appid]})
            scene.openids[appid] = user["openids"][appid]
            scene.pairs.extend((issuer, appid) for issuer in held_by)
            if number in QUIET:
                scene.quiet.append(appid)
            if held_by == ["direct"]:
                await _add_direct(scene, store, appid)
        scopes = frozenset({ClientScope.AUTHORIZER, ClientScope.DIRECT, ClientScope.REPORT})
        new = NewClient("another system", scopes, everything=True)
        _, scene.api_key = await Clients(store.clients, SystemClock()).add(new)
    finally:
        await store.close()


async def _add_platform(scene: Scene, store: Store, name: str) -> str:
    theirs = await scene.emulator.control("POST", "platforms", {"name": name})
    appid = str(theirs["appid"])
    front = f"http://127.0.0.1:{scene.front.port}"
    addresses = {
        "events_url": f"{front}/wechat/{appid}/events",
        "messages_url": f"{front}/wechat/{appid}/messages/$APPID$",
    }
    await scene.emulator.control("POST", "platforms", {"appid": appid, **addresses})
    await store.platforms.put_platform(
        Platform(
            appid=appid,
            name=name,
            secret=AppSecret(theirs["secret"]),
            push=PushCredentials((PushToken(theirs["token"]),), (EncodingAESKey(theirs["aes_key"]),)),
            redirect_key=Secret("a key for tenants"),
            created_at=datetime.now(UTC),
        )
    )
    return appid


async def _add_direct(scene: Scene, store: Store, appid: str) -> None:
    url = f"http://127.0.0.1:{scene.front.port}/wechat/direct/{appid}"
    theirs = await scene.emulator.control("POST", "accounts", {"appid": appid, "server": {"url": url}})
    server = theirs["server"]
    await store.platforms.put_direct(
        DirectAccount(
            appid=appid,
            name=theirs["nick_name"],
            secret=AppSecret(theirs["secret"]),
            user_name=theirs["user_name"],
            push=PushCredentials((PushToken(server["token"]),), (EncodingAESKey(server["aes_key"]),)),
            mode=Mode.SAFE,
            format=Format.XML,
            created_at=datetime.now(UTC),
        )
    )
