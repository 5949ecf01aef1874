"""The schema: the migrations make exactly the tables that the queries use, once, whoever starts first."""

import asyncio
import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, text

from tests.store.moments import NOW
from tests.store.test_inbox import message
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.events.records import ReplyState
from wxgate.store import Store
from wxgate.store.database import read_url
from wxgate.store.schema import NEWEST, _config, _run, revisions, upgrade
from wxgate.store.tables import events, metadata

OLD_FIELDS = (
    *("dedup_key", "issuer", "appid", "kind", "name", "openid", "msg_id"),
    *("created_at", "received_at", "source_ip", "fields"),
)

pytestmark = pytest.mark.unmigrated


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_the_queries_use(store: Store) -> None:
    async with store.database.write() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_difference_would_be_found(store: Store) -> None:
    async with store.database.write() as connection:
        await connection.execute(text("ALTER TABLE tickets ADD COLUMN forgotten INTEGER"))
        assert len(await connection.run_sync(differences)) == 1


async def test_an_empty_database_is_behind_and_an_upgraded_one_is_not(database_url: str) -> None:
    url = read_url(database_url)
    before, newest = await revisions(url)
    assert before is None
    assert newest is not None
    await upgrade(url)
    assert await revisions(url) == (newest, newest)


async def test_upgrading_twice_keeps_what_is_there(store: Store, database_url: str) -> None:
    async with store.database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO flows VALUES ('f', 'wx', 'p', NULL, false, 'tenant', NULL, :at, :at)"
            ).bindparams(at=_stored_time(database_url))
        )
    await upgrade(read_url(database_url))
    assert await store.links.load_flow("f")


async def test_stores_opened_at_once_on_an_empty_database_all_open(database_url: str) -> None:
    vault = Vault(KeyRing.generate())
    stores = await asyncio.gather(*(Store.open(database_url, vault) for _ in range(4)))
    assert all(await asyncio.gather(*(store.ping() for store in stores)))
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    store: Store, database_url: str, vault: Vault
) -> None:
    async with store.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer"):
        await Store.open(database_url, vault)
    assert (await revisions(read_url(database_url)))[0] == "9999"


async def test_the_schema_is_found_from_any_directory(tmp_path: Path, database_url: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with contextlib.chdir(elsewhere):
        await upgrade(read_url(database_url))
    assert os.listdir(elsewhere) == []


async def test_events_of_the_schema_before_are_kept_and_read_well(database_url: str, vault: Vault) -> None:
    """What 0002 held has its place in the streams, its size and its answer after the upgrade."""
    url = read_url(database_url)
    await _run(url, lambda connection: _to(connection, "0002"))
    await _run(url, _fill_0002)
    store = await Store.open(database_url, vault)
    answered, silent, under_way = found = await store.event_log.after(0)
    assert [event.position for event in found] == [event.id for event in found]
    assert [event.msg_id for event in found] == ["1", "2", "3"]
    assert {(event.arrivals, event.message_key, event.plain, event.replier) for event in found} == {
        (1, "", None, "")
    }
    assert all(event.size >= len(str(event.fields)) for event in found)
    assert answered.fields == {"Content": "在吗", "Nested": {"List": ["a"]}}
    assert (answered.reply_state, answered.reply) == (ReplyState.CARRIED, "<xml/>")
    assert (silent.reply_state, under_way.reply_state) == (ReplyState.CLOSED, ReplyState.OPEN)
    # WeChat brings one again, and what comes new stands behind the old.
    again = await store.inbox.record(message(1), holder="node", lease_until=NOW)
    assert (again.fresh, again.event.arrivals, again.event.reply) == (False, 2, "<xml/>")
    new = await store.inbox.record(message(4), holder="node", lease_until=NOW)
    [last] = await store.event_log.after(found[-1].position or 0)
    assert (last.id, (last.position or 0) > (found[-1].position or 0)) == (new.event.id, True)
    await store.close()


def _to(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _fill_0002(connection: Connection) -> None:
    """Write events as the code of 0002 did."""
    fields = {"Content": "在吗", "Nested": {"List": ["a"]}}
    for number, state, reply in ((1, "done", "<xml/>"), (2, "done", None), (3, "handling", None)):
        values = asdict(message(number, fields=fields))
        old = {name: values[name] for name in OLD_FIELDS}
        connection.execute(
            insert(events).values(
                **old, state=state, holder="node", lease_until=NOW, reply=reply, error="", attempts=1
            )
        )


def _stored_time(database_url: str) -> Any:
    return int(NOW.timestamp() * 1_000_000) if database_url.startswith("sqlite") else NOW


def test_the_code_is_written_for_the_newest_migration() -> None:
    """An opening compares with this name alone, so a migration added without it would never run."""
    assert ScriptDirectory.from_config(_config()).get_current_head() == NEWEST
