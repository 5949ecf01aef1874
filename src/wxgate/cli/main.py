"""The `wxgate` command: every failure is one line with what to do next, never a trace."""

import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from wxgate import __version__
from wxgate.cli import (
    account,
    apply,
    audit,
    call,
    client,
    decrypt,
    delivery,
    demo,
    emulator,
    event,
    explain,
    export,
    import_,
    invite,
    keys,
    listen,
    login,
    migrate,
    platform,
    push,
    quota,
    reconcile,
    rehearse,
    release_test,
    replies,
    serve,
    settings,
    subscriber,
    token,
)
from wxgate.cli.failures import DEBUG, Failure, describe
from wxgate.cli.output import emit, stderr

app = typer.Typer(
    name="wxgate",
    help="A self-hosted gateway to the WeChat Open Platform. · 微信开放平台自建网关",
    epilog="Try it at once, without an account: wxgate demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", rich_help_panel="Run")(demo.demo)
app.command("serve", rich_help_panel="Run")(serve.serve)
app.command("emulator", rich_help_panel="Run")(emulator.emulator)
app.command("rehearse", rich_help_panel="Run")(rehearse.rehearse)
app.add_typer(platform.app, name="platform", rich_help_panel="Set up")
app.add_typer(account.app, name="account", rich_help_panel="Set up")
app.add_typer(client.app, name="client", rich_help_panel="Set up")
app.add_typer(subscriber.app, name="subscriber", rich_help_panel="Set up")
app.add_typer(replies.app, name="replies", rich_help_panel="Set up")
app.add_typer(login.app, name="login", rich_help_panel="Set up")
app.command("apply", rich_help_panel="Set up")(apply.apply)
app.command("export", rich_help_panel="Set up")(export.export)
app.command("import", rich_help_panel="Set up")(import_.import_)
app.command("invite", rich_help_panel="Set up")(invite.invite)
app.add_typer(keys.app, name="keys", rich_help_panel="Set up")
app.command("migrate", rich_help_panel="Set up")(migrate.migrate)
app.command("settings", rich_help_panel="Set up")(settings.settings)
app.command("call", rich_help_panel="Use")(call.call)
app.command("token", rich_help_panel="Use")(token.token)
app.command("explain", rich_help_panel="Use")(explain.explain)
app.add_typer(audit.app, name="audit", rich_help_panel="Use")
app.command("reconcile", rich_help_panel="Use")(reconcile.reconcile)
app.add_typer(quota.app, name="quota", rich_help_panel="Use")
app.add_typer(release_test.app, name="release-test", rich_help_panel="Use")
app.command("listen", rich_help_panel="Events")(listen.listen)
app.add_typer(event.app, name="event", rich_help_panel="Events")
app.add_typer(delivery.app, name="delivery", rich_help_panel="Events")
app.add_typer(push.app, name="push", rich_help_panel="Events")
app.command("decrypt", rich_help_panel="Use")(decrypt.decrypt)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Stand before every command."""


def main() -> NoReturn:
    """Run the command line and exit."""
    # Known before parsing, so that a machine gets JSON for a mistake in the arguments as well.
    as_json = "--json" in sys.argv
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Abort:
        stderr().print("stopped", style="dim")
        sys.exit(130)
    except BrokenPipeError:
        # The reader has gone (`| head`); nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except TyperException as mistake:
        sys.exit(_report(_mistake(mistake), as_json, mistake.exit_code))
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        sys.exit(_report(describe(error), as_json, 1))


def _report(failure: Failure, as_json: bool, exit_code: int) -> int:
    if as_json:
        emit({"error": failure.as_dict()})
    else:
        stderr().print(f"✗ {failure.message}", style="red", markup=False)
        if failure.hint:
            stderr().print(f"  → {failure.hint}", style="yellow", markup=False)
    return exit_code


def _mistake(error: TyperException) -> Failure:
    """Describe a mistake in the arguments, with the command whose help to read."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "wxgate"
    return Failure("Usage", error.format_message(), f"{command} --help")
