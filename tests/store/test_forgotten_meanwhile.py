"""Rows deleted by another node between the insert that finds them and the reading of what is there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import asyncpg
from sqlalchemy import event as hook

from tests.store.moments import after
from tests.store.test_answers import advance, end
from tests.store.test_inbox import finish, message, record
from wxgate.events.records import ReplyState
from wxgate.events.replying import Turn
from wxgate.store import Store


@contextmanager
def deleting(store: Store, before: str, table: str) -> Iterator[None]:
    """Empty a table over another connection, once, when a statement that begins so is about to run."""
    address = store.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    done: list[str] = []

    async def delete() -> None:
        connection = await asyncpg.connect(address)
        await connection.execute(f"DELETE FROM {table}")
        await connection.close()

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not done and " ".join(statement.split()).startswith(before):
            done.append(statement)
            thread = Thread(target=lambda: asyncio.run(delete()))
            thread.start()
            thread.join()

    engine = store.database._writer.sync_engine
    hook.listen(engine, "before_cursor_execute", look)
    yield
    hook.remove(engine, "before_cursor_execute", look)
    assert done


async def test_a_push_whose_first_record_is_deleted_meanwhile_is_recorded_anew(store: Store) -> None:
    if store.database.is_sqlite:
        return  # it has one writer, so nothing comes between
    first = await record(store)
    with deleting(store, "SELECT events.id, events.state", "events"):
        again, beside = await asyncio.gather(record(store), record(store, message(2)))
    assert again.fresh
    assert beside.fresh
    assert again.event.id != first.event.id


async def test_a_claim_that_is_deleted_meanwhile_is_taken(store: Store) -> None:
    if store.database.is_sqlite:
        return
    first, second, third = [(await record(store, message(n, message_key="k"))).event for n in (1, 2, 3)]
    await end(store, first, Turn.CARRY)
    with deleting(store, "SELECT answers.message_key", "answers"):
        assert await end(store, second, Turn.CARRY) is ReplyState.CARRIED
    with deleting(store, "SELECT answers.message_key", "answers"):
        assert await advance(store, third, Turn.CARRY, reply="<xml/>") is ReplyState.CARRIED


async def test_pushes_and_ends_beside_a_node_that_forgets_all_succeed(store: Store, other: Store) -> None:
    for number in range(20):
        kept = (await record(store, message(1000 + number, openid="o-kept"))).event
        await record(store, message(number))
        again, ended, beside, _ = await asyncio.gather(
            record(store, message(number, received_at=after(number))),
            finish(store, kept),
            record(store, message(2000 + number, openid="o-kept")),
            other.event_log.forget("o-follower"),
        )
        assert (again.event.msg_id, ended, beside.fresh) == (str(number), True, True)
