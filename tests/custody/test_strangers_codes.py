"""Neither a stranger's browser nor our own mistakes must touch a merchant's good code."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.cast import click, settle
from tests.custody.confirming import QUERY_AUTH, authorization, confirm
from tests.harness import World
from wxgate.custody.records import AuthorizationState
from wxgate.custody.sources import component_key
from wxgate.secret import AppSecret


async def test_a_made_up_code_never_takes_over_an_account_whose_answer_was_lost(world: World) -> None:
    """WeChat is busy while a stranger tries his code, and a merchant's answer is lost in the same moments."""
    flow = await click(world)
    await world.add_fault(QUERY_AUTH, "errcode", errcode=-1, times=3)
    back = f"/authorize/{world.platform.appid}/return?flow={flow}&auth_code=queryauthcode@@@made-up"
    assert (await world.fetch(back)).status == 303
    victim = await confirm(world)
    await world.add_fault(QUERY_AUTH, "cut", stage="after", times=1)
    await asyncio.gather(victim.by_redirect(), world.fetch(back))
    await settle(world)
    await world.advance(timedelta(seconds=30))
    await world.node.exchanges.sweep()
    await settle(world)

    stranger = await world.node.exchanges.find_by_flow(flow)
    assert stranger is not None
    assert stranger.appid is None, "WeChat calls the code foreign (61009), so it is nobody's"
    assert (await authorization(world, victim.appid)).state == AuthorizationState.ACTIVE


async def test_an_account_that_left_between_click_and_confirmation_is_authorised_all_the_same(
    world: World,
) -> None:
    first = await confirm(world)
    await first.by_push()
    await settle(world)
    await click(world)
    await world.advance(timedelta(seconds=30))
    await world.control("DELETE", "faults")
    await world.act("unauthorize", platform=world.platform.appid, appid=first.appid)
    await world.advance(timedelta(seconds=30))
    again = await confirm(world, {"appid": first.appid})
    await again.by_redirect()
    held = await authorization(world, first.appid)
    assert held.state == AuthorizationState.ACTIVE
    assert held.refresh_token is not None


async def test_a_wrong_secret_fails_no_code_and_is_mended_in_time(world: World) -> None:
    # The first token, bought by the first ticket, must not still be under way with the right secret.
    await world.node.keeper.get(component_key(world.platform.appid))
    wrong = replace(world.platform, secret=AppSecret("not the secret"))
    await world.node.store.platforms.put_platform(wrong)
    await world.advance(timedelta(hours=2, minutes=5))  # so that a new component token is needed
    fresh = await confirm(world)
    await fresh.by_push()
    await settle(world)
    assert (await fresh.job()).state == "pending"
    assert await world.calls(QUERY_AUTH) == []

    await world.node.store.platforms.put_platform(world.platform)
    await world.advance(timedelta(minutes=6))
    await world.node.exchanges.sweep()
    assert (await authorization(world, fresh.appid)).state == AuthorizationState.ACTIVE


async def test_garbage_does_not_stand_before_what_wechat_pushed(world: World) -> None:
    await world.add_fault(QUERY_AUTH, "errcode", errcode=45009, times=None)
    for _ in range(3):
        flow = await click(world)
        await world.fetch(
            f"/authorize/{world.platform.appid}/return?flow={flow}&auth_code=queryauthcode@@@{flow}"
        )
    pushed = await confirm(world)
    await world.add_fault(QUERY_AUTH, "errcode", errcode=45009, times=None)
    await pushed.by_push()
    await settle(world)
    await world.advance(timedelta(minutes=6))
    waiting = await world.node.store.exchanges.unfinished(now=world.clock.now())
    assert [job.source for job in waiting][:1] == ["authorized"]
    calls = len(await world.calls(QUERY_AUTH))
    await world.node.exchanges.sweep()
    await world.node.exchanges.sweep()
    await settle(world)
    assert len(await world.calls(QUERY_AUTH)) <= calls + len(waiting), "each is tried once, and put off again"
