"""Help, mistakes and failures: what a person or a machine is told."""

from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from tests.cli.conftest import Cli
from wxgate import __version__
from wxgate.cli.failures import describe
from wxgate.cli.main import app
from wxgate.errors import GatewayError, IpNotRegistered, NotFound, TicketMissing, UpstreamError

CHANGES = ("set-secret", "rename", "rotate-key", "retire-key", "remove")

LOGIN_CHANGES = ("add", "list", "remove", "set", "show")

COMMANDS = tuple(
    tuple(words.split())
    for words in (
        *("demo", "serve", "emulator", "platform add", "platform list", "platform show", "account add"),
        *("account list", "account show", "invite", "token", "call", "decrypt", "migrate", "settings"),
        *("account host", "account tag", "client add", "client audit", "client list", "client revoke"),
        *("client show", "explain", "keys add", "keys list", "keys retire", "keys rotate"),
        *(f"{kind} {what}" for kind in ("platform", "account") for what in CHANGES),
        *(
            "apply",
            "export",
            "import",
            "quota clear",
            "quota rid",
            "quota show",
            "account missing-permission",
            "audit list",
            "audit watch",
            "reconcile",
            "rehearse",
            "release-test show",
            "listen",
            "delivery list",
            "delivery retry",
            "push list",
            "replies set",
            "replies show",
            "login check",
            "login import-openids",
            *(f"login {kind} {what}" for kind in ("realm", "app", "client") for what in LOGIN_CHANGES),
            "login client rotate-secret",
            *(f"login subject {what}" for what in ("conflicts", "forget", "list", "merge", "show")),
            *("login session end", "login session list", "login key list", "login key rotate"),
            *(f"event {what}" for what in ("forget", "list", "replay", "show")),
            *(
                f"subscriber {what}"
                for what in (
                    "add",
                    "change",
                    "list",
                    "pause",
                    "remove",
                    "resume",
                    "rotate-secret",
                    "show",
                    "test",
                )
            ),
        ),
    )
)


def commands(group: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """List the commands there are, so that none is forgotten here."""
    inner = getattr(group, "commands", None)
    if inner is None:
        return {path}
    return {found for name, command in inner.items() for found in commands(command, (*path, name))}


def test_every_command_is_known_to_these_tests() -> None:
    assert commands(typer.main.get_command(app)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example_and_json(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "160"}).output
    assert "Example:" in shown
    assert "wxgate " + " ".join(command) in shown
    assert "--json" in shown


async def test_version_is_printed(cli: Cli) -> None:
    assert (await cli("--version")).out.strip() == __version__


async def test_a_mistake_in_the_arguments_names_the_help_to_read(cli: Cli) -> None:
    done = await cli("platform", "add", "--nmae", "x")
    assert done.code == 2
    assert "--nmae" in done.err
    assert "wxgate platform add --help" in done.err


async def test_a_mistake_in_the_arguments_is_json_for_machines(cli: Cli) -> None:
    done = await cli("platfrom", "list", "--json")
    assert done.code == 2
    assert "platform" in done.json["error"]["message"]
    assert done.err == ""


async def test_a_wrong_setting_is_named_with_what_to_do(cli: Cli) -> None:
    done = await cli("settings", env={"WXGATE_PORT": "many"})
    assert done.code == 1
    assert "WXGATE_PORT" in done.err
    assert "→" in done.err


async def test_a_database_that_cannot_be_opened_is_one_sentence(cli: Cli) -> None:
    done = await cli("platform", "list", "--json", "--database-url", "sqlite:////nowhere/at/all/wxgate.db")
    assert done.code == 1
    assert "nowhere" in done.json["error"]["message"]


async def test_a_trace_is_there_on_demand(cli: Cli) -> None:
    process = await cli.start("settings", env={"WXGATE_PORT": "many", "WXGATE_DEBUG": "1"})
    _, err = await process.communicate()
    assert b"Traceback" in err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TicketMissing("no ticket"), "platform show"),
        (UpstreamError("no route", sent=False), "WXGATE_OUTBOUND_PROXY"),
        (IpNotRegistered(61004, "access clientip is not registered", ip="203.0.113.7"), "203.0.113.7"),
        (PermissionError(13, "Permission denied"), "rights"),
        (RuntimeError("odd"), "WXGATE_DEBUG"),
    ],
)
def test_every_failure_says_what_to_do_next(error: Exception, told: str) -> None:
    assert told in describe(error).hint


def test_a_message_that_names_its_command_gets_no_general_hint() -> None:
    assert describe(NotFound("no login app x here; `wxgate login app list` shows them")).hint == ""
    assert "platform list" in describe(NotFound("this cannot be a platform's appid")).hint


def test_every_branch_of_errors_has_a_hint() -> None:
    from wxgate.cli.failures import HINTS
    from wxgate.errors import InvalidReply, OAuthRefused, ReplierFailed, Undeliverable, WeChatError
    from wxgate.login.wechat import LoginFailed

    covered = (*(branch for branch, _ in HINTS), WeChatError, InvalidReply, ReplierFailed, Undeliverable)
    covered += (OAuthRefused, LoginFailed)  # these end at browsers and applications
    # No command calls the sdk: its errors end in applications.
    ours = [kind for kind in GatewayError.__subclasses__() if not kind.__module__.startswith("wxgate.sdk.")]
    assert [kind for kind in ours if not issubclass(kind, covered)] == []


async def test_settings_are_shown_with_where_they_come_from(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "wxgate.env").write_text(
        "WXGATE_PORT=9000\nWXGATE_DATABASE_URL=postgresql://me:sesame@db/x\n"
    )
    rows = {row["name"]: row for row in (await cli("settings", "--json", env={"WXGATE_HOST": "::1"})).json}
    assert (rows["port"]["value"], rows["port"]["origin"]) == ("9000", "wxgate.env")
    assert (rows["host"]["value"], rows["host"]["origin"]) == ("::1", "environment")
    assert rows["workers"]["origin"] == "default"
    assert rows["database_url"]["value"] == "postgresql://me:****@db/x"


async def test_no_setting_is_missing_from_the_table(cli: Cli) -> None:
    from wxgate.settings import Settings

    done = await cli("settings", "--markdown")
    named = [line.split("`")[1] for line in done.out.splitlines()[2:]]
    assert named == ["WXGATE_" + name.upper() for name in Settings.model_fields]


async def test_migrate_tells_a_database_that_is_behind_from_one_that_is_not(cli: Cli) -> None:
    behind = await cli("migrate", "--check", "--json")
    assert (behind.code, behind.json["up_to_date"]) == (1, False)
    assert (await cli("migrate")).code == 0
    after = await cli("migrate", "--check", "--json")
    assert (after.code, after.json["up_to_date"]) == (0, True)
