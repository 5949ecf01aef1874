"""A provider on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.login.oidc.scene import Provider, provider


@pytest.fixture
async def idp(database_url: str) -> AsyncIterator[Provider]:
    """A provider; the test runs once on SQLite and once on PostgreSQL."""
    async with provider(database_url) as made:
        yield made


@pytest.fixture
async def sqlite_idp(sqlite_url: str) -> AsyncIterator[Provider]:
    """A provider on SQLite, for what does not depend on the engine."""
    async with provider(sqlite_url) as made:
        yield made
