"""A server of Flask and wechatpy is rehearsed like any other, and told what it forgets."""

from typing import Any

import pytest

from tests.emulator.wechatpy_server import Platform, serving
from wxgate.emulator.running import RunningEmulator

OFFICIAL = "wx8e1097c5bc82cde9"


async def rehearse(*, forgetful: bool, patience: float) -> dict[str, Any]:
    async with RunningEmulator() as emulator:
        emulator.world.switches.change({"push_timeout": 15.0})
        theirs = emulator.world.put_platform({})
        platform = Platform(emulator.url, theirs.appid, theirs.secret, theirs.token, theirs.aes_key)
        platform.forgetful = forgetful
        with serving(platform) as url:
            theirs.events_url, theirs.messages_url = f"{url}/events", f"{url}/messages/$APPID$"
            given = {"platform": theirs.appid, "appid": OFFICIAL, "patience": patience}
            report: dict[str, Any] = await emulator.control("POST", "act/release-test", given)
    return report


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_one_that_does_its_part_passes() -> None:
    report = await rehearse(forgetful=False, patience=15)
    assert report["ok"], report
    assert {step["verdict"] for step in report["steps"]} == {"right"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_one_that_forgets_the_code_fails_at_that_step_alone() -> None:
    report = await rehearse(forgetful=True, patience=0.1)
    wrong = {step["step"]: step["code"] for step in report["steps"] if not step["ok"]}
    assert wrong == {"api_text": "code_not_exchanged"}
