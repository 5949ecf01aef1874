"""Renewal ahead of need: accounts in use never wait, idle ones cost nothing, and nobody is hammered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.cast import add_direct, another_node, authorized_account, until
from tests.harness import Harness, World
from tests.pushing import metric
from wxgate.custody.planner import Plan
from wxgate.custody.records import KeptToken
from wxgate.custody.renewals import TAKEN_FOR
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.server.node import Node

RENEWAL = "/cgi-bin/component/api_authorizer_token"
NEARLY_OVER = timedelta(hours=1, minutes=52)


async def accounts(world: World, count: int, *, used: bool) -> list[dict[str, Any]]:
    """Make accounts with tokens that somebody uses, or nobody does."""
    made = [await authorized_account(world, nick_name=f"第{number}家") for number in range(count)]
    if used:
        for each in made:
            await world.node.keeper.get(authorizer_key(world.platform.appid, each["appid"]))
        await world.node.keeper.note_uses()
    return made


async def look(*nodes: Node) -> None:
    """Let nodes look once for something due, and wait until what they began is done."""
    for node in nodes:
        await node.renewals.tick()
        await node.keeper.close()


async def token_of(world: World, account: dict[str, Any]) -> KeptToken:
    """Look at the account's token as it stands."""
    kept = await world.node.keeper.peek(authorizer_key(world.platform.appid, account["appid"]))
    assert kept is not None
    return kept


async def at_rest(world: World) -> None:
    """Stop what the node does unasked, so that the test alone decides when it looks."""
    await world.node.runner.stop()


async def test_an_account_in_use_is_renewed_ahead_and_an_idle_one_is_not(
    world: World,
) -> None:
    await at_rest(world)
    [used], [idle] = await accounts(world, 1, used=True), await accounts(world, 1, used=False)
    await world.advance(NEARLY_OVER)
    await look(world.node)
    assert [(await token_of(world, each)).version for each in (used, idle)] == [2, 1]
    assert len(await world.calls(RENEWAL)) == 1
    assert await metric(world, "wxgate_tokens_planned_total", decision="renew") >= 1
    assert await metric(world, "wxgate_tokens_planned_total", decision="park") == 1


async def test_an_idle_account_is_renewed_on_demand_and_ahead_from_then_on(world: World) -> None:
    await at_rest(world)
    [account] = await accounts(world, 1, used=False)
    key = authorizer_key(world.platform.appid, account["appid"])
    await world.advance(NEARLY_OVER)
    await look(world.node)
    await world.advance(timedelta(hours=1))
    assert (await world.node.keeper.get(key)).version == 2
    await world.node.keeper.note_uses()
    await world.advance(NEARLY_OVER)
    await look(world.node)
    assert (await token_of(world, account)).version == 3


async def test_an_account_that_nobody_uses_any_more_is_left_alone_after_the_window(tmp_path: Path) -> None:
    async with Harness(tmp_path, renew_window_hours=3) as world:
        await at_rest(world)
        [account] = await accounts(world, 1, used=True)
        for _ in range(4):
            await world.advance(NEARLY_OVER)
            await look(world.node)
        # Used at 0:00: renewed at 1:52, and no more at 3:44.
        assert (await token_of(world, account)).version == 2


async def test_no_more_are_renewed_at_once_than_allowed(tmp_path: Path) -> None:
    async with Harness(tmp_path, renewals_at_once=2) as world:
        await at_rest(world)
        made = await accounts(world, 5, used=True)
        await world.advance(NEARLY_OVER)
        await world.node.keeper.get(component_key(world.platform.appid))
        await world.node.keeper.close()
        for renewed in (2, 4, 5):
            await look(world.node)
            assert sum([(await token_of(world, each)).version == 2 for each in made]) == renewed


async def test_two_nodes_share_the_work(tmp_path: Path, database_url: str) -> None:
    async with Harness(tmp_path, database_url=database_url) as world, another_node(world) as (other, _):
        await other.runner.stop()
        await at_rest(world)
        made = await accounts(world, 4, used=True)
        await world.advance(NEARLY_OVER)
        for _ in range(2):
            await look(world.node, other)
        assert {(await token_of(world, each)).version for each in made} == {2}
        assert len(await world.calls(RENEWAL)) == 4


async def test_a_renewal_that_fails_is_tried_again_after_a_pause_by_whichever_node(world: World) -> None:
    await at_rest(world)
    [account] = await accounts(world, 1, used=True)
    await world.advance(NEARLY_OVER)
    await world.add_fault(RENEWAL, "errcode", errcode=-1, times=1)
    for _ in range(3):
        await look(world.node)
    assert len(await world.calls(RENEWAL)) == 1
    await world.advance(timedelta(seconds=7))
    await look(world.node)
    assert (await token_of(world, account)).version == 2


async def test_what_a_dead_node_had_taken_is_renewed_by_another(world: World) -> None:
    await at_rest(world)
    [account] = await accounts(world, 1, used=True)
    await world.advance(NEARLY_OVER)
    async with another_node(world) as (other, _):
        await other.runner.stop()
        now = world.clock.now()
        taken = await world.node.store.tokens.take_due(
            lambda rows: Plan(renew=tuple(rows)), now=now, limit=10, until=now + TAKEN_FOR
        )
        assert taken.renew
        await look(other)
        assert (await token_of(world, account)).version == 1
        await world.advance(TAKEN_FOR)
        await look(other)
        assert (await token_of(world, account)).version == 2


async def test_a_direct_account_in_use_costs_one_call_in_two_hours(world: World) -> None:
    await at_rest(world)
    direct = await add_direct(world)
    key = direct_key(direct.appid)
    old = await world.node.keeper.get(key)
    await world.node.keeper.note_uses()
    for minutes in (110, 4, 3):
        await world.advance(timedelta(minutes=minutes))
        assert (await world.node.keeper.get(key)).version == old.version
        await look(world.node)
    new = await world.node.keeper.peek(key)
    assert new is not None
    assert (new.version, new.token == old.token) == (2, False)
    assert len(await world.calls("/cgi-bin/stable_token")) == 2


async def test_a_running_node_renews_by_itself(world: World) -> None:
    [account] = await accounts(world, 1, used=True)
    await world.advance(NEARLY_OVER)

    async def renewed() -> bool:
        return (await token_of(world, account)).version == 2

    await until(renewed)
