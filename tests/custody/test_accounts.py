"""Accounts that nobody knows: asked after once in a while, and not all of them remembered."""

from sqlalchemy import text

from tests.harness import World
from wxgate.custody.accounts import MOST_UNKNOWN, RECHECK


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
