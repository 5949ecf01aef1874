"""After a permission set was added to a platform, it is known who must authorise again."""

import pytest
from structlog.testing import capture_logs

from tests.cast import add_platform, authorized_account, settle
from tests.harness import World
from wxgate.custody.missing import MissingReport
from wxgate.errors import NotFound

CODE_MANAGEMENT = 18
MENU = 15


async def account(world: World, *func_ids: int, kind: str = "official_account") -> str:
    """Make an account that has granted these permission sets."""
    appid: str = (await world.add_account(kind=kind))["appid"]
    await world.authorize(appid, func_ids=list(func_ids))
    await settle(world)
    return appid


async def report(world: World, set_id: int) -> MissingReport:
    return await world.node.missing.report(world.platform.appid, set_id)


async def test_who_lacks_a_set_is_listed_with_a_link_and_who_has_it_is_not(world: World) -> None:
    lacking, _ = await account(world, 1, 2), await account(world, 1, MENU)
    found = await report(world, MENU)
    assert [one.appid for one in found.lacking] == [lacking]
    assert (found.live, found.unsuited) == (2, 0)
    assert found.lacking[0].link == world.url(f"/authorize/{world.platform.appid}?biz_appid={lacking}")
    assert not found.lacking[0].was_granted


async def test_a_set_for_mini_programs_is_not_asked_of_official_accounts(world: World) -> None:
    await account(world, 1)
    mini = await account(world, 17, kind="mini_program")
    found = await report(world, CODE_MANAGEMENT)
    assert [one.appid for one in found.lacking] == [mini]
    assert (found.live, found.unsuited) == (1, 1)


async def test_who_left_or_authorised_another_platform_is_not_listed(world: World) -> None:
    gone = await account(world, 1)
    await world.act("unauthorize", platform=world.platform.appid, appid=gone)
    await authorized_account(world, await add_platform(world))
    assert (await report(world, MENU)).lacking == ()


async def test_a_merchant_who_grants_the_set_is_off_the_list(world: World) -> None:
    appid = await account(world, 1)
    assert len((await report(world, MENU)).lacking) == 1
    await world.act("update-authorization", platform=world.platform.appid, appid=appid, func_ids=[1, MENU])
    await settle(world)
    assert (await report(world, MENU)).lacking == ()


async def test_an_unknown_platform_and_an_impossible_set_are_told(world: World) -> None:
    with pytest.raises(NotFound, match="no platform"):
        await world.node.missing.report("wxnobody", MENU)
    with pytest.raises(NotFound, match="no permission set 0"):
        await report(world, 0)


async def test_what_a_change_of_rights_gave_and_took_is_logged(world: World) -> None:
    appid = await account(world, 1, 2)
    with capture_logs() as logs:
        await world.act("update-authorization", platform=world.platform.appid, appid=appid, func_ids=[1, 15])
        await settle(world)
    [done] = [line for line in logs if line["event"] == "exchange.done"]
    assert (done["gained"], done["lost"]) == ([15], [2])
