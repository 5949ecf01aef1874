"""A gateway beside WeChat in a box, for tests with a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.harness import Harness, World

# A busy machine is no failure.
expect.set_options(timeout=30_000)

ARTIFACTS = Path(__file__).parents[1] / "artifacts"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway on SQLite with one platform whose first ticket has arrived."""
    async with Harness(tmp_path) as world:
        yield world


@pytest.fixture
def artifacts() -> Path:
    """The folder where screenshots stay to be looked at."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS
