"""`wxgate reconcile`: what is found, what is done, and lists that cannot be read."""

from pathlib import Path

from tests.cast import add_platform, authorized_account
from tests.cli.conftest import Cli
from tests.harness import Harness, World

LIST = "/cgi-bin/component/api_get_authorizer_list"


async def end_unheard(world: World, appid: str) -> None:
    """Let an account take its authorization back, and lose the push of it."""
    await world.control("POST", "faults", {"push": "*", "action": "lose"})
    await world.act("unauthorize", platform=world.platform.appid, appid=appid)


async def test_differences_are_shown_first_and_then_mended(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        appid = (await authorized_account(world))["appid"]
        await end_unheard(world, appid)
        cli.use(world)
        dry = await cli("reconcile", "--dry-run")
        before = await world.node.authorizations.load(world.platform.appid, appid)
        done = await cli("reconcile", world.platform.appid, "--json")
        again = await cli("reconcile")
        after = await world.node.authorizations.load(world.platform.appid, appid)
    assert (dry.code, before and before.state) == (0, "active")
    assert "1 gone; nothing was changed (dry run)" in dry.out
    assert "61003" in dry.out
    [platform] = done.json["platforms"]
    assert [(one["appid"], one["kind"], one["outcome"]) for one in platform["findings"]] == [
        (appid, "gone", "revoked")
    ]
    assert after is not None
    assert after.state == "revoked"
    assert "no difference" in again.out


async def test_a_list_that_cannot_be_read_fails_the_command_but_not_the_other_platforms(
    cli: Cli, tmp_path: Path
) -> None:
    async with Harness(tmp_path) as world:
        other = await add_platform(world)
        first, _ = sorted((world.platform.appid, other.appid))
        await world.add_fault(LIST, "errcode", errcode=48001)
        done = await cli.use(world)("reconcile", "--json")
        await world.add_fault(LIST, "errcode", errcode=48001)
        told = await cli("reconcile", first)
    assert done.code == 1
    broken, fine = done.json["platforms"]
    assert (broken["platform"], broken["error"]["errcode"]) == (first, 48001)
    assert fine["findings"] == []
    assert told.code == 1
    assert "48001" in told.err


async def test_an_unknown_platform_is_named(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        done = await cli.use(world)("reconcile", "wx0000000000000000", "--json")
    assert (done.code, done.json["error"]["kind"]) == (1, "NotFound")
