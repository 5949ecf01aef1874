"""Fetches that can only fail are not tried, and valid tokens are served all the while."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cast import add_platform, another_node, authorized_account
from tests.harness import Harness, World
from tests.pushing import metric
from wxgate.custody.budget import day_of
from wxgate.custody.circuit import BACKOFF, FAILURES, CircuitState
from wxgate.custody.sources import authorizer_key, component_key
from wxgate.errors import Busy, CircuitOpen, GatewayError, HeldBack, RateLimited, RefreshTokenRejected
from wxgate.protocol.tokens import TokenKey

COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"
A_MOMENT = timedelta(seconds=2)


async def try_to_get(world: World, key: TokenKey, times: int = 1) -> list[GatewayError]:
    """Ask for a token again and again, waiting where told to hold back; return what came instead."""
    errors: list[GatewayError] = []
    while len(errors) < times:
        try:
            await world.node.keeper.get(key)
            times -= 1
        except HeldBack as error:
            await world.advance(timedelta(seconds=error.retry_after))
        except GatewayError as error:
            errors.append(error)
    return errors


async def test_after_some_failures_callers_are_answered_at_once(world: World) -> None:
    accounts = [await authorized_account(world) for _ in range(FAILURES + 3)]
    await world.add_fault(AUTHORIZER_TOKEN, "errcode", errcode=-1, times=None)
    errors = []
    for account in accounts:
        key = authorizer_key(world.platform.appid, account["appid"])
        await world.node.keeper.drop(key)
        errors += await try_to_get(world, key)
    assert [type(error) for error in errors] == [Busy] * FAILURES + [CircuitOpen] * 3
    assert isinstance(errors[-1], CircuitOpen)
    assert 0 < errors[-1].retry_after <= 2 * BACKOFF.total_seconds()
    assert not errors[-1].sent
    assert len(await world.calls(AUTHORIZER_TOKEN)) == FAILURES


async def test_one_account_that_wechat_cannot_serve_costs_few_calls_however_often_it_is_asked_for(
    world: World,
) -> None:
    account = await authorized_account(world)
    key = authorizer_key(world.platform.appid, account["appid"])
    await world.node.keeper.drop(key)
    await world.add_fault(AUTHORIZER_TOKEN, "errcode", errcode=-1, times=None)
    async with another_node(world) as (other, _):
        for pause, calls in [
            (0, 2),
            (1, 3),
            (1, 3),
            (1, 4),
            (4, 5),
            (8, 6),
            (16, 7),
            (30, 8),
            (29, 8),
            (1, 9),
        ]:
            await world.advance(timedelta(seconds=pause))
            for node in (world.node, other, world.node):
                for _ in range(5):
                    with pytest.raises((Busy, HeldBack)):
                        await node.keeper.get(key)
            assert len(await world.calls(AUTHORIZER_TOKEN)) == calls
        with pytest.raises(HeldBack, match="-1") as held:
            await world.node.keeper.get(key)
        assert 0 < held.value.retry_after <= 30
        await world.control("DELETE", "faults")
        await world.advance(timedelta(seconds=held.value.retry_after))
        assert (await world.node.keeper.get(key)).token


async def test_an_open_circuit_lets_one_attempt_through_and_closes_with_it(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=-1, times=FAILURES)
    await try_to_get(world, key, FAILURES + 1)
    await world.advance(2 * BACKOFF)
    got = await asyncio.gather(*(world.node.keeper.get(key) for _ in range(20)))
    assert len({kept.token.reveal() for kept in got}) == 1
    assert len(await world.calls(COMPONENT_TOKEN)) == FAILURES + 1
    assert (await world.node.guarded.look(key)).state is CircuitState.CLOSED


async def test_a_valid_token_is_served_while_the_circuit_is_open(world: World) -> None:
    account = await authorized_account(world)
    key = authorizer_key(world.platform.appid, account["appid"])
    kept = await world.node.keeper.get(key)
    await world.add_fault(AUTHORIZER_TOKEN, "status", status=502, times=None)
    others = [await authorized_account(world) for _ in range(2)]
    for other in others:
        failing = authorizer_key(world.platform.appid, other["appid"])
        await world.node.keeper.drop(failing)
        await try_to_get(world, failing, FAILURES)
    assert (await world.node.guarded.look(key)).state is CircuitState.OPEN
    assert (await world.node.keeper.get(key)).version == kept.version


async def test_one_bad_account_does_not_open_the_circuit_for_others(world: World) -> None:
    bad, good = [await authorized_account(world) for _ in range(2)]
    bad_key, good_key = (authorizer_key(world.platform.appid, one["appid"]) for one in (bad, good))
    await world.node.keeper.get(good_key)
    await world.add_fault(AUTHORIZER_TOKEN, "errcode", errcode=61003, times=2 * FAILURES)
    await world.node.keeper.drop(bad_key)
    errors = await try_to_get(world, bad_key, 2 * FAILURES)
    assert not [error for error in errors if isinstance(error, CircuitOpen)]
    await world.control("DELETE", "faults")
    await world.node.keeper.drop(good_key)
    assert (await world.node.keeper.get(good_key)).token
    assert not [error for error in errors if isinstance(error, RefreshTokenRejected)]


async def test_an_account_whose_repair_is_put_off_does_not_open_the_circuit_for_others(world: World) -> None:
    bad, good = [await authorized_account(world) for _ in range(2)]
    bad_key, good_key = (authorizer_key(world.platform.appid, one["appid"]) for one in (bad, good))
    await world.add_fault(AUTHORIZER_TOKEN, "errcode", errcode=61023, times=1)
    for path in ("api_get_authorizer_info", "api_get_authorizer_list"):
        await world.add_fault(f"/cgi-bin/component/{path}", "errcode", errcode=-1, times=None)
    await world.node.keeper.drop(bad_key)
    errors = await try_to_get(world, bad_key, 3 * FAILURES)
    assert len(errors) == 3 * FAILURES
    assert not [error for error in errors if isinstance(error, CircuitOpen)]
    await world.node.keeper.drop(good_key)
    assert (await world.node.keeper.get(good_key)).token


async def test_one_platforms_trouble_is_not_anothers(world: World) -> None:
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=45009, times=1)
    key = component_key(world.platform.appid)
    await try_to_get(world, key)
    (error,) = await try_to_get(world, key)
    assert isinstance(error, CircuitOpen)
    second = await add_platform(world)
    assert (await world.node.keeper.get(component_key(second.appid))).token


async def test_a_spent_quota_stops_all_nodes_until_it_is_cleared(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=45009, times=None)
    (first,) = await try_to_get(world, key)
    assert isinstance(first, RateLimited)
    async with another_node(world) as (other, _):
        with pytest.raises(CircuitOpen, match="45009"):
            await other.keeper.get(key)
        assert len(await world.calls(COMPONENT_TOKEN)) == 1
        await world.control("DELETE", "faults")
        cleared = await world.node.quotas.clear(key)
        assert cleared.way == "secret", "the token that clears is itself out of quota"
        await world.advance(A_MOMENT)
        assert (await other.keeper.get(key)).token


async def test_a_platform_that_ran_into_wechats_own_limit_is_freed_by_its_secret(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.control("POST", "switches", {"component_token_daily_limit": 2})
    for _ in range(2):
        await world.node.keeper.get(key)
        await world.node.keeper.drop(key)
    errors = await try_to_get(world, key, 3)
    assert [type(error) for error in errors] == [RateLimited, CircuitOpen, CircuitOpen]
    cleared = await world.node.quotas.clear(key)
    assert (cleared.way, cleared.clears.used) == ("secret", 1)
    assert (await world.node.keeper.get(key)).token


async def test_a_spent_quota_comes_back_at_midnight_in_china(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=45009, times=1)
    await try_to_get(world, key)
    standing = await world.node.guarded.look(key)
    assert standing.until is not None
    await world.advance(standing.until - world.clock.now() + A_MOMENT)
    await world.push_ticket()
    assert (await world.node.keeper.get(key)).token
    assert (await world.node.guarded.look(key)).state is CircuitState.CLOSED


async def test_the_budget_warns_then_spreads_its_reserve_then_ends(tmp_path: Path) -> None:
    async with Harness(tmp_path, daily_fetches=20) as world:
        key = component_key(world.platform.appid)
        with capture_logs() as logs:
            for _ in range(19):
                await world.node.keeper.get(key)
                await world.node.keeper.drop(key)
                await world.advance(A_MOMENT)
            (error,) = await try_to_get(world, key)
        assert isinstance(error, CircuitOpen)
        assert "19 of the 20" in str(error)
        assert [line["fetched"] for line in logs if line["event"] == "fetches.budget_low"] == [16]
        assert len(await world.calls(COMPONENT_TOKEN)) == 19
        used = await metric(world, "wxgate_token_fetch_budget_used", issuer=key.issuer, kind="component")
        assert used == pytest.approx(0.95)
        await world.advance(timedelta(seconds=error.retry_after + 1))
        await world.push_ticket()
        assert (await world.node.keeper.get(key)).token


@pytest.mark.parametrize("ahead", [1, 30_000])
async def test_a_node_whose_clock_is_ahead_does_not_switch_the_budget_off(tmp_path: Path, ahead: int) -> None:
    async with Harness(tmp_path, daily_fetches=3) as world:
        key = component_key(world.platform.appid)
        day = day_of(world.clock.now() + timedelta(days=ahead))
        await world.node.store.quota.count_fetches(key, day=day, by=0)
        for _ in range(8):
            await try_to_get(world, key)
            await world.node.keeper.drop(key)
            await world.advance(A_MOMENT)
        assert len(await world.calls(COMPONENT_TOKEN)) == 3


async def test_the_count_of_a_node_that_ended_is_not_lost(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.node.keeper.get(key)
    async with another_node(world) as (other, _):
        for _ in range(5):
            await other.keeper.drop(key)
            await other.keeper.get(key)
    await world.advance(A_MOMENT)
    assert (await world.node.guarded.look(key)).fetched == 6


async def test_probes_and_metrics_show_what_is_stopped(world: World) -> None:
    key = component_key(world.platform.appid)
    await world.add_fault(COMPONENT_TOKEN, "errcode", errcode=45009, times=None)
    await try_to_get(world, key)
    async with world.http.get(world.url("/readyz")) as answer:
        told = await answer.json()
    assert answer.status == 200
    (stopped,) = told["fetches_stopped"]
    assert (stopped["account"], stopped["kind"]) == (key.account, "component")
    assert stopped["until"]
    assert await metric(world, "wxgate_token_circuits_open", issuer=key.issuer, kind="component") == 1
