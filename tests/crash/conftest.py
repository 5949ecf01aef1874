"""A gateway process that may be killed at any moment, beside an emulator that lives on."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.crash.scene import Scene
from tests.servers.processes import ServerProcess
from tests.servers.templates import migrated_file
from wxgate.custody.records import Platform, PushCredentials
from wxgate.emulator.running import RunningEmulator
from wxgate.events.records import Subscriber
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret

HANDLERS = '''
import asyncio, os, signal, threading
from wxgate import Gateway

gateway = Gateway()


def note(word, message):
    """Write a line that survives us."""
    with open("handled.log", "a") as log:
        print(word, message.msg_id, file=log, flush=True)
        os.fsync(log.fileno())


def die_once(milliseconds, message):
    """Kill this process so soon, at the first attempt only."""
    try:
        open("died." + message.msg_id, "x").close()
    except FileExistsError:
        return
    threading.Timer(milliseconds / 1000, os.kill, (os.getpid(), signal.SIGKILL)).start()


@gateway.on("text")
async def answer(message, account):
    note("began", message)
    if message.content == "slowly" or message.content.startswith("late"):
        await asyncio.sleep(0.6)
    if message.content == "call":
        await account.get("cgi-bin/user/info", {"openid": message.openid})
    note("ended", message)
    if " die " in " " + message.content:
        die_once(float(message.content.split()[-1]), message)
    return "reply to " + message.content
'''


@pytest.fixture
def more_env(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """What else the process finds in its environment."""
    given: Mapping[str, str] = getattr(request, "param", {})
    return given


@pytest.fixture
def subscribers() -> Sequence[Subscriber]:
    """Who is there to get events when the process starts."""
    return ()


@pytest.fixture
async def scene(
    tmp_path: Path,
    wxgate_process: Callable[..., ServerProcess],
    more_env: Mapping[str, str],
    subscribers: Sequence[Subscriber],
) -> AsyncIterator[Scene]:
    """A platform known to both sides with a ticket, and an account with a follower, not yet authorised."""
    async with RunningEmulator() as emulator:
        (tmp_path / "handlers.py").write_text(HANDLERS)
        process = wxgate_process(
            "serve",
            "--port",
            "{port}",
            "--app",
            "handlers:gateway",
            ready="http://127.0.0.1:{port}/readyz",
            env={
                "WXGATE_DATABASE_URL": f"sqlite:///{migrated_file(tmp_path / 'wxgate.db')}",
                "WXGATE_KEY_FILE": str(tmp_path / "wxgate.key"),
                "WXGATE_API_BASE_URL": emulator.url,
                "WXGATE_MP_BASE_URL": emulator.url,
                "WXGATE_OPEN_BASE_URL": emulator.url,
                "WXGATE_RES_BASE_URL": emulator.url,
                "WXGATE_DEVELOPMENT_CLOCK_URL": emulator.url,
                "WXGATE_SUBSCRIBER_NETWORKS": "127.0.0.0/8",
                **more_env,
            },
        )
        platform = await emulator.control("POST", "platforms", {"name": "crash"})
        appid = platform["appid"]
        await emulator.control(
            "POST",
            "platforms",
            {
                "appid": appid,
                "events_url": f"{process.url}/wechat/{appid}/events",
                "messages_url": f"{process.url}/wechat/{appid}/messages/$APPID$",
                "authorize_domain": [process.url.removeprefix("http://")],
            },
        )
        account = await emulator.control("POST", "accounts", {"nick_name": "shop"})
        user = await emulator.control("POST", "users", {"nickname": "user", "follows": [account["appid"]]})
        scene = Scene(emulator, process, tmp_path, appid, account["appid"], user["openids"][account["appid"]])
        async with scene.store() as store:
            await store.platforms.put_platform(
                Platform(
                    appid=appid,
                    name="crash",
                    secret=AppSecret(platform["secret"]),
                    push=PushCredentials(
                        (PushToken(platform["token"]),), (EncodingAESKey(platform["aes_key"]),)
                    ),
                    redirect_key=Secret("redirect key"),
                    created_at=datetime.now(UTC),
                )
            )
            for subscriber in subscribers:
                await store.subscribers.add(subscriber)
        await process.start()
        await scene.act("ticket", platform=appid)
        yield scene
