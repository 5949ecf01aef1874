"""`wxgate quota`: what is left, and beginning anew."""

from pathlib import Path

from tests.cast import authorized_account
from tests.cli.conftest import Cli
from tests.harness import Harness


async def test_quotas_are_shown_cleared_and_explained(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        account = await authorized_account(world)
        appid, path = account["appid"], "/cgi-bin/menu/get"
        cli.use(world)
        shown = await cli("quota", "show", appid, path, "--json")
        cleared = await cli("quota", "clear", appid)
        platform = await cli("quota", "clear", world.platform.appid, "--by", "secret", "--json")
        table = await cli("quota", "show", world.platform.appid)
    assert shown.json["paths"][0]["daily_limit"] == 10_000
    assert shown.json["clears"]["left"] == 10
    assert cleared.code == 0, cleared.err
    assert "9 of 10 left" in cleared.out
    assert (platform.json["by"], platform.json["clears"]["used"]) == ("secret", 1)
    assert "api_component_token" in table.out
    assert "9 of 10 left" in table.out


async def test_the_eleventh_clearing_is_refused_with_the_day_of_new_ones(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        platform = world.platform.appid
        for _ in range(10):
            await world.node.quotas.clear(world.node.calls.platform(platform).key)
        done = await cli.use(world)("quota", "clear", platform, "--json")
    assert done.code == 1
    assert done.json["error"]["kind"] == "ClearsUsedUp"
    assert "-01, China time" in done.json["error"]["message"]
