"""A gateway beside WeChat in a box, for tests over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Harness, World


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway on SQLite with one platform whose first ticket has arrived."""
    async with Harness(tmp_path) as world:
        yield world
