"""A furnished emulator on a real port, and a receiver for what it pushes."""

from collections.abc import AsyncIterator

import pytest

from tests.emulator.receiver import Receiver
from tests.emulator.stage import START, Stage
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.running import RunningEmulator


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def stage(receiver: Receiver) -> AsyncIterator[Stage]:
    async with RunningEmulator(clock=EmulatorClock.standing(START)) as emulator:
        world = emulator.world
        world.switches.change({"push_timeout": 0.1})
        platform = world.put_platform(
            {
                "events_url": f"{receiver.url}/events",
                "messages_url": f"{receiver.url}/messages/$APPID$",
                "authorize_domain": "gateway.example",
            }
        )
        shop = world.put_account({"nick_name": "面馆"})
        mini = world.put_account({"nick_name": "点餐", "kind": "mini_program"})
        user = world.put_user({"follows": [shop.appid, mini.appid]})
        yield Stage(emulator, receiver, platform, shop, mini, user.openids[shop.appid])
