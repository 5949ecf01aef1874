"""`wxgate demo`, played to the end, broken on purpose, and interrupted."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import Process
from pathlib import Path

import aiohttp
import pytest

from tests.cli.conftest import Cli, wait_until_gone

STEPS = [
    *("ticket", "component_token", "authorize", "authorizer_token"),
    *("message_reply", "custom_message", "refresh"),
    *("login_in_wechat", "login_on_behalf", "login_qr", "login_oidc", "unauthorized"),
]


async def test_the_whole_story_plays_in_order(cli: Cli) -> None:
    done = await cli("demo", "--once", "--json")
    assert done.code == 0, done.err + done.out
    story = done.json
    assert story["ok"] is True
    assert list(story["steps"]) == STEPS
    assert all(step["ok"] and step["detail"] for step in story["steps"].values())
    assert "42001" in story["steps"]["refresh"]["detail"]


async def test_a_broken_step_fails_the_story_and_shows_the_logs(cli: Cli) -> None:
    fault = {"path": "/cgi-bin/component/api_query_auth", "action": "errcode", "errcode": 61009}
    done = await cli("demo", "--once", "--json", "--fault", json.dumps(fault))
    assert done.code == 1
    steps = done.json["steps"]
    assert [name for name in STEPS if steps[name]["ok"]] == ["ticket", "component_token"]
    assert not steps["authorize"].get("skipped")
    assert all(steps[name]["skipped"] for name in STEPS[3:])
    assert "gateway.log" in done.err


async def test_a_story_that_cannot_begin_is_one_json_object_too(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = await cli("demo", "--once", "--json", "--emulator-port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert done.json["ok"] is False
    assert "cannot listen" in done.json["error"]["message"]
    assert list(done.json["steps"]) == STEPS


async def test_it_stays_up_to_look_around_and_ctrl_c_ends_everything(cli: Cli) -> None:
    # A story that breaks at its first step is a short one, and its stage is there to look at all the same.
    lost = json.dumps({"push": "ticket", "action": "lose"})
    process = await cli.start("demo", "--json", "--fault", lost)
    assert process.stdout is not None
    shown = json.loads(await process.stdout.readline())
    assert "lost" in shown["steps"]["ticket"]["detail"]
    async with aiohttp.ClientSession() as http:
        for address in shown["addresses"].values():
            async with http.get(address) as answer:
                assert answer.status == 200, address
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 60) == 1  # the story's own outcome
    await wait_until_gone(shown["processes"].values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"])
async def test_however_it_ends_its_processes_end_with_it(cli: Cli, number: signal.Signals) -> None:
    process = await cli.start("demo", "--once")
    emulator = await first_child(process)
    process.send_signal(number)
    await asyncio.wait_for(process.wait(), 60)
    assert process.returncode != 0
    await wait_until_gone([emulator])


async def first_child(process: Process) -> int:
    """Wait until a process has started another."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    async with asyncio.timeout(60):
        while not (children := path.read_text().split()):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.02)
    return int(children[0])
