"""Many nodes, and nodes that die: a message is handled once, by whoever is alive."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from tests.cast import another_node, authorized_account, settle, until
from tests.harness import Fetched, Harness, World
from tests.pushing import Sealer, post, text_message
from wxgate.events.handlers import Handlers
from wxgate.events.handling import LEASE
from wxgate.events.reception import SETTLED
from wxgate.events.records import Event, EventKind, NewEvent
from wxgate.protocol import xml
from wxgate.protocol.messages import dedup_key, parse_message
from wxgate.server.runner import revive

A_MOMENT = timedelta(milliseconds=50)


def counting(heard: list[str], node: str) -> Handlers:
    """Make the handlers of one node, which note who handled what."""
    handlers = Handlers()

    async def handler(message: Any) -> str:
        heard.append(f"{node}: {message.content}")
        await asyncio.sleep(0.02)
        return f"{node} 回答 {message.content}"

    handlers.add(("text",), handler)
    return handlers


async def bring(world: World, account: dict[str, Any], msg_id: int, *, base: str = "") -> Fetched:
    """Bring one attempt of a message to a node; each has its own seal, as WeChat's have."""
    letter = sealer(world, account).seal(plain(account, msg_id))
    return await post(world, f"/wechat/{world.platform.appid}/messages/{account['appid']}", letter, base=base)


def sealer(world: World, account: dict[str, Any]) -> Sealer:
    """Seal for the messages of an account."""
    return Sealer.of_platform(world, account=account["user_name"])


def plain(account: dict[str, Any], msg_id: int) -> str:
    """Write the message of a number."""
    return text_message(account["user_name"], content=str(msg_id), msg_id=msg_id)


async def abandon(world: World, account: dict[str, Any], msg_id: int, *, ago: timedelta) -> Event:
    """Record a message as a node does that died, some time ago, while its handler ran."""
    text = plain(account, msg_id)
    fields = xml.parse(text)
    message = parse_message(fields)
    then = world.clock.now() - ago
    new = NewEvent(
        dedup_key=dedup_key(world.platform.appid, account["appid"], message, text.encode()),
        issuer=world.platform.appid,
        appid=account["appid"],
        kind=EventKind.MESSAGE,
        name=message.type,
        openid=message.openid,
        msg_id=message.msg_id,
        created_at=message.created_at,
        received_at=then,
        source_ip="192.0.2.1",
        fields=dict(fields),
    )
    recorded = await world.node.store.inbox.record(new, holder="a dead node", lease_until=then + LEASE)
    assert recorded.fresh
    return recorded.event


async def load(world: World, event: Event) -> Event:
    """Load how an event stands now."""
    found = await world.node.store.inbox.load(event.id)
    assert found is not None
    return found


async def test_attempts_that_reach_two_nodes_are_handled_by_one_and_answered_alike(
    tmp_path: Path, database_url: str
) -> None:
    heard: list[str] = []
    async with (
        Harness(tmp_path, database_url=database_url, handlers=counting(heard, "甲")) as world,
        another_node(world, counting(heard, "乙")) as (_, other),
    ):
        account = await authorized_account(world)
        for msg_id in range(1, 11):
            # One message after the other: forty attempts at once are too many for a busy machine's deadline.
            attempts = (bring(world, account, msg_id, base=base) for base in ("", other, "", other))
            answers = await asyncio.gather(*attempts)
            assert len({sealer(world, account).open(answer) for answer in answers}) == 1
        assert sorted(int(line.split()[1]) for line in heard) == list(range(1, 11))


async def test_a_message_whose_node_died_is_taken_over_by_the_next_attempt(
    tmp_path: Path, database_url: str
) -> None:
    heard: list[str] = []
    async with Harness(tmp_path, database_url=database_url, handlers=counting(heard, "甲")) as world:
        account = await authorized_account(world)
        event = await abandon(world, account, 1, ago=LEASE + A_MOMENT)
        with capture_logs() as logs:
            answers = await asyncio.gather(*(bring(world, account, 1) for _ in range(5)))
        assert {sealer(world, account).open(answer) for answer in answers} == {
            (await load(world, event)).reply
        }
        assert heard == ["甲: 1"]
        after = await load(world, event)
        assert (after.state, after.attempts) == ("done", 2)
        assert [line["event"] for line in logs].count("event.taken_over") == 1


async def test_an_attempt_waits_for_a_node_that_may_still_be_alive(tmp_path: Path) -> None:
    heard: list[str] = []
    async with Harness(tmp_path, handlers=counting(heard, "甲"), reply_deadline=0.3) as world:
        await world.node.replies.set("*", hold_retries=False)
        account = await authorized_account(world)
        event = await abandon(world, account, 1, ago=timedelta(0))
        early = await bring(world, account, 1)
        still = await load(world, event)
        assert early.text == "success"
        assert heard == []
        assert (still.state, still.holder) == ("handling", "a dead node")


async def test_an_attempt_that_waits_takes_over_when_the_lease_ends(tmp_path: Path) -> None:
    heard: list[str] = []
    async with Harness(tmp_path, handlers=counting(heard, "甲"), reply_deadline=5) as world:
        account = await authorized_account(world)
        await abandon(world, account, 1, ago=LEASE - 2 * A_MOMENT)
        answer = await bring(world, account, 1)
        assert "甲 回答 1" in sealer(world, account).open(answer)


async def test_a_message_nobody_brings_again_is_handled_after_all_but_not_replied_to(
    tmp_path: Path, database_url: str
) -> None:
    heard: list[str] = []
    async with Harness(tmp_path, database_url=database_url, handlers=counting(heard, "甲")) as world:
        await world.node.replies.set("*", custom_message=False)
        account = await authorized_account(world)
        event = await abandon(world, account, 1, ago=SETTLED + A_MOMENT)
        await asyncio.gather(*(world.node.reception.sweep(revive) for _ in range(3)))
        await settle(world)
        after = await load(world, event)
        assert heard == ["甲: 1"]
        assert (after.state, after.reply) == ("done", None)
        assert "not sent" in after.error
        again = await bring(world, account, 1)
        assert again.text == "success"
        assert heard == ["甲: 1"]


async def test_the_sweep_leaves_to_wechat_what_it_may_still_bring(tmp_path: Path) -> None:
    heard: list[str] = []
    async with Harness(tmp_path, handlers=counting(heard, "甲")) as world:
        account = await authorized_account(world)
        await abandon(world, account, 1, ago=SETTLED - timedelta(seconds=5))
        assert await world.node.reception.sweep(revive) == 0
        assert heard == []


async def test_a_node_that_is_closed_lets_its_handlers_end(tmp_path: Path, database_url: str) -> None:
    heard: list[str] = []

    async def begun() -> bool:
        return bool(heard)

    async with Harness(tmp_path, database_url=database_url) as world:
        account = await authorized_account(world)
        async with another_node(world, counting(heard, "乙")) as (_, other):
            answer = asyncio.create_task(bring(world, account, 1, base=other))
            await until(begun)
        assert "乙 回答 1" in sealer(world, account).open(await answer)
        [event] = [each for each in await world.node.store.inbox.find() if each.msg_id == "1"]
        assert (event.state, event.reply) == ("done", sealer(world, account).open(await answer))


async def test_a_handler_that_outlives_its_node_is_handled_again_by_the_next(tmp_path: Path) -> None:
    """A handler stopped at shutdown has not ended: its event stays open and is not called done."""
    stuck = Handlers()
    began = asyncio.Event()

    async def never(message: Any) -> str:
        began.set()
        await asyncio.Event().wait()
        return ""

    stuck.add(("text",), never)
    heard: list[str] = []
    async with Harness(tmp_path, handlers=counting(heard, "甲"), reply_deadline=1) as world:
        await world.node.replies.set("*", hold_retries=False)
        account = await authorized_account(world)
        async with another_node(world, stuck) as (_, other):
            answer = await bring(world, account, 1, base=other)
            assert began.is_set()
            assert answer.text == "success"
        [event] = [each for each in await world.node.store.inbox.find() if each.msg_id == "1"]
        assert (event.state, event.error) == ("handling", "")
        await world.advance(SETTLED + LEASE)
        await world.node.reception.sweep(revive)
        await settle(world)
        assert heard == ["甲: 1"]
