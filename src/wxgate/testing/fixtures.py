"""Fixtures for pytest; in your conftest.py: `pytest_plugins = ["wxgate.testing.fixtures"]`.

`wechat` is a world around what your own fixture `gateway` returns, `wechat_emulator` is WeChat alone. They
are asynchronous: pytest-asyncio runs them where it is installed, else anyio's plugin does.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from wxgate.emulator.running import RunningEmulator
from wxgate.gateway import Gateway
from wxgate.testing.world import World
from wxgate.testing.world import wechat as world_of

if TYPE_CHECKING:
    fixture = pytest.fixture
else:
    try:
        from pytest_asyncio import fixture
    except ImportError:
        fixture = pytest.fixture


@pytest.fixture
def gateway() -> Gateway:
    """Return the gateway under test; your own fixture of this name takes its place."""
    raise pytest.UsageError('write a fixture "gateway" that returns your Gateway')


@fixture
async def wechat(gateway: Gateway) -> AsyncIterator[World]:
    """WeChat, a platform and an account that has authorised it, around your gateway."""
    async with world_of(gateway) as world:
        yield world


@fixture
async def wechat_emulator() -> AsyncIterator[RunningEmulator]:
    """WeChat in a box, alone, on a free port."""
    async with RunningEmulator() as emulator:
        yield emulator
