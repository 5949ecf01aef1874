"""Two nodes at once, brought about: one holds its transaction open while the other runs into it.

The second one is given a moment to arrive at the lock. Should the machine be too busy for that, a test
passes without having seen the race; it never fails for it.
"""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.store.moments import NOW, TTL, after
from wxgate.custody.records import (
    AuthorizationState,
    Exchange,
    ExchangeSource,
    FetchedToken,
    Grant,
    KeptTicket,
    NewExchange,
    StateChange,
)
from wxgate.custody.states import Trigger
from wxgate.custody.vault import KeyRing
from wxgate.events.records import EventKind, EventState, NewEvent, ReplyState
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AccessToken, AuthorizationCode, RefreshToken, Ticket
from wxgate.store import Store
from wxgate.store.authorizations import make_row
from wxgate.store.database import use_write_ahead_log
from wxgate.store.tokens import drop_tokens

T = TypeVar("T")

KEY = TokenKey("wxplatform", "wxaccount", TokenKind.AUTHORIZER)
ACCESS = FetchedToken(AccessToken("access"), NOW, after(7200))
GRANT = Grant("wxaccount", RefreshToken("refresh"), (1,), ACCESS)
REVOKED = AuthorizationState.REVOKED


@asynccontextmanager
async def running_into(work: Coroutine[Any, Any, T]) -> AsyncIterator["asyncio.Task[T]"]:
    """Let work begin, and run into what the block around holds."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0.05)
    yield task


async def start(store: Store, code: str, at: float = 0) -> Exchange:
    new = NewExchange(
        "wxplatform", AuthorizationCode(code), ExchangeSource.AUTHORIZED, after(at), "wxaccount"
    )
    job = await store.exchanges.claim((await store.exchanges.open(new, now=NOW)).id, now=NOW, ttl=TTL)
    assert job is not None
    return job


async def revoke(store: Store, at: float) -> StateChange | None:
    return await store.authorizations.apply(
        "wxplatform",
        "wxaccount",
        trigger=Trigger.TAKEN_BACK,
        event_at=after(at),
        reason="unauthorized",
        now=after(at),
    )


async def record(store: Store, number: int, holder: str) -> int:
    new = NewEvent(
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
    return (await store.inbox.record(new, holder=holder, lease_until=NOW)).event.id


async def test_a_code_that_meets_the_first_news_of_its_account_sees_what_it_was(
    store: Store, other: Store
) -> None:
    """A row that is not there cannot be locked: the code must not take it for absent and write over it."""
    job = await start(store, "code")
    async with other.database.write() as connection:
        await make_row(connection, "wxplatform", "wxaccount", event_at=after(5), now=NOW)
        await connection.exec_driver_sql("UPDATE authorizations SET state = 'revoked'")
        async with running_into(store.exchanges.finish(job, GRANT, now=NOW)) as finishing:
            pass
    authorization = await finishing
    assert authorization is not None
    assert (authorization.state, authorization.refresh_token) == (REVOKED, None)
    assert await store.tokens.load(KEY) is None


async def test_two_codes_that_bring_the_same_refresh_token_leave_one_line_of_history(
    store: Store, other: Store
) -> None:
    jobs = [await start(store, f"code-{number}", at=number) for number in range(6)]
    finishes = [(store, other)[n % 2].exchanges.finish(job, GRANT, now=NOW) for n, job in enumerate(jobs)]
    assert all(await asyncio.gather(*finishes))
    assert len(await store.authorizations.history("wxplatform", "wxaccount")) == 1
    authorization = await store.authorizations.load("wxplatform", "wxaccount")
    assert authorization is not None
    assert authorization.event_at == after(5)
    kept = await store.tokens.load(KEY)
    assert kept is not None
    assert 1 <= kept.version <= len(jobs), "what an older code brought is not written over a newer one's"


async def test_a_token_dropped_by_two_is_counted_by_one(store: Store, other: Store) -> None:
    lease = await store.tokens.claim(KEY, holder="node", now=NOW, ttl=TTL)
    assert lease is not None
    await store.tokens.finish(lease, ACCESS)
    async with other.database.write() as connection:
        assert await drop_tokens(connection, "wxplatform", "wxaccount") == 1
        async with running_into(store.tokens.drop_account("wxplatform", "wxaccount")) as dropping:
            pass
    assert await dropping == 0


async def test_nothing_that_happens_to_one_account_at_once_blocks_the_rest(
    store: Store, other: Store
) -> None:
    """Codes, revocations, renewals and drops lock the same rows; in one order, or the server would object."""
    jobs = [await start(store, f"code-{number}", at=number) for number in range(12)]

    async def renew(node: Store, number: int) -> None:
        lease = await node.tokens.claim(KEY, holder=f"node-{number}", now=NOW, ttl=TTL)
        if lease is not None:
            await node.tokens.finish(lease, ACCESS)
        await node.authorizations.keep_refresh_token(
            "wxplatform", "wxaccount", RefreshToken(f"{number}"), replacing=None, reason="renewal", now=NOW
        )

    work: list[Coroutine[Any, Any, object]] = []
    for number, job in enumerate(jobs):
        node, peer = (store, other) if number % 2 else (other, store)
        work += [
            node.exchanges.finish(job, GRANT, now=NOW),
            revoke(peer, number - 0.5),
            renew(peer, number),
            node.tokens.drop_account("wxplatform", "wxaccount"),
        ]
    await asyncio.gather(*work)
    authorization = await store.authorizations.load("wxplatform", "wxaccount")
    assert authorization is not None
    assert (authorization.state, authorization.event_at) == (AuthorizationState.ACTIVE, after(11))


async def test_events_finished_by_two_nodes_in_opposite_order_are_finished_by_their_holder(
    store: Store, other: Store
) -> None:
    ids = [await record(store, number, holder="node-a") for number in range(40)]

    def finish(node: Store, event_id: int, holder: str) -> Coroutine[Any, Any, ReplyState | None]:
        return node.inbox.finish(
            event_id, holder=holder, state=EventState.DONE, reply=holder, error="", now=NOW
        )

    ours = [finish(store, event_id, "node-a") for event_id in ids]
    theirs = [finish(other, event_id, "node-b") for event_id in reversed(ids)]
    ended = await asyncio.gather(*ours, *theirs)
    assert [state is not None for state in ended] == [True] * 40 + [False] * 40


async def test_tickets_kept_by_two_nodes_leave_the_newest_two(store: Store, other: Store) -> None:
    tickets = [KeptTicket("wxplatform", Ticket(f"{n}"), after(n), after(n)) for n in range(20)]
    nodes = (store, other)
    await asyncio.gather(
        *(nodes[n % 2].tickets.keep(ticket, prune_before=after(999)) for n, ticket in enumerate(tickets))
    )
    assert list(await store.tickets.newest("wxplatform")) == [tickets[19], tickets[18]]


async def test_of_two_tickets_of_one_second_the_later_one_counts(store: Store) -> None:
    """WeChat's times are whole seconds."""
    tickets = [KeptTicket("wxplatform", Ticket(f"{n}"), NOW, after(n)) for n in (3, 1, 2)]
    for ticket in tickets:
        await store.tickets.keep(ticket, prune_before=after(60))
    assert [kept.ticket.reveal() for kept in await store.tickets.newest("wxplatform", 9)] == ["3", "2"]


async def test_of_the_callers_of_two_processes_one_gets_the_lease(database_url: str) -> None:
    command = (
        sys.executable,
        Path(__file__).with_name("claimer.py"),
        database_url,
        KeyRing.generate().encode(),
    )
    processes = [
        subprocess.Popen((*command, name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("node-a", "node-b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    fences = [process.communicate(timeout=120)[0].split() for process in processes]
    assert sorted(fences) == [[], ["1"]]


async def test_a_new_sqlite_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself turns whoever comes second away with `database is locked`, at once."""
    path = str(tmp_path / "new.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        async with running_into(asyncio.to_thread(use_write_ahead_log, path)) as opening:
            first.execute("COMMIT")
        await opening
        assert first.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_a_revocation_counts_from_its_own_second_on(store: Store, seconds: float) -> None:
    assert await store.exchanges.finish(await start(store, "code"), GRANT, now=NOW)
    assert (await revoke(store, seconds) is not None) is (seconds >= 0)
