"""From the pushed ticket to a component token that is always good, and fetched no more often than need be."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cast import add_platform, another_node, until
from tests.harness import Harness, World
from tests.pushing import Sealer, component_event, metric, post
from wxgate.custody.records import KeptToken
from wxgate.custody.renewing import BACKOFF
from wxgate.custody.sources import component_key
from wxgate.errors import Busy, IpNotRegistered, TicketMissing, TicketRejected, UpstreamError
from wxgate.server.node import Node

COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
A_SECOND = timedelta(seconds=1)


async def get(world: World, node: Node | None = None) -> KeptToken:
    """Ask for the platform's token as its API calls do."""
    return await (node or world.node).keeper.get(component_key(world.platform.appid))


async def begin(world: World) -> int:
    """Wait for the token that the first ticket buys; return how many calls that has cost."""
    await get(world)
    return len(await world.calls(COMPONENT_TOKEN))


async def calls_after(world: World, begun: int) -> list[str]:
    """List the tickets that were tried since then, one for each call."""
    bodies = [each["body"] for each in (await world.calls(COMPONENT_TOKEN))[begun:]]
    return [
        (json.loads(body) if isinstance(body, str) else body)["component_verify_ticket"] for body in bodies
    ]


async def newer_than(world: World, old: KeptToken) -> KeptToken:
    """Wait until the token has been renewed in the background."""

    async def renewed() -> bool:
        return (await get(world)).version > old.version

    await until(renewed)
    return await get(world)


async def tickets(world: World) -> list[str]:
    """List the tickets in custody, newest first."""
    kept = await world.node.store.tickets.newest(world.platform.appid, 10)
    return [each.ticket.reveal() for each in kept]


def theirs(world: World) -> list[str]:
    """List the tickets WeChat has pushed, newest first."""
    return [each.value for each in reversed(world.emulator.world.tickets.all(world.platform.appid))]


# Tickets


async def test_a_ticket_that_was_acknowledged_is_there_for_another_node(
    tmp_path: Path, database_url: str
) -> None:
    async with Harness(tmp_path, database_url=database_url) as world, another_node(world) as (node, _):
        [kept] = await node.store.tickets.newest(world.platform.appid)
        assert [kept.ticket.reveal()] == theirs(world)
        assert (await get(world, node)).token == (await get(world)).token


async def test_the_last_ticket_and_the_one_before_are_kept_for_longer_than_they_live(world: World) -> None:
    await world.advance(timedelta(hours=11))
    await world.push_ticket()
    assert (await tickets(world))[-1] == theirs(world)[-1]
    await world.advance(timedelta(hours=40))
    await world.push_ticket()
    assert (await tickets(world))[:2] == theirs(world)[:2]
    assert theirs(world)[-1] not in await tickets(world)


async def test_an_older_ticket_that_comes_late_does_not_replace_the_newer(world: World) -> None:
    at = int(world.clock.now().timestamp()) - 300
    sealer = Sealer.of_platform(world)
    late = component_event(
        world.platform.appid, "component_verify_ticket", at=at, ComponentVerifyTicket="ticket@@@late"
    )
    answer = await post(world, f"/wechat/{world.platform.appid}/events", sealer.seal(late))
    assert answer.text == "success"
    assert await tickets(world) == [*theirs(world), "ticket@@@late"]


async def test_the_same_ticket_again_is_one_ticket_with_a_new_age(world: World) -> None:
    await world.advance(timedelta(minutes=9))
    await world.act("ticket", platform=world.platform.appid, new=False)
    age = await world.node.tickets.age(world.platform.appid)
    assert await tickets(world) == theirs(world)
    assert age.age is not None
    assert age.age < timedelta(seconds=10)


async def test_the_ticket_before_is_used_while_the_newest_is_refused(world: World) -> None:
    begun = await begin(world)
    await world.advance(timedelta(minutes=10))
    await world.push_ticket()
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=61006)
    await world.node.keeper.drop(component_key(world.platform.appid))
    await get(world)
    newest, before, *_ = await tickets(world)
    assert await calls_after(world, begun) == [newest, before]


async def test_tickets_that_are_all_refused_are_told_with_wechats_number(world: World) -> None:
    begun = await begin(world)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=61005, times=None)
    await world.node.keeper.drop(component_key(world.platform.appid))
    with pytest.raises(TicketRejected) as refused:
        await get(world)
    assert refused.value.errcode == 61005
    assert await calls_after(world, begun) == await tickets(world)


async def test_without_a_ticket_nothing_is_asked_and_the_operator_is_told_where_it_should_arrive(
    tmp_path: Path,
) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        with pytest.raises(TicketMissing, match=f"every ten minutes.*/wechat/{world.platform.appid}/events"):
            await get(world)
        assert await world.calls(COMPONENT_TOKEN) == []
        await world.push_ticket()
        assert (await get(world)).version == 1


async def test_the_first_ticket_buys_a_token_without_being_asked(world: World) -> None:
    await until(lambda: world.node.keeper.peek(component_key(world.platform.appid)))


async def test_an_address_wechat_does_not_know_is_shown(world: World) -> None:
    await begin(world)
    await world.node.keeper.drop(component_key(world.platform.appid))
    await world.control("POST", "platforms", {"appid": world.platform.appid, "ip_whitelist": ["192.0.2.7"]})
    with pytest.raises(IpNotRegistered) as refused:
        await get(world)
    assert (refused.value.errcode, refused.value.ip) == (61004, "127.0.0.1")


# Tokens


async def test_a_token_is_fetched_once_for_two_hundred_callers(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        kept = await asyncio.gather(*(get(world) for _ in range(200)))
        assert len({each.token.reveal() for each in kept}) == 1
        assert len(await world.calls(COMPONENT_TOKEN)) == 1
        assert await metric(world, "wxgate_token_renewals_total", kind="component", result="renewed") == 1


async def test_a_token_is_fetched_once_for_the_callers_of_two_nodes(
    tmp_path: Path, database_url: str
) -> None:
    async with Harness(tmp_path, database_url=database_url) as world, another_node(world) as (other, _):
        begun = await begin(world)
        for node in (world.node, other):
            await node.runner.stop()  # Its own look at the token must not straddle the jump of the clock.
            await node.keeper.close()
        await get(world, other)
        await world.add_fault(COMPONENT_TOKEN, "delay", seconds=0.05)
        await world.advance(timedelta(hours=2))
        kept = await asyncio.gather(*(get(world, node) for node in (world.node, other) for _ in range(25)))
        assert len({each.token.reveal() for each in kept}) == 1
        assert len(await calls_after(world, begun)) == 1


async def test_callers_share_the_failure_of_the_one_attempt(world: World) -> None:
    begun = await begin(world)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=-1, times=None)
    await world.node.keeper.drop(component_key(world.platform.appid))
    failures = await asyncio.gather(*(get(world) for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in failures} == {Busy}
    assert len(await calls_after(world, begun)) == 1
    assert await metric(world, "wxgate_token_renewals_total", kind="component", result="Busy") == 1


async def test_a_caller_that_gives_up_does_not_take_the_renewal_with_it(world: World) -> None:
    begun = await begin(world)
    await world.add_fault(COMPONENT_TOKEN, "delay", seconds=0.1)
    await world.node.keeper.drop(component_key(world.platform.appid))
    impatient, patient = asyncio.create_task(get(world)), asyncio.create_task(get(world))
    await asyncio.sleep(0.02)
    impatient.cancel()
    assert (await patient).version == 2
    assert len(await calls_after(world, begun)) == 1


async def test_a_lifetime_is_taken_as_wechat_tells_it(world: World) -> None:
    await begin(world)
    await world.control("POST", "switches", {"access_token_lifetime": 600})
    await world.node.keeper.drop(component_key(world.platform.appid))
    kept = await get(world)
    assert kept.expires_at - kept.fetched_at == timedelta(seconds=600)
    await world.advance(timedelta(seconds=500))
    assert (await get(world)).token == kept.token
    await world.advance(timedelta(seconds=101))
    assert (await get(world)).token != kept.token


async def test_a_due_token_is_served_while_it_is_renewed(world: World) -> None:
    old = await get(world)
    await world.add_fault(COMPONENT_TOKEN, "delay", seconds=0.1)
    await world.advance(timedelta(hours=1, minutes=51))
    served = await asyncio.gather(*(get(world) for _ in range(50)))
    assert {each.token for each in served} == {old.token}
    assert (await newer_than(world, old)).token != old.token
    assert len(await world.calls(COMPONENT_TOKEN)) == 2


async def test_an_expired_token_is_waited_for(world: World) -> None:
    old = await get(world)
    await world.add_fault(COMPONENT_TOKEN, "delay", seconds=0.1)
    await world.advance(timedelta(hours=2))
    served = await asyncio.gather(*(get(world) for _ in range(50)))
    assert {each.version for each in served} == {2}
    assert old.token not in {each.token for each in served}
    assert len(await world.calls(COMPONENT_TOKEN)) == 2


async def test_a_due_token_serves_on_while_its_renewal_fails_and_wechat_is_not_hammered(world: World) -> None:
    old = await get(world)
    await world.add_fault(COMPONENT_TOKEN, "status", status=502, times=None)
    await world.advance(timedelta(hours=1, minutes=51))
    for attempts, pause in [(1, A_SECOND), (1, A_SECOND), (1, BACKOFF), (2, A_SECOND)]:
        for _ in range(20):
            assert (await get(world)).token == old.token
        await world.node.keeper.close()
        assert len(await world.calls(COMPONENT_TOKEN)) == 1 + attempts
        await world.advance(pause)


async def test_an_expired_token_whose_renewal_fails_is_not_served(world: World) -> None:
    await get(world)
    await world.add_fault(COMPONENT_TOKEN, "cut")
    await world.advance(timedelta(hours=2))
    with pytest.raises(UpstreamError):
        await get(world)
    assert (await get(world)).version == 2


async def test_what_is_wrong_on_our_side_is_tried_again_as_soon_as_it_is_mended(world: World) -> None:
    other = await add_platform(world, ticket=False)
    key = component_key(other.appid)
    for _ in range(5):
        with pytest.raises(TicketMissing):
            await world.node.keeper.get(key)
    await world.act("ticket", platform=other.appid)
    # The ticket itself sets it off; nobody has to ask, and no pause after the failures holds it up.
    await world.node.keeper.close()
    assert await world.node.keeper.peek(key) is not None


async def test_a_renewal_under_way_is_written_before_the_node_ends(tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        begun = await begin(world)
        await world.add_fault(COMPONENT_TOKEN, "delay", seconds=0.2)
        await world.node.keeper.drop(component_key(world.platform.appid))
        async with another_node(world) as (other, _):
            asking = asyncio.create_task(get(world, other))
            await until(lambda: calls_after(world, begun))
        assert (await asking).token == (await get(world)).token
        assert len(await calls_after(world, begun)) == 1


async def test_the_runner_renews_ahead_without_being_asked(world: World) -> None:
    old = await get(world)
    await world.advance(timedelta(hours=1, minutes=51))
    await world.node.runner.tick()
    assert (await newer_than(world, old)).version == 2
