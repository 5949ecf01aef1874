"""`wxgate rehearse` and `wxgate release-test`: our own server passes, others are told what is wrong."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner

from tests.cli.conftest import Cli
from tests.harness import Harness, listen, serving
from wxgate.cli.main import app
from wxgate.custody.records import Platform, PushCredentials
from wxgate.errors import ConfigError
from wxgate.protocol.official_tests import RELEASE_TEST_ACCOUNTS
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret
from wxgate.server.app import create_app
from wxgate.server.node import Node
from wxgate.settings import load_settings

APPID, TOKEN, KEY = "wx0123456789abcdef", "aTokenOfThePlatform", "k" * 43
SECRET = "0123456789abcdef0123456789abcdef"

BUSINESS = """
from wxgate import Gateway

gateway = Gateway()

@gateway.on("*")
def answer(message):
    return "business"
"""


async def test_our_own_server_passes_with_business_handlers_in_place(cli: Cli) -> None:
    (cli.folder / "shop.py").write_text(BUSINESS)
    done = await cli("rehearse", "--app", "shop:gateway", "--json", "--wait", "60")
    assert done.code == 0, done.out + done.err
    (run,) = done.json["runs"]
    assert run["kind"] == "official_account"
    steps = {step["step"]: step["verdict"] for step in run["steps"]}
    names = ("ticket", "authorized", "text", "api_text", "event", "unauthorized")
    assert steps == dict.fromkeys(names, "right")


@contextlib.asynccontextmanager
async def in_json() -> AsyncIterator[str]:
    """Serve what many frameworks make of a text: JSON."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response("success")

    served = web.Application()
    served.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_somebody_elses_broken_server_fails_with_the_exact_exchange(cli: Cli) -> None:
    async with in_json() as url:
        given = ("--appid", APPID, "--token", TOKEN, "--aes-key", KEY)
        done = await cli(
            "rehearse", "--events", f"{url}/events", "--messages", f"{url}/messages/$APPID$", *given
        )
    assert done.code == 1
    assert "回答是 JSON" in done.out
    assert "The answer is JSON" in done.out
    assert "TESTCOMPONENT_MSG_TYPE_TEXT" in done.out
    assert "msg_signature=" in done.out
    assert '< "success"' in done.out
    assert "made for this rehearsal" in done.out


async def test_somebody_elses_good_server_passes_by_calling_the_address_it_is_told(
    cli: Cli, tmp_path: Path
) -> None:
    with listen() as taken:
        wechat = f"http://127.0.0.1:{taken.getsockname()[1]}"
    settings = load_settings(
        database_url=f"sqlite:///{tmp_path / 'other.db'}",
        key_file=tmp_path / "other.key",
        api_base_url=wechat,
    )
    node = await Node.open(settings)
    await node.store.platforms.put_platform(
        Platform(
            appid=APPID,
            name="另一家",
            secret=AppSecret(SECRET),
            push=PushCredentials((PushToken(TOKEN),), (EncodingAESKey(KEY),)),
            redirect_key=Secret("key"),
            created_at=datetime.now(UTC),
        )
    )

    async def opened() -> Node:
        return node

    with listen() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/wechat/{APPID}"
        mini = next(one.appid for one in RELEASE_TEST_ACCOUNTS if one.is_mini_program)
        async with serving(create_app(opened), listener):
            done = await cli(
                *("rehearse", "--events", f"{url}/events", "--messages", f"{url}/messages/$APPID$", "--json"),
                *("--appid", APPID, "--token", TOKEN, "--aes-key", KEY, "--secret", "-"),
                *("--listen", wechat.removeprefix("http://"), "--account", mini, "--wait", "60"),
                stdin=SECRET,
            )
    assert done.code == 0, done.out + done.err
    assert [step["step"] for step in done.json["runs"][0]["steps"]] == [
        *("ticket", "authorized", "api_text", "unauthorized"),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--account", APPID), "none of WeChat's test accounts"),
        (("--events", "http://127.0.0.1:1/x"), "--messages and --appid"),
        (("--messages", "http://127.0.0.1:1/x"), "go together with --events"),
        (("--listen", "somewhere"), "write HOST:PORT"),
    ],
)
def test_what_does_not_make_sense_is_said_before_anything_starts(
    arguments: tuple[str, ...], told: str
) -> None:
    done = CliRunner().invoke(app, ["rehearse", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


async def test_real_runs_are_shown(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        await world.control("POST", "switches", {"push_timeout": 30})
        appid = RELEASE_TEST_ACCOUNTS[0].appid
        await world.act("release-test", platform=world.platform.appid, appid=appid)
        await world.node.release_testing.settle()
        shown = await cli.use(world)("release-test", "show", world.platform.appid, "--exchange")
    assert (shown.code, shown.err) == (0, "")
    assert appid in shown.out
    assert "返回 Api 文本消息" in shown.out
    assert "the customer-service message was sent" in shown.out
    assert "QUERY_AUTH_CODE:****" in shown.out
