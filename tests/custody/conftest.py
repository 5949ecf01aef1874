"""A gateway beside WeChat in a box, for stories of tokens and codes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Harness, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway on SQLite with one platform whose first ticket has arrived, and no other comes unasked."""
    async with Harness(tmp_path, ticket=False) as made:
        await made.control("POST", "switches", {"ticket_interval": 1e9})
        await made.push_ticket()
        yield made
