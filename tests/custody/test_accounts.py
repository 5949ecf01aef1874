"""Accounts that nobody knows: asked after once in a while, and not all of them remembered."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from tests.cast import until
from tests.harness import World
from wxgate.custody.accounts import COMPLETE_ALL_EVERY, MOST_UNKNOWN, RECHECK
from wxgate.server.runner import INFO_TICKS

INFO = "/cgi-bin/component/api_get_authorizer_info"
START = "/cgi-bin/component/api_start_push_ticket"


async def test_strangers_cannot_fill_the_memory_with_accounts_that_do_not_exist(world: World) -> None:
    accounts = world.node.accounts
    for number in range(MOST_UNKNOWN + 50):
        assert await accounts.user_name(f"wx{number}") == ""
    assert len(accounts._unknown) == MOST_UNKNOWN
    assert "wx0" not in accounts._unknown


async def test_an_unknown_account_is_looked_up_again_after_a_while(world: World) -> None:
    account = await world.add_account()
    appid, accounts = account["appid"], world.node.accounts
    assert await accounts.user_name(appid) == ""
    await world.authorize(appid)
    await world.node.exchanges.close()
    async with world.node.store.database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM accounts")) == 1
    await world.advance(RECHECK)
    assert await accounts.user_name(appid) == account["user_name"]


async def test_information_that_could_not_be_had_is_fetched_later(world: World) -> None:
    account, accounts = await world.add_account(), world.node.accounts
    await world.add_fault(INFO, "errcode", errcode=-1, times=2)
    await world.authorize(account["appid"])
    await world.node.exchanges.close()
    await accounts.complete()
    assert await accounts.load(account["appid"]) is None
    await world.advance(2 * COMPLETE_ALL_EVERY)
    await accounts.complete()
    info = await accounts.load(account["appid"])
    assert info is not None
    assert info.user_name == account["user_name"]


async def test_while_wechat_does_not_answer_a_node_goes_on_with_everything_else(world: World) -> None:
    account = await world.add_account()
    await world.add_fault(INFO, "errcode", errcode=-1)
    await world.authorize(account["appid"])
    await world.node.exchanges.close()
    faults = [
        await world.control("POST", "faults", {"path": path, "action": "hang", "times": None})
        for path in (INFO, START)
    ]
    await world.advance(timedelta(minutes=26))

    async def hits() -> list[int]:
        known = {fault["id"]: fault["hits"] for fault in await world.control("GET", "faults")}
        return [known[fault["id"]] for fault in faults]

    async def hang() -> bool:
        return all(await hits())

    async with asyncio.timeout(30):  # Each call hangs for ten seconds.
        for _ in range(INFO_TICKS):
            await world.node.runner.tick()
        await until(hang)
        for _ in range(2 * INFO_TICKS):
            await world.node.runner.tick()
        assert await hits() == [1, 1], "what is still under way is not begun again"
        await world.node.runner.stop()
