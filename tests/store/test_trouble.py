"""Trouble with the database itself: what fails leaves nothing half done, and what comes next works again."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, inspect, make_url, text

import wxgate.store.schema
from tests.servers.postgres import PostgresServer
from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import Exchange, ExchangeSource, FetchedToken, Grant, NewExchange
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError, StorageError
from wxgate.events.records import EventKind, EventState, NewEvent, Recorded
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AuthorizationCode, AuthorizerToken, RefreshToken
from wxgate.store import Store
from wxgate.store.database import Database, read_url
from wxgate.store.keyfile import load_key_file
from wxgate.store.schema import revisions, upgrade
from wxgate.store.tables import push_log

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
ACCESS = FetchedToken(AuthorizerToken("access"), NOW, after(7200))
GRANT = Grant("wxaccount", RefreshToken("refresh"), (1,), ACCESS)


@asynccontextmanager
async def without(store: Store, table: str) -> AsyncIterator[None]:
    """Take a table away for a while, so that what needs it fails."""
    await execute(store, f"ALTER TABLE {table} RENAME TO away")
    yield
    await execute(store, f"ALTER TABLE away RENAME TO {table}")


async def execute(store: Store, sql: str) -> None:
    async with store.database.write() as connection:
        await connection.execute(text(sql))


async def kill_who_waits(store: Store) -> None:
    """Have the server end every connection that waits for a lock."""
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
    async with asyncio.timeout(30), store.database.read() as connection:
        while not (await connection.execute(kill)).all():  # noqa: ASYNC110 (a lock gives no event)
            await asyncio.sleep(0.01)


async def start(store: Store) -> Exchange:
    new = NewExchange("wxplatform", AuthorizationCode("code"), ExchangeSource.AUTHORIZED, NOW, "wxaccount")
    job = await store.exchanges.claim((await store.exchanges.open(new, now=NOW)).id, now=NOW, ttl=TTL)
    assert job is not None
    return job


async def assert_untouched(store: Store, job: Exchange) -> None:
    assert await store.exchanges.load(job.id) == job
    assert await store.authorizations.load("wxplatform", "wxaccount") is None
    assert not await store.authorizations.history("wxplatform", "wxaccount")
    assert await store.tokens.load(KEY) is None


def message(number: int) -> NewEvent:
    return NewEvent(
        dedup_key=f"{number}",
        issuer="wxplatform",
        appid="wxaccount",
        kind=EventKind.MESSAGE,
        name="text",
        openid="o",
        msg_id=None,
        created_at=0,
        received_at=NOW,
        source_ip="::1",
        fields={},
    )


async def record_many(store: Store, numbers: range) -> list[Recorded | BaseException]:
    calls = (store.inbox.record(message(number), holder="node", lease_until=NOW) for number in numbers)
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_a_code_whose_last_write_fails_leaves_nothing_and_can_be_finished_later(store: Store) -> None:
    job = await start(store)
    async with without(store, "tokens"):
        with pytest.raises(StorageError):
            await store.exchanges.finish(job, GRANT, now=NOW)
    await assert_untouched(store, job)
    assert await store.exchanges.finish(job, GRANT, now=NOW)
    assert await store.tokens.load(KEY)


@pytest.mark.postgres
async def test_a_code_whose_connection_dies_half_way_leaves_nothing(postgres_url: str, vault: Vault) -> None:
    store = await Store.open(postgres_url, vault)
    job = await start(store)
    async with store.database.write() as connection:
        await connection.execute(text("LOCK TABLE tokens"))
        finishing = asyncio.create_task(store.exchanges.finish(job, GRANT, now=NOW))
        await kill_who_waits(store)
        with pytest.raises(StorageError):
            await finishing
    await assert_untouched(store, job)
    assert await store.exchanges.finish(job, GRANT, now=NOW)
    await store.close()


async def test_trouble_reaches_every_caller_of_a_batch_and_the_next_batch_works(store: Store) -> None:
    async with without(store, "events"):
        failed = await record_many(store, range(20))
    assert all(isinstance(one, StorageError) for one in failed)
    recorded = await record_many(store, range(20))
    assert all(isinstance(one, Recorded) and one.fresh for one in recorded)


@pytest.mark.postgres
async def test_a_batch_whose_connection_dies_fails_whole_and_is_not_tried_again(
    postgres_url: str, vault: Vault
) -> None:
    """Nobody knows then what was committed; to try again could call an event a duplicate of itself."""
    store = await Store.open(postgres_url, vault)
    async with store.database.write() as connection:
        await connection.execute(text("LOCK TABLE events"))
        batch = asyncio.create_task(record_many(store, range(5)))
        await kill_who_waits(store)
        assert all(isinstance(one, StorageError) for one in await batch)
    assert not await store.inbox.find()
    recorded = await record_many(store, range(5))
    assert all(isinstance(one, Recorded) and one.fresh for one in recorded)
    await store.close()


async def test_an_error_text_no_database_can_store_does_not_keep_its_event_open(store: Store) -> None:
    """Such an event would be handled again and again."""
    recorded = await store.inbox.record(message(1), holder="node", lease_until=NOW)
    error = "KeyError: '\0\ud800'"
    assert await store.inbox.finish(
        recorded.event.id, holder="node", state=EventState.FAILED, reply=None, error=error, now=NOW
    )
    event = await store.inbox.load(recorded.event.id)
    assert event is not None
    assert event.error == "KeyError: '\ufffd?'"


@pytest.mark.postgres
async def test_a_store_works_on_after_its_connections_were_ended(postgres_url: str, vault: Vault) -> None:
    store = await Store.open(postgres_url, vault)
    await record_many(store, range(3))
    other = Database(read_url(postgres_url))
    async with other.write() as connection:
        everybody_else = "datname = current_database() AND pid <> pg_backend_pid()"
        await connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {everybody_else}")
        )
    await other.close()
    assert await store.ping()
    assert len(await store.inbox.find()) == 3
    await store.close()


@pytest.mark.postgres
async def test_a_server_that_is_gone_does_not_answer_a_ping(postgres_server: PostgresServer) -> None:
    for url in ("postgresql://nobody@127.0.0.1:1/wxgate", postgres_server.url("no_such_database")):
        database = Database(read_url(url))
        assert not await database.ping()
        await database.close()


@pytest.mark.postgres
async def test_a_server_that_refuses_is_named_without_the_password(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("no_such_database").replace("postgres@", "postgres:hidden@")
    with pytest.raises(ConfigError, match="no_such_database") as raised:
        await Store.open(url, Vault(KeyRing.generate()))
    assert "hidden" not in str(raised.value)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Take on no rights for a while: to root every folder is readable."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("made_before", [False, True])
def test_a_key_file_in_a_folder_that_cannot_be_entered_is_refused_in_words(
    tmp_path: Path, made_before: bool
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    if made_before:
        load_key_file(folder / "wxgate.key")
    folder.chmod(0)
    try:
        with as_nobody(), pytest.raises(ConfigError, match="WXGATE_KEY_FILE"):
            load_key_file(folder / "wxgate.key")
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("place", ["folder", "file/wxgate.key"])
def test_a_key_file_that_cannot_be_one_is_refused_in_words(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="WXGATE_KEY_FILE"):
        load_key_file(tmp_path / place)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wxgate.key"
    path.touch(0o600)
    with pytest.raises(ConfigError, match=str(path)):
        load_key_file(path)


async def test_a_port_that_is_no_number_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="not an address"):
        read_url("postgresql://user:hidden@db:port/wxgate")


@pytest.mark.unmigrated
async def test_looking_at_a_schema_makes_no_file(sqlite_url: str, tmp_path: Path) -> None:
    before, newest = await revisions(read_url(sqlite_url))
    assert before is None
    assert newest
    assert list(tmp_path.iterdir()) == []


async def test_the_schema_can_be_taken_down_and_made_again(store: Store, database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(wxgate.store.schema.__file__).parent / "migrations"))
    async with store.database.write() as connection:
        config.attributes["connection"] = await connection.run_sync(lambda inner: inner)
        await connection.run_sync(lambda _: command.downgrade(config, "base"))
        tables = await connection.run_sync(lambda inner: inspect(inner).get_table_names())
    assert tables == ["alembic_version"]
    await upgrade(read_url(database_url))
    assert not await store.inbox.find()


@pytest.mark.postgres
async def test_a_database_that_takes_no_writes_blames_no_value_and_answers_no_ping(
    postgres_url: str, vault: Vault
) -> None:
    store = await Store.open(postgres_url, vault)
    name = make_url(postgres_url).database
    await execute(store, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    standby = await Store.open(postgres_url, vault)
    assert await standby.ping()  # nobody has tried to write yet
    with pytest.raises(StorageError) as raised:
        await execute(standby, "UPDATE alembic_version SET version_num = version_num")
    assert not raised.value.refused
    assert not await standby.ping()
    await standby.close()
    await store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("reason", ["closed", "missing", "nobody"])
async def test_a_server_that_lets_nobody_in_blames_no_value(
    postgres_server: PostgresServer, postgres_url: str, reason: str
) -> None:
    name = make_url(postgres_url).database
    url = {
        "closed": postgres_url,
        "missing": postgres_server.url("no_such_database"),
        "nobody": postgres_url.replace("postgres@", "nobody@"),
    }[reason]
    everybody = Database(read_url(postgres_server.url("postgres")))
    async with everybody.write() as connection:
        await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {reason != "closed"}'))
    database = Database(read_url(url))
    for use in (database.read, database.write):
        with pytest.raises(StorageError) as raised:
            async with use() as connection:
                await connection.execute(text("SELECT 1"))
        assert not raised.value.refused
    await database.close()
    await everybody.close()


async def test_a_table_that_is_not_there_blames_no_value(store: Store) -> None:
    with pytest.raises(StorageError) as raised:
        await execute(store, "DELETE FROM nowhere")
    assert not raised.value.refused


@pytest.mark.parametrize(
    "value", [None, object(), 10**12, "x"], ids=["none", "unknown type", "too large", "wrong type"]
)
async def test_a_value_that_cannot_be_stored_is_refused(store: Store, value: object) -> None:
    """SQLite has no types to hold a value against: only what no column could take is refused there."""
    statement = insert(push_log).values(
        at=NOW,
        receiver="wxplatform",
        appid="",
        source_ip="::1",
        verdict="accepted",
        answer="success",
        status=value,
        milliseconds=1,
        explanation="",
        count=1,
    )
    if store.database.is_sqlite and isinstance(value, (int, str)):
        pytest.skip("SQLite takes it")
    with pytest.raises(StorageError) as raised:
        async with store.database.write() as connection:
            await connection.execute(statement)
    assert raised.value.refused
