"""Tickets that stay away are asked for, once however many nodes there are, and ever more rarely."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.cast import another_node, until
from tests.harness import World
from tests.pushing import metric
from wxgate.custody.tickets import TicketHealth
from wxgate.secret import AppSecret

START = "/cgi-bin/component/api_start_push_ticket"


async def asked(world: World) -> int:
    """Count the requests that reached WeChat."""
    return len(await world.calls(START))


async def later(world: World, minutes: float) -> None:
    """Let time go by without a ticket, and look."""
    await world.advance(timedelta(minutes=minutes))
    await world.node.late_tickets.sweep()


async def stay_away(world: World) -> None:
    """Let WeChat push nothing, though it is asked."""
    await world.control("POST", "switches", {"start_push_ticket_at_once": False})


async def health(world: World) -> TicketHealth:
    return (await world.node.tickets.age(world.platform.appid)).health


async def test_a_ticket_in_time_is_not_asked_for(world: World) -> None:
    await later(world, 24)
    assert await asked(world) == 0


async def test_a_late_ticket_is_asked_for_and_comes(world: World) -> None:
    await world.control("POST", "switches", {"start_push_ticket_at_once": True})
    await later(world, 26)
    assert await asked(world) == 1

    async def is_good() -> bool:
        return await health(world) is TicketHealth.GOOD

    await until(is_good)
    await world.node.late_tickets.sweep()
    kept = await world.node.store.tickets.requests(world.platform.appid)
    assert (kept.count, kept.not_before) == (0, None)
    asked_for = await metric(
        world, "wxgate_ticket_requests_total", platform=world.platform.appid, result="asked"
    )
    assert asked_for == 1


async def test_pushes_that_stay_away_are_asked_for_ever_more_rarely(world: World) -> None:
    await stay_away(world)
    counts = []
    for _ in range(60):
        await later(world, 10)
        counts.append(await asked(world))
    assert counts[1] == 0
    assert counts[2:4] == [1, 2], "then ten minutes later, since pushes come every ten minutes"
    assert counts[-1] - counts[-13] == 1, "and in the end once in two hours"


async def test_two_nodes_ask_once(world: World) -> None:
    await world.advance(timedelta(minutes=26))
    async with another_node(world) as (node, _):
        for each in (node, world.node, node):
            await each.late_tickets.sweep()
    assert await asked(world) == 1


async def test_people_are_told_once_for_each_level(world: World) -> None:
    await stay_away(world)
    with capture_logs() as logs:
        for _ in range(8):
            await later(world, 10)
        await world.push_ticket()
        await world.node.late_tickets.sweep()
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("ticket.")]
    told = [line for line in told if line[0] not in ("ticket.requested", "ticket.request_failed")]
    assert told == [("ticket.late", "warning"), ("ticket.alarm", "error"), ("ticket.back", "info")]
    assert await health(world) is TicketHealth.GOOD


@pytest.mark.parametrize(("minutes", "count"), [(9, 0), (11, 1)])
async def test_a_platform_that_never_had_a_ticket_is_given_a_moment_first(
    world: World, minutes: float, count: int
) -> None:
    made = await world.control("POST", "platforms", {"name": "新平台"})
    fresh = replace(
        world.platform,
        appid=made["appid"],
        secret=AppSecret(made["secret"]),
        created_at=world.clock.now(),
    )
    await world.node.store.platforms.put_platform(fresh)
    await later(world, minutes)
    assert await asked(world) == count


async def test_a_wrong_secret_is_told_and_not_tried_all_the_time(world: World) -> None:
    await world.node.store.platforms.put_platform(replace(world.platform, secret=AppSecret("wrong")))
    for _ in range(3):
        await later(world, 26 / 3 + 0.1)
        await world.node.late_tickets.sweep()
    assert await asked(world) == 1
    failed = await metric(
        world, "wxgate_ticket_requests_total", platform=world.platform.appid, result="WeChatError"
    )
    assert failed == 1
