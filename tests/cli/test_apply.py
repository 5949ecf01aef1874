"""The configuration by command: files applied, secrets and keys changed, records removed."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.harness import Harness

APPID = "wx1234567890abcdef"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
FILE = f"""\
platforms:
  - appid: {APPID}
    name: Acme
    secret: ${{ACME_SECRET}}
    tokens: [t0ken]
    aes_keys: [file:keys/acme]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a key beside it."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "acme").write_text(KEY + "\n")
    path = tmp_path / "platform.yaml"
    path.write_text(FILE)
    return path


async def test_a_file_is_rehearsed_then_applied_and_then_changes_nothing(cli: Cli, file: Path) -> None:
    env = {"ACME_SECRET": "s3cret"}
    rehearsed = await cli("apply", file.name, "--dry-run", "--json", env=env)
    assert rehearsed.json["changes"][0]["effect"] == "add"
    assert (await cli("platform", "show", APPID)).code == 1
    applied = await cli("apply", file.name, env=env)
    assert applied.code == 0, applied.err
    assert "s3cret" not in applied.out
    shown = (await cli("platform", "show", APPID, "--json", "--reveal")).json
    assert (shown["name"], shown["secret"], shown["aes_keys"]) == ("Acme", "s3cret", [KEY])
    again = await cli("apply", file.name, "--json", env=env)
    assert [each["effect"] for each in again.json["changes"]] == ["unchanged"]


async def test_mistakes_are_told_with_their_lines_and_change_nothing(cli: Cli, file: Path) -> None:
    file.write_text(FILE.replace("name:", "nmae:") + "accounts: [\n")
    malformed = await cli("apply", file.name)
    assert malformed.code == 1
    assert "platform.yaml:8:1: this is no YAML" in malformed.err
    file.write_text(FILE.replace("name:", "nmae:"))
    done = await cli("apply", file.name)
    assert done.code == 1
    assert "platform.yaml:3:5: 'nmae' is not known here" in done.err
    assert "platform.yaml:4:13: ${ACME_SECRET} is not set" in done.err
    assert "nothing was changed" in done.err
    assert (await cli("platform", "list", "--json")).json == []


async def test_a_secret_that_wechat_does_not_take_is_told_and_mended(cli: Cli, tmp_path: Path) -> None:
    async with Harness(tmp_path) as world:
        cli.use(world)
        appid = world.platform.appid
        assert (await cli("token", appid, "--platform")).code == 0
        wrong = await cli("platform", "set-secret", appid, "--secret", "-", stdin="wrong")
        assert wrong.code == 1
        assert "gave no token for the new AppSecret" in wrong.err
        right = await cli(
            "platform", "set-secret", appid, "--secret", "-", stdin=world.platform.secret.reveal()
        )
        assert right.code == 0, right.err
        assert "takes the new AppSecret" in right.out


async def test_keys_are_rotated_retired_and_the_platform_removed(cli: Cli, file: Path) -> None:
    assert (await cli("apply", file.name, env={"ACME_SECRET": "s3cret"})).code == 0
    rotated = await cli("platform", "rotate-key", APPID, "--token", "--aes-key", "--reveal", "--json")
    assert rotated.json["tokens"][1:] == ["t0ken"]
    assert rotated.json["aes_keys"][1:] == [KEY]
    assert (await cli("platform", "retire-key", APPID, "--token")).code == 0
    shown = (await cli("platform", "show", APPID, "--json")).json
    assert (len(shown["tokens"]), len(shown["aes_keys"])) == (1, 2)
    assert "say what" in (await cli("platform", "retire-key", APPID)).err
    assert (await cli("platform", "rename", APPID, "Neu", "--json")).json["changes"][0]["fields"] == {
        "name": {"before": "Acme", "after": "Neu"}
    }
    assert (await cli("platform", "remove", APPID)).code == 0
    assert (await cli("platform", "list", "--json")).json == []


async def test_a_direct_account_is_changed_by_the_same_commands(cli: Cli) -> None:
    add = ("account", "add", "--appid", APPID, "--secret", "-", "--generate", "--json")
    assert (await cli(*add, stdin="s3cret")).code == 0
    assert (await cli("account", "set-secret", APPID, "--secret", "-", stdin="another")).code == 0
    rotated = await cli("account", "rotate-key", APPID, "--aes-key", "--json")
    assert len(rotated.json["aes_keys"]) == 2
    assert (await cli("account", "remove", APPID)).code == 0
    assert "no direct account" in (await cli("account", "remove", APPID)).err
