"""`wxgate explain`: an errcode in words, and in this gateway's own words where an appid is given."""

from pathlib import Path

from tests.cast import authorized_account
from tests.cli.conftest import Cli
from tests.harness import Harness


async def test_an_errcode_is_explained_in_both_languages_without_a_database(cli: Cli, tmp_path: Path) -> None:
    done = await cli("explain", "61004", "--message", "requestIP: 203.0.113.7", "--json")
    assert done.code == 0
    assert "203.0.113.7" in done.json["action"]
    assert "203.0.113.7" in done.json["action_zh"]
    assert not list(tmp_path.glob("*.db"))


async def test_a_missing_permission_set_is_named_for_an_account(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        account = await authorized_account(world)
        arguments = (account["appid"], "--path", "cgi-bin/message/custom/send")
        done = await cli.use(world)("explain", "61007", *arguments)
    assert done.code == 0, done.err
    assert "permission set 1 (messages)" in done.out
    assert "消息管理" in done.out


async def test_a_refused_call_shows_the_same_explanation(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        account = await authorized_account(world)
        await world.add_fault("/cgi-bin/user/info", "errcode", errcode=48001, times=None)
        appid = account["appid"]
        refused = await cli.use(world)("call", appid, "GET", "cgi-bin/user/info", "--json")
        explained = await cli("explain", "48001", appid, "--path", "/cgi-bin/user/info", "--json")
    assert refused.code == 1
    error = refused.json["error"]
    assert error["errcode"] == 48001
    assert appid in error["cause"]
    words = ("cause", "action", "cause_zh", "action_zh")
    assert [error[word] for word in words] == [explained.json[word] for word in words]


async def test_an_account_that_nobody_knows_is_named(cli: Cli) -> None:
    done = await cli("explain", "61003", "wxnobody")
    assert done.code == 1
    assert "wxnobody" in done.err
