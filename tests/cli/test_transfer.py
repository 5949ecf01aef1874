"""Export and import by command: a file only its owner reads, a passphrase never in an argument."""

import stat
from pathlib import Path

from tests.cast import authorized_account
from tests.cli.conftest import Cli
from tests.harness import Harness

ENV = {"WXGATE_PASSPHRASE": "correct horse battery"}
SECOND = ("--database-url", "sqlite:///second.db", "--key-file", "second.key")


async def test_a_gateway_is_exported_and_imported_into_another(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        appid = (await authorized_account(world))["appid"]
        done = await cli("export", "all.wxgate", "--json", env=ENV)
        assert done.json["counts"] == {"platform": 1, "authorization": 1}
        content = (tmp_path / "all.wxgate").read_bytes()
        assert stat.S_IMODE((tmp_path / "all.wxgate").stat().st_mode) == 0o600
        assert appid.encode() not in content
        assert "is there already" in (await cli("export", "all.wxgate", env=ENV)).err

        (tmp_path / "wrong").write_text("another passphrase\n")
        wrong = await cli("import", "all.wxgate", "--passphrase-file", "wrong", *SECOND)
        assert wrong.code == 1
        assert "the passphrase is another one" in wrong.err
        assert "the passphrase is missing" in (await cli("import", "all.wxgate", *SECOND)).err
        rehearsed = await cli("import", "all.wxgate", "--dry-run", *SECOND, env=ENV)
        assert "would be: 2 added" in rehearsed.out
        imported = await cli("import", "all.wxgate", "--json", *SECOND, env=ENV)
        assert imported.json["counts"] == {"added": 2}
        shown = await cli("account", "show", appid, "--json", *SECOND)
        assert shown.json["authorizations"][0]["state"] == "active"


async def test_a_list_of_refresh_tokens_is_taken_over_line_by_line(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        platform = world.platform.appid
        appid = (await authorized_account(world))["appid"]
        (tmp_path / "tokens.csv").write_text(f"appid,refresh_token\n{appid},old\nwxstranger,x\n")
        done = await cli("import", "tokens.csv", "--platform", platform, "--json")
        assert done.code == 1
        assert [(row["line"], row["outcome"]) for row in done.json["rows"]] == [(2, "same"), (3, "refused")]
        (tmp_path / "twice.csv").write_text(f"appid,refresh_token\n{appid},a\n{appid},b\n")
        twice = await cli("import", "twice.csv", "--platform", platform)
        assert f"twice.csv:3: {appid} is in line 2 already" in twice.err
        assert "--platform" in (await cli("import", "tokens.csv")).err
