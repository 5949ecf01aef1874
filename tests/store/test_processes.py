"""Several processes on one database, and what is left when one is killed while it writes."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from wxgate.custody.vault import KeyRing, Vault
from wxgate.store import Store
from wxgate.store.tables import events

RECORDER = Path(__file__).with_name("recorder.py")
KEYS = KeyRing.generate().encode()


def start(url: str, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(RECORDER), url, KEYS, name, str(count)], stdout=subprocess.PIPE, text=True
    )


async def recorded(url: str) -> set[str]:
    store = await Store.open(url, Vault(KeyRing.parse(KEYS)))
    try:
        async with store.database.read() as connection:
            return set((await connection.scalars(select(events.c.dedup_key))).all())
    finally:
        await store.close()


@pytest.mark.unmigrated
async def test_processes_that_start_and_write_at_once_all_get_through(database_url: str) -> None:
    names = ("a", "b", "c")
    processes = [start(database_url, name, 150) for name in names]
    printed = {line for process in processes for line in process.communicate(timeout=120)[0].split()}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert printed == {f"{name}-{number}" for name in names for number in range(150)}
    assert await recorded(database_url) == printed


async def test_a_writer_killed_in_mid_batch_loses_nothing_it_acknowledged(database_url: str) -> None:
    acknowledged: set[str] = set()
    for name in ("first", "second"):
        process = start(database_url, name, 0)
        assert process.stdout is not None
        acknowledged.update(process.stdout.readline().strip() for _ in range(500))
        process.kill()
        rest, _ = process.communicate()
        acknowledged.update(rest.split("\n")[:-1])  # the kill may have cut the last line short
    assert len(acknowledged) >= 1000
    assert acknowledged <= await recorded(database_url)


async def test_a_killed_writer_leaves_a_sound_file(sqlite_url: str) -> None:
    process = start(sqlite_url, "killed", 0)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    store = await Store.open(sqlite_url, Vault(KeyRing.parse(KEYS)))
    async with store.database.read() as connection:
        assert await connection.scalar(text("PRAGMA integrity_check")) == "ok"
    await store.close()
