"""`wxgate serve` and `wxgate emulator`: ready lines, handlers, several workers, quick and clean ends."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.cli.conftest import Cli, wait_until_gone
from tests.server.streaming import streaming
from wxgate.custody.vault import KeyRing

ECHO = """
from wxgate import Gateway

gateway = Gateway()
not_a_gateway = 1


@gateway.on("text")
def echo(message):
    return message.content
"""


@asynccontextmanager
async def ready(cli: Cli, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """Start a server and wait for its URL; it is gone after the test."""
    process = await cli.start(*arguments, "--port", "0", "--json")
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())["url"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def end(process: Process, number: signal.Signals) -> int:
    """Send a signal and wait for the end, which must come within seconds."""
    process.send_signal(number)
    return await asyncio.wait_for(process.wait(), 30)


async def test_the_gateway_tells_its_address_and_ends_cleanly(cli: Cli) -> None:
    async with ready(cli, "serve") as (process, url):
        async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as answer:
            assert (await answer.json())["status"] == "ok"
            assert "server" not in answer.headers
        assert await end(process, signal.SIGTERM) == 0
        assert process.stderr is not None
        assert b"Traceback" not in await process.stderr.read()


async def test_open_streams_end_with_the_server_instead_of_holding_it_up(cli: Cli) -> None:
    added = await cli("client", "add", "laptop", "--all", "--scope", "events", "--json")
    async with (
        ready(cli, "serve") as (process, url),
        streaming(url, added.json["key"]) as stream,
    ):
        await stream.place()
        process.send_signal(signal.SIGTERM)
        assert await stream.rest() == []
        # Were the stream cut off after the time for requests under way, that would be said.
        assert process.stderr is not None
        assert b"timeout graceful shutdown exceeded" not in await process.stderr.read()


async def test_ctrl_c_ends_the_emulator_cleanly(cli: Cli) -> None:
    async with ready(cli, "emulator", "--scenario", "demo") as (process, url):
        async with aiohttp.ClientSession() as http, http.get(f"{url}/_emulator/state") as answer:
            assert (await answer.json())["platforms"]
        assert await end(process, signal.SIGINT) == 0


async def test_a_qr_code_that_waits_for_a_phone_holds_up_nobody_at_the_end(cli: Cli) -> None:
    page = {
        "redirect_uri": "http://a.example/",
        "response_type": "code",
        "scope": "snsapi_login",
        "state": "s",
    }
    async with ready(cli, "emulator") as (process, url), aiohttp.ClientSession(url) as http:

        async def shown() -> dict[str, object]:
            async with http.get("/_emulator/qr-logins") as answer:
                return dict((await answer.json())[0])

        async with http.post("/_emulator/accounts", json={"kind": "website"}) as made:
            appid = (await made.json())["appid"]
        async with http.get("/connect/qrconnect", params={"appid": appid, **page, "state": "s"}):
            uuid = (await shown())["uuid"]
        waiting = asyncio.create_task(http.get(f"/connect/l/qrconnect?uuid={uuid}"))
        while not (await shown())["polls"]:  # noqa: ASYNC110 - asked by HTTP
            await asyncio.sleep(0.01)
        assert await end(process, signal.SIGINT) == 0
        assert process.stderr is not None
        assert b"timeout graceful shutdown exceeded" not in await process.stderr.read()
        async with await waiting as answer:
            assert "wx_errcode=408" in await answer.text()


async def test_a_server_ends_with_whoever_holds_its_standard_input(cli: Cli) -> None:
    async with ready(cli, "emulator", "--until-stdin-ends") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_several_workers_share_one_port_and_serve_the_handlers(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(ECHO)
    async with ready(cli, "serve", "--workers", "2", "--app", "shop:gateway") as (process, url):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            for _ in range(4):
                async with http.get(f"{url}/readyz") as answer:
                    assert (await answer.json())["status"] == "ready"
        assert await end(process, signal.SIGINT) == 0
        assert len(children) >= 2
        await wait_until_gone(map(int, children))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nowhere:gateway", "nowhere"),
        ("shop:not_a_gateway", "not a wxgate.Gateway"),
    ],
)
async def test_a_wrong_app_is_explained(cli: Cli, tmp_path: Path, spec: str, told: str) -> None:
    (tmp_path / "shop.py").write_text(ECHO)
    done = await cli("serve", "--port", "0", "--app", spec)
    assert done.code == 1
    assert told in done.err


async def test_a_taken_port_is_explained(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = await cli("serve", "--port", str(taken.getsockname()[1]), "--json")
    assert done.code == 1
    assert "--port" in done.json["error"]["message"]


async def test_a_gateway_that_cannot_open_its_keys_says_so_in_a_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "wxgate.key").write_text("readable by everybody")
    (tmp_path / "wxgate.key").chmod(0o644)
    done = await cli("serve", "--port", "0")
    assert done.code == 1
    assert "chmod 600" in done.err


async def test_a_lost_key_file_does_not_start_a_gateway_with_a_new_key(cli: Cli, tmp_path: Path) -> None:
    direct = ("--appid", "wxf8b4f85f3a794e77", "--name", "Own", "--secret", "-", "--generate")
    added = await cli("account", "add", *direct, stdin="s" * 32)
    assert added.code == 0, added.err
    (tmp_path / "wxgate.key").unlink()
    done = await cli("serve", "--port", "0")
    assert done.code == 1
    assert "put it back" in done.err
    assert not (tmp_path / "wxgate.key").exists()
    other = await cli("serve", "--port", "0", env={"WXGATE_KEYS": KeyRing.generate().encode()})
    assert other.code == 1
    assert "does not fit this database" in other.err
