"""A realm with all its apps, and a relying party of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Harness
from tests.login.scene import Scene, set_scene
from tests.server.oidc.party import Party, join


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps."""
    async with Harness(tmp_path) as world:
        yield await set_scene(world)


@pytest.fixture
async def party(scene: Scene) -> Party:
    """A relying party made of Authlib."""
    return await join(scene)
