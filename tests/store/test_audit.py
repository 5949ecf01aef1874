"""The audit log loses nothing: not at the end, not while the database is away, not when it is slow."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.store.moments import NOW
from wxgate.clock import ManualClock
from wxgate.custody.audit import MOST_WAITING, PRUNE_MOST, Audit
from wxgate.custody.clients import AuditLine
from wxgate.errors import StorageError
from wxgate.store import Store

KEPT = timedelta(days=7)


class Hindered:
    """A real log, behind a door that can be shut and a database that can be away."""

    def __init__(self, store: Store) -> None:
        self._log = store.audit
        self.door = asyncio.Event()
        self.door.set()
        self.away = 0
        self.refuses: str | None = None

    async def write(self, lines: Sequence[AuditLine]) -> None:
        await self.door.wait()
        if self.away:
            self.away -= 1
            raise StorageError("the database is away")
        if any(line.account == self.refuses for line in lines):
            raise StorageError("the database does not take this", refused=True)
        await self._log.write(lines)

    async def read(
        self, *, client: str | None = None, account: str | None = None, limit: int = 100
    ) -> Sequence[AuditLine]:
        return await self._log.read(client=client, account=account, limit=limit)

    async def prune(self, *, before: object, most: int) -> int:
        raise NotImplementedError


@pytest.fixture
def log(store: Store) -> Audit:
    return Audit(store.audit, ManualClock(NOW), keep=KEPT)


async def test_the_same_again_is_one_line_with_a_count(store: Store, log: Audit) -> None:
    for _ in range(1000):
        await log.note("a", "access_token", account="wxa", ip="10.0.0.1", outcome="ok")
    await log.note("a", "access_token", account="wxa", ip="10.0.0.2", outcome="ok")
    await log.close()
    lines = await store.audit.read()
    assert sorted((one.ip, one.count) for one in lines) == [("10.0.0.1", 1000), ("10.0.0.2", 1)]


async def test_what_waits_is_written_at_the_end(store: Store, log: Audit) -> None:
    await log.note("a", "access_token", outcome="ok")
    assert await store.audit.read() == []
    await log.close()
    assert len(await store.audit.read()) == 1


async def test_lines_wait_for_a_database_that_is_away(store: Store) -> None:
    hindered = Hindered(store)
    hindered.away = 1
    log = Audit(hindered, ManualClock(NOW), keep=KEPT)
    await log.note("a", "access_token", outcome="ok")
    await log.flush()
    assert len(await store.audit.read()) == 1


async def test_when_too_many_lines_wait_answers_do_and_no_line_is_lost(store: Store) -> None:
    hindered = Hindered(store)
    hindered.door.clear()
    log = Audit(hindered, ManualClock(NOW), keep=KEPT)
    for number in range(MOST_WAITING):
        await log.note("a", "access_token", account=f"wx{number}", outcome="ok")
    late = [
        asyncio.create_task(log.note("a", "access_token", account=f"late{n}", outcome="ok")) for n in "ab"
    ]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in late)
    hindered.door.set()
    await asyncio.gather(*late)
    await log.close()
    assert len(await store.audit.read(limit=2 * MOST_WAITING)) == MOST_WAITING + 2


async def test_lines_are_dropped_when_they_have_been_kept_long_enough(store: Store, log: Audit) -> None:
    line = AuditLine(NOW, NOW, "a", "access_token", "", "", "", "ok", 1)
    old = NOW - KEPT - timedelta(seconds=1)
    await store.audit.write([line, AuditLine(old, old, "a", "access_token", "", "", "", "ok", 1)])
    assert await log.prune() == 1
    assert await store.audit.read() == [line]


async def test_what_is_old_goes_however_many_lines_it_is(store: Store, log: Audit) -> None:
    old = NOW - KEPT - timedelta(seconds=1)
    lines = [AuditLine(old, old, "a", "access_token", "", str(n), "", "ok", 1) for n in range(PRUNE_MOST + 1)]
    await store.audit.write(lines)
    assert await log.prune() == PRUNE_MOST + 1
    assert await store.audit.read() == []


async def test_a_line_that_the_database_refuses_does_not_cost_the_others(store: Store) -> None:
    hindered = Hindered(store)
    hindered.refuses = "wxbad"
    log = Audit(hindered, ManualClock(NOW), keep=KEPT)
    for account in ("wxa", "wxbad", "wxb"):
        await log.note("a", "access_token", account=account, outcome="ok")
    with capture_logs() as told:
        await log.close()
    assert {line.account for line in await store.audit.read()} == {"wxa", "wxb"}
    assert [entry["event"] for entry in told] == ["audit.refused"]


async def test_old_lines_are_dropped_no_more_at_once_than_asked_and_new_ones_stay(store: Store) -> None:
    ages = [timedelta(days=days) for days in (9, 8, 7, 1)]
    lines = [
        AuditLine(NOW - age, NOW - age, "a", "access_token", "", str(age.days), "", "ok", 1) for age in ages
    ]
    await store.audit.write(lines)
    assert await store.audit.prune(before=NOW - KEPT, most=1) == 1
    assert await store.audit.prune(before=NOW - KEPT, most=10) == 1
    assert await store.audit.prune(before=NOW - KEPT, most=10) == 0
    assert {line.account for line in await store.audit.read()} == {"7", "1"}
