"""A realm with all its apps, for tests over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Harness
from tests.login.scene import Scene, set_scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A gateway beside WeChat in a box, with a realm that has one app of every kind."""
    async with Harness(tmp_path) as world:
        yield await set_scene(world)
