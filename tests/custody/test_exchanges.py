"""A code arrives twice, in any order, on any node: exchanged once, and never spent in vain."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.cast import another_node, settle, until
from tests.custody.confirming import QUERY_AUTH, authorization, confirm, same_tokens
from tests.harness import Harness, World
from tests.pushing import component_event, metric
from wxgate.custody.exchanges import GIVE_UP_AFTER
from wxgate.server.runner import INFO_TICKS

AUTHORIZER_LIST = "/cgi-bin/component/api_get_authorizer_list"
PUSH, REDIRECT = "push", "redirect"
ORDERS = sorted(set(permutations((PUSH, PUSH, REDIRECT, REDIRECT))))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_a_code_that_comes_four_times_is_exchanged_once(world: World, order: tuple[str, ...]) -> None:
    confirmed = await confirm(world)
    for way in order:
        await (confirmed.by_push() if way == PUSH else confirmed.by_redirect())
    held = await authorization(world, confirmed.appid)
    assert held.state == "active"
    assert len(await world.calls(QUERY_AUTH)) == 1
    assert await same_tokens(world, confirmed.appid)
    assert (
        await metric(world, "wxgate_authorizations_total", platform=world.platform.appid, change="authorized")
        == 1
    )
    job = await confirmed.job()
    assert (job.state, job.appid) == ("done", confirmed.appid)


async def test_a_code_that_comes_from_all_sides_at_once_is_exchanged_once(
    tmp_path: Path, database_url: str
) -> None:
    async with Harness(tmp_path, database_url=database_url) as world, another_node(world) as (_, other):
        confirmed = [await confirm(world) for _ in range(3)]
        await asyncio.gather(
            *(each.by_redirect(base) for each in confirmed for base in ("", other, "", other)),
            *(each.by_push() for each in confirmed for _ in range(2)),
        )
        for each in confirmed:
            await until(each.is_done)
            assert await same_tokens(world, each.appid)
        assert len(await world.calls(QUERY_AUTH)) == len(confirmed)


async def test_what_an_authorization_brings_is_all_kept(world: World) -> None:
    account = await world.add_account("晨光咖啡馆", principal_name="晨光餐饮有限公司")
    confirmed = await confirm(world, account, func_ids=[1, 4, 18])
    await confirmed.by_push()
    held = await authorization(world, confirmed.appid)
    assert held.func_ids == (1, 4, 18)
    info = await world.node.accounts.load(confirmed.appid)
    assert info is not None
    assert (info.nick_name, info.principal_name) == ("晨光咖啡馆", "晨光餐饮有限公司")
    assert (info.user_name, info.kind) == (account["user_name"], "official_account")


async def test_a_mini_program_is_told_from_an_official_account(world: World) -> None:
    account = await world.add_account("晨光点单", kind="mini_program")
    await (await confirm(world, account)).by_push()
    await settle(world)
    info = await world.node.accounts.load(account["appid"])
    assert info is not None
    assert info.kind == "mini_program"


@pytest.mark.parametrize("both_work", [True, False])
@pytest.mark.parametrize("order", [(PUSH, REDIRECT), (REDIRECT, PUSH)], ids="-".join)
async def test_two_different_codes_of_one_confirmation_make_one_authorization(
    world: World, order: tuple[str, str], both_work: bool
) -> None:
    await world.control("POST", "switches", {"codes_identical": False, "both_codes_work": both_work})
    confirmed = await confirm(world)
    for way in order:
        await (confirmed.by_push() if way == PUSH else confirmed.by_redirect())
        await settle(world)
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)
    history = await world.node.authorizations.history(world.platform.appid, confirmed.appid)
    assert len(history) == 1


# Trouble on the way


@pytest.mark.parametrize("stage", ["before", "after", "middle"])
@pytest.mark.parametrize("way", [PUSH, REDIRECT])
async def test_an_answer_that_is_lost_costs_no_authorization(world: World, way: str, stage: str) -> None:
    confirmed = await confirm(world)
    await world.add_fault(QUERY_AUTH, "cut", stage=stage)
    await (confirmed.by_push() if way == PUSH else confirmed.by_redirect())
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)
    spent = [] if stage == "before" else [61010]
    assert [each["errcode"] for each in await world.calls(QUERY_AUTH)][1:] == (spent or [0])


@pytest.mark.parametrize(
    "trouble",
    [
        {"action": "errcode", "errcode": -1},
        {"action": "errcode", "errcode": 45009},
        {"action": "errcode", "errcode": 61004},
        {"action": "status", "status": 502},
    ],
    ids=["busy", "quota", "address", "bad gateway"],
)
async def test_passing_trouble_is_waited_out(world: World, trouble: dict[str, Any]) -> None:
    confirmed = await confirm(world)
    await world.add_fault(QUERY_AUTH, **trouble)
    await confirmed.by_redirect()
    await wait_out(world)
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert len(await world.calls(QUERY_AUTH)) == 2


async def test_a_code_that_comes_before_the_first_ticket_waits_for_it(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        confirmed = await confirm(world)
        await confirmed.by_push()
        assert await world.calls(QUERY_AUTH) == []
        await world.push_ticket()
        await wait_out(world)
        assert (await authorization(world, confirmed.appid)).state == "active"


async def test_a_code_is_given_up_when_it_cannot_be_alive_any_more(world: World) -> None:
    confirmed = await confirm(world)
    await world.add_fault(QUERY_AUTH, "errcode", errcode=-1, times=None)
    await confirmed.by_redirect()
    await until(lambda: world.calls(QUERY_AUTH))
    await world.advance(GIVE_UP_AFTER + timedelta(minutes=1))
    job = await confirmed.job()
    assert (job.state, job.errcode) == ("failed", -1)


@pytest.mark.parametrize(("after", "errcode"), [(timedelta(hours=1, seconds=1), 61010), (None, 61009)])
async def test_a_code_wechat_refuses_is_a_failed_job_with_its_number(
    world: World, after: timedelta | None, errcode: int
) -> None:
    confirmed = await confirm(world)
    if after is None:
        confirmed = replace(confirmed, code="queryauthcode@@@of-somebody-else")
    else:
        await world.advance(after)
    await confirmed.by_redirect()
    job = await confirmed.job()
    assert (job.state, job.errcode) == ("failed", errcode)
    assert await world.node.authorizations.load(world.platform.appid, confirmed.appid) is None


async def test_a_code_whose_merchant_left_again_is_a_failed_job(world: World) -> None:
    confirmed = await confirm(world)
    await world.control("POST", "faults", {"push": "unauthorized", "action": "lose"})
    await world.act("unauthorize", platform=world.platform.appid, appid=confirmed.appid)
    await confirmed.by_push()
    job = await confirmed.job()
    assert (job.state, job.errcode) == ("failed", 61003)
    held = await authorization(world, confirmed.appid)
    assert (held.state, held.refresh_token) == ("pending", None)


async def test_an_expired_code_that_a_push_vouches_for_is_read_back(world: World) -> None:
    confirmed = await confirm(world)
    await world.advance(timedelta(hours=1, seconds=1))
    await confirmed.by_push()
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await same_tokens(world, confirmed.appid)


async def test_two_merchants_whose_answers_are_lost_are_not_taken_for_each_other(world: World) -> None:
    first, second = await confirm(world), await confirm(world)
    await world.add_fault(QUERY_AUTH, "cut", stage="after", times=2)
    await asyncio.gather(second.by_redirect(), first.by_redirect())
    await until(lambda: world.calls(AUTHORIZER_LIST))
    await asyncio.gather(second.by_push(), first.by_push())
    for confirmed in (first, second):
        assert (await confirmed.job()).appid == confirmed.appid
        assert (await authorization(world, confirmed.appid)).state == "active"
        assert await same_tokens(world, confirmed.appid)


async def test_a_result_that_cannot_be_written_is_not_taken_for_a_refusal(world: World) -> None:
    confirmed = await confirm(world)
    await rename(world, "authorizations", "hidden")
    with capture_logs() as logs:

        async def ended() -> bool:
            return any(line["event"] in ("exchange.put_off", "exchange.failed") for line in logs)

        await confirmed.by_redirect()
        await until(ended)
    await rename(world, "hidden", "authorizations")
    await wait_out(world)
    assert (await authorization(world, confirmed.appid)).state == "active"


async def wait_out(world: World) -> None:
    """Let the time pass for which a job is put off, and have somebody look for it."""
    await settle(world)
    await world.advance(timedelta(seconds=10))
    await world.node.exchanges.sweep()


async def rename(world: World, table: str, name: str) -> None:
    """Take a table away, or give it back."""
    async with world.node.store.database.write() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


async def test_a_fast_registration_brings_its_account_with_it(world: World) -> None:
    account = await world.add_account("新开的店", kind="mini_program")
    theirs = world.emulator.world
    granted = theirs.authorize(theirs.platform(world.platform.appid), theirs.account(account["appid"]), None)
    fields = {"appid": account["appid"], "status": 0, "auth_code": granted.push_code, "msg": "OK"}
    at = int(world.clock.now().timestamp())
    plain = component_event(world.platform.appid, "notify_third_fasteregister", at=at, **fields)
    told = await world.act("push", platform=world.platform.appid, xml=plain)
    assert told["outcome"] == "success"
    held = await authorization(world, account["appid"])
    assert (held.state, held.reason) == ("active", "notify_third_fasteregister")


async def test_account_information_that_does_not_come_is_asked_for_again(world: World) -> None:
    confirmed = await confirm(world)
    await world.add_fault("/cgi-bin/component/api_get_authorizer_info", "errcode", errcode=-1)
    await confirmed.by_push()
    assert (await authorization(world, confirmed.appid)).state == "active"
    assert await world.node.accounts.load(confirmed.appid) is None
    for _ in range(INFO_TICKS):
        await world.node.runner.tick()
    await until(lambda: world.node.accounts.load(confirmed.appid))
