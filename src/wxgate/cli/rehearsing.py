"""Sets the stage of a rehearsal: WeChat in a box, and the server under test, which may be our own gateway."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from wxgate.cli.children import Child
from wxgate.cli.credentials import Given
from wxgate.cli.demo import forget_settings, set_environment
from wxgate.cli.stage import post

PLAY_SECONDS = 300
"""Longer than the slowest server can make a run last."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A platform's server, as WeChat's console knows it."""

    appid: str
    events_url: str
    messages_url: str
    secret: str | None
    token: str
    aes_key: str


@dataclass(frozen=True, slots=True)
class OpenRehearsal:
    """Everything is up; `gave_secret` when the AppSecret was made for it."""

    session: aiohttp.ClientSession
    wechat: str
    tested: Tested
    gave_secret: bool
    gateway: Child | None

    async def play(self, account: str, patience: float) -> dict[str, Any]:
        """Play one run; return its report."""
        given = {"platform": self.tested.appid, "appid": account, "patience": patience}
        report: dict[str, Any] = await post(self.session, f"{self.wechat}/_emulator/act/release-test", given)
        return report

    def log_tail(self) -> list[str]:
        """Return the end of the gateway's log, where the gateway is ours."""
        return list(self.gateway.tail()) if self.gateway else []


@asynccontextmanager
async def open_rehearsal(
    tested: Tested | None, address: tuple[str, int], app: str | None
) -> AsyncIterator[OpenRehearsal]:
    """Start what is needed, and end it again whatever happens."""
    async with AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=PLAY_SECONDS)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wxgate-rehearse-")))
        if tested is None:
            # Nothing of the operator's settings or files takes part; only handlers are looked for from here.
            forget_settings()
            os.environ["PYTHONPATH"] = os.pathsep.join(
                [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
            )
            stack.enter_context(contextlib.chdir(folder))
        host, port = address
        emulator = await stack.enter_async_context(
            Child("emulator", "--host", host, "--port", str(port), log=folder / "emulator.log")
        )
        if tested is None:
            yield await _open_own(stack, session, emulator.url, folder, app)
            return
        theirs = await _put_platform(session, emulator.url, tested)
        known = replace(tested, secret=theirs["secret"])
        yield OpenRehearsal(session, emulator.url, known, tested.secret is None, None)


async def _open_own(
    stack: AsyncExitStack, session: aiohttp.ClientSession, wechat: str, folder: Path, app: str | None
) -> OpenRehearsal:
    """Start a gateway of our own, with a platform that both sides know."""
    from wxgate.cli.platform import put_platform
    from wxgate.logs import configure_logs
    from wxgate.server.node import Node
    from wxgate.settings import load_settings

    set_environment(folder, wechat)
    handlers = ("--app", app) if app else ()
    gateway = await stack.enter_async_context(
        Child("serve", "--port", "0", *handlers, log=folder / "gateway.log")
    )
    theirs = await post(session, f"{wechat}/_emulator/platforms", {"name": "全网发布检测"})
    tested = Tested(
        appid=theirs["appid"],
        events_url=f"{gateway.url}/wechat/{theirs['appid']}/events",
        messages_url=f"{gateway.url}/wechat/{theirs['appid']}/messages/$APPID$",
        secret=theirs["secret"],
        token=theirs["token"],
        aes_key=theirs["aes_key"],
    )
    configure_logs("error")
    async with await Node.open(load_settings()) as node:
        given = Given.read(
            (tested.secret, None), (tested.token, None), (tested.aes_key, None), generate=False
        )
        await put_platform(node, tested.appid, theirs["name"], given)
    await _put_platform(session, wechat, tested)
    return OpenRehearsal(session, wechat, tested, False, gateway)


async def _put_platform(session: aiohttp.ClientSession, wechat: str, tested: Tested) -> dict[str, Any]:
    given: dict[str, Any] = {
        "appid": tested.appid,
        "token": tested.token,
        "aes_key": tested.aes_key,
        "events_url": tested.events_url,
        "messages_url": tested.messages_url,
    }
    if tested.secret is not None:
        given["secret"] = tested.secret
    platform: dict[str, Any] = await post(session, f"{wechat}/_emulator/platforms", given)
    return platform
