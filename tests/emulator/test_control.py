"""The control plane: faults on order, switches, clock, reset, and words for whoever asks for nonsense."""

import asyncio
import logging
import time
from typing import Any

import aiohttp
import pytest

from tests.emulator.stage import START, Stage, until
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.running import RunningEmulator
from wxgate.emulator.scenarios import play
from wxgate.emulator.switches import Switches
from wxgate.emulator.world import World
from wxgate.errors import ConfigError, NotFound

PRE = "/cgi-bin/component/api_create_preauthcode"


async def order(on: Stage, /, **fault: Any) -> Any:
    """Order a fault for making a pre_auth_code."""
    return await on.emulator.control("POST", "faults", {"path": PRE, **fault})


def made(stage: Stage) -> int:
    """Count the pre_auth_codes that were really made."""
    return stage.emulator.world.codes.pre_auth_codes_made


@pytest.mark.parametrize(
    ("stage_of_fault", "error", "work_done"),
    [
        ("before", aiohttp.ServerDisconnectedError, 0),
        ("after", aiohttp.ServerDisconnectedError, 1),
        ("middle", aiohttp.ClientPayloadError, 1),
    ],
)
async def test_a_cut_connection_is_really_cut(
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
    stage_of_fault: str,
    error: type[Exception],
    work_done: int,
) -> None:
    token = await stage.component_token()
    await order(stage, stage=stage_of_fault, action="cut")

    with pytest.raises(error):
        await stage.component("api_create_preauthcode", token)

    assert made(stage) == work_done
    assert "pre_auth_code" in await stage.component("api_create_preauthcode", token)
    surprised = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not surprised, "the server was not surprised"


async def test_not_a_byte_comes_before_a_cut(stage: Stage) -> None:
    await order(stage, action="cut")
    host, port = stage.emulator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PRE} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_an_errcode_can_be_ordered_before_or_after_the_work(stage: Stage) -> None:
    token = await stage.component_token()
    await order(stage, action="errcode", errcode=-1)
    await order(stage, action="errcode", errcode=45009, stage="after")

    first = await stage.component("api_create_preauthcode", token)
    assert (first["errcode"], made(stage)) == (-1, 0)
    assert first["errmsg"].startswith("system error rid: ")
    second = await stage.component("api_create_preauthcode", token)
    assert (second["errcode"], made(stage)) == (45009, 1)
    assert "pre_auth_code" in await stage.component("api_create_preauthcode", token)


async def test_a_status_can_be_ordered(stage: Stage) -> None:
    await order(stage, action="status", status=502)

    async with stage.emulator.http.post(PRE) as answer:
        assert answer.status == 502


async def test_a_fault_spares_the_first_and_strikes_so_many_times(stage: Stage) -> None:
    fault = await order(stage, action="errcode", skip=1, times=2)
    codes = [(await stage.post(PRE, {}))["errcode"] for _ in range(4)]
    [kept] = await stage.emulator.control("GET", "faults")

    assert codes == [41001, -1, -1, 41001]
    assert (kept["id"], kept["matches"], kept["hits"]) == (fault["id"], 4, 2)


async def test_a_hanging_call_is_let_go_when_the_fault_is_withdrawn(stage: Stage) -> None:
    token = await stage.component_token()
    await order(stage, action="hang", stage="after")
    call = asyncio.create_task(stage.component("api_create_preauthcode", token))
    await until(lambda: stage.emulator.emulator.faults.all()[0].hits == 1)
    assert not call.done()

    await stage.emulator.control("DELETE", "faults")

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await call
    assert made(stage) == 1


async def test_a_hanging_call_does_not_hold_up_the_end() -> None:
    async with aiohttp.ClientSession() as session:
        async with RunningEmulator() as emulator:
            await emulator.control("POST", "faults", {"path": "/", "action": "hang"})
            call = asyncio.create_task(session.post(emulator.url + PRE))
            await until(lambda: emulator.emulator.faults.all()[0].hits == 1)
        # It would hang for ever, and an end that waited for it with it.
        with pytest.raises(aiohttp.ClientError):
            await call


async def test_a_delay_delays_and_the_work_is_done(stage: Stage) -> None:
    token = await stage.component_token()
    await order(stage, action="delay", seconds=0.03)
    started = time.perf_counter()

    assert "pre_auth_code" in await stage.component("api_create_preauthcode", token)
    assert time.perf_counter() - started >= 0.03


@pytest.mark.parametrize(
    ("path", "given", "word"),
    [
        ("faults", {"action": "cut"}, "path or a push"),
        ("faults", {"path": "/", "action": "explode"}, "explode"),
        ("faults", {"path": "/", "action": "lose"}, "not possible here"),
        ("faults", {"path": "/", "action": "hang", "stage": "middle"}, "only cut"),
        ("switches", {"no_such": 1}, "no switch"),
        ("switches", {"reply_policy": "loudest"}, "first, direct, all"),
        ("switches", {"quotas": 1}, "bool"),
        ("platforms", {"colour": "green"}, "colour"),
        ("accounts", {"kind": "bank"}, "bank"),
        ("clock", {}, "advance"),
        ("act/ticket", {}, "platform"),
        ("act/ticket", {"platform": "wx0"}, "no platform"),
        ("act/message", {"appid": "wx0"}, "no account"),
        ("reset", {"scenario": "opera"}, "opera"),
    ],
)
async def test_nonsense_is_answered_in_words(
    stage: Stage, path: str, given: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        await stage.emulator.control("POST", path, given)


async def test_posting_a_platform_again_changes_only_what_is_given(stage: Stage) -> None:
    before = await stage.emulator.control("POST", "platforms", {"appid": stage.platform.appid})
    after = await stage.emulator.control("POST", "platforms", {"appid": stage.platform.appid, "name": "新名"})

    assert after == {**before, "name": "新名"}
    assert len(before["aes_key"]) == 43


async def test_the_clock_is_moved_and_told(stage: Stage) -> None:
    assert await stage.emulator.control("GET", "clock") == {"now": START, "offset": 0}
    assert await stage.emulator.control("POST", "clock", {"advance": 60}) == {"now": START + 60, "offset": 60}
    assert await stage.emulator.control("POST", "clock", {"set": START + 5}) == {
        "now": START + 5,
        "offset": 5,
    }


async def test_a_reset_with_the_same_seed_gives_the_same_world_again() -> None:
    async with RunningEmulator(clock=EmulatorClock.standing(START)) as emulator:

        async def play() -> tuple[Any, Any]:
            await emulator.control("POST", "reset", {"seed": 7, "scenario": "demo"})
            platform = await emulator.control("POST", "platforms", {"name": "another"})
            code = await emulator.call("POST", PRE, {})
            state = await emulator.control("GET", "state")
            return state, (platform["secret"], code)

        first = await play()
        await emulator.control("POST", "clock", {"advance": 5})
        await emulator.control("POST", "switches", {"quotas": False})
        second = await play()
        await emulator.control("POST", "reset", {"seed": 8})
        other = await emulator.control("POST", "platforms", {"name": "another"})

    assert first == second
    assert other["secret"] != first[1][0]


async def test_the_state_names_everyone(stage: Stage) -> None:
    await stage.authorized()

    state = await stage.emulator.control("GET", "state")

    assert [each["appid"] for each in state["platforms"]] == [stage.platform.appid]
    assert len(state["platforms"][0]["tickets"]) == 1
    assert {each["appid"] for each in state["accounts"]} == {stage.shop.appid, stage.mini.appid}
    assert [each["appid"] for each in state["authorizations"]] == [stage.shop.appid]
    assert state["tokens"] == {"component": 1, "authorizer": 1, "direct": 0, "stable": 0}


async def test_tokens_can_be_ended_before_their_time(stage: Stage) -> None:
    token = await stage.component_token()
    assert await stage.emulator.control("POST", "tokens/expire", {"origin": "component"}) == {"expired": 1}

    assert (await stage.component("api_create_preauthcode", token))["errcode"] == 40001


async def test_every_switch_is_explained_and_has_its_default() -> None:
    explained = Switches.help()

    assert set(explained) == set(Switches().values())
    assert all(text.endswith(".") for text in explained.values())


def test_an_unknown_scenario_or_person_is_named() -> None:
    world = World()
    with pytest.raises(ConfigError, match="opera"):
        play(world, "opera")
    with pytest.raises(NotFound, match="user-9"):
        world.user("user-9")
