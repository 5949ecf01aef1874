"""A message that ends every node that touches it must not keep the server down for ever."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from tests.cast import add_follower, authorized_account, settle
from tests.harness import Harness
from wxgate.events.handlers import Handlers
from wxgate.events.handling import LEASE
from wxgate.events.reception import DEATHS, SETTLED
from wxgate.events.records import EventState
from wxgate.store.tables import events


async def test_a_handler_that_wants_to_end_the_process_is_a_failed_handler(tmp_path: Path) -> None:
    handlers = Handlers()

    async def leave(message: Any) -> None:
        raise SystemExit(3)

    handlers.add(("text",), leave)
    async with Harness(tmp_path, handlers=handlers) as world:
        follower = await add_follower(world, (await authorized_account(world))["appid"])
        push = await follower.writes("bye")
        await settle(world)
        assert push["outcome"] == "success"
        [event] = await world.node.store.inbox.find(appid=follower.appid, limit=1)
        assert event.state is EventState.FAILED
        assert "SystemExit" in event.error


async def test_an_event_that_outlived_several_nodes_is_given_up(tmp_path: Path) -> None:
    calls: list[str] = []
    handlers = Handlers()

    async def note(message: Any) -> None:
        calls.append(message.content)

    handlers.add(("text",), note)
    async with Harness(tmp_path, handlers=handlers) as world:
        follower = await add_follower(world, (await authorized_account(world))["appid"])
        await follower.writes("deadly")
        await settle(world)
        inbox = world.node.store.inbox
        [event] = await inbox.find(appid=follower.appid, limit=1)
        assert calls == ["deadly"]
        # As if every node that took it had died: the record says who holds it, and how often it was taken.
        await reopen(world, event.id, attempts=DEATHS)
        await world.advance(LEASE + SETTLED + timedelta(seconds=1))
        assert await world.node.reception.sweep(lambda _: None) == 1  # type: ignore[arg-type, return-value]
        given_up = await inbox.load(event.id)
        assert given_up is not None
        assert given_up.state is EventState.FAILED
        assert calls == ["deadly"]


async def reopen(world: Any, event_id: int, *, attempts: int) -> None:
    """Make a record look as a dead node leaves it."""
    async with world.node.store.database.write() as connection:
        await connection.execute(
            update(events)
            .where(events.c.id == event_id)
            .values(state=EventState.HANDLING.value, holder="dead", attempts=attempts)
        )
