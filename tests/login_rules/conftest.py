"""One world for a whole file: every test brings people of its own, so none sees another's."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness import Harness
from tests.login.scene import Scene, set_scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway beside WeChat in a box, with a realm that has one app of every kind."""
    async with Harness(tmp_path_factory.mktemp("rules")) as world:
        yield await set_scene(world)
