"""A store on each engine, and the things every suite puts into it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from tests.servers.postgres import PostgresServer
from wxgate.custody.vault import KeyRing, Vault
from wxgate.store import Store
from wxgate.store.tables import metadata

# Suites that change rows and nothing else share one PostgreSQL database, emptied after each test: to make
# one takes longer than most of their tests.
SHARING = {
    f"test_{suite}"
    for suite in (
        "answers",
        "authorizations",
        "clients",
        "code_audits",
        "configuration",
        "deliveries",
        "duties",
        "event_log",
        "exchanges",
        "forgotten_meanwhile",
        "inbox",
        "key_uses",
        "links",
        "login_attempts",
        "login_identities",
        "login_plans",
        "login_races",
        "login_realms",
        "login_sessions",
        "login_trouble",
        "login_walk",
        "platforms",
        "policies",
        "push_log",
        "quota",
        "release_tests",
        "subscribers",
        "tickets",
        "tokens",
        "transfer",
    )
}


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_server: PostgresServer) -> str:
    """The address of the shared PostgreSQL database."""
    return postgres_server.create_migrated_database()


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, migrated: bool
) -> Iterator[str]:
    """The address of the shared database, or of a fresh one without rows."""
    if request.module.__name__.rpartition(".")[2] in SHARING:
        yield request.getfixturevalue("shared_postgres_url")
        return
    url = postgres_server.create_migrated_database() if migrated else postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def vault() -> Vault:
    """A vault with a key of its own."""
    return Vault(KeyRing.generate())


@pytest.fixture
async def store(request: pytest.FixtureRequest, database_url: str, vault: Vault) -> AsyncIterator[Store]:
    """An empty store; the test runs once on SQLite and once on PostgreSQL."""
    store = await Store.open(database_url, vault)
    yield store
    if not store.database.is_sqlite and request.module.__name__.rpartition(".")[2] in SHARING:
        # Nobody else's vault would open a database that holds what this one sealed.
        async with store.database.write() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    await store.close()


@pytest.fixture
async def other(store: Store, database_url: str, vault: Vault) -> AsyncIterator[Store]:
    """A second store on the same database, as another process would have it."""
    other = await Store.open(database_url, vault)
    yield other
    await other.close()
