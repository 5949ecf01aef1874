"""`wxgate login realm`: sets of apps that share unionids; each is an OpenID issuer."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from wxgate.cli.login_options import Absolute, Idle, Recheck, Yes, read_limits
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import duration, emit, facts, moment, stdout, table
from wxgate.errors import ConfigError
from wxgate.login.describing import describe_realm
from wxgate.login.records import Realm, SessionLimits

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(
    help="Realms: apps of one open-platform account (微信开放平台账号), and the OpenID issuer over them.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="REALM", help="The realm's name.")]
Title = Annotated[str | None, typer.Option(help="What people see.", show_default="the name")]
ReturnTo = Annotated[
    list[str] | None,
    typer.Option(
        "--return-to",
        metavar="URL",
        help="Where people may be sent back to: https://shop.example, or a whole address; repeat it.",
    ),
]


@app.command()
def add(
    name: Name,
    title: Title = None,
    silent: Annotated[bool, typer.Option(help="Inside WeChat, log in without waiting for a tap.")] = True,
    backfill: Annotated[
        bool, typer.Option(help="Ask WeChat for the unionid of followers whose login did not tell it.")
    ] = False,
    return_to: ReturnTo = None,
    idle: Idle = None,
    absolute: Absolute = None,
    recheck: Recheck = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make a realm. `wxgate login app add` makes one by itself where there is none.

    [dim]Example:[/dim] wxgate login realm add shops --title "Acme shops" --return-to https://shop.example
    """

    async def work(node: "Node") -> None:
        limits = read_limits(SessionLimits(), idle, absolute, recheck)
        added = await node.login.configuration.add_realm(
            name,
            title=title,
            silent=silent,
            unionid_backfill=backfill,
            return_to=return_to or (),
            limits=limits,
        )
        _show(node, added, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_realms(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """List the realms.

    [dim]Example:[/dim] wxgate login realm list
    """

    async def work(node: "Node") -> None:
        found = await node.login.configuration.realms()
        if as_json:
            emit([_document(node, one) for one in found])
        elif not found:
            stdout().print("no realm yet; `wxgate login app add` makes one with its first app")
        else:
            shown = table("name", "title", "silent", "sessions live", "OpenID issuer")
            for one in found:
                shown.add_row(
                    one.name, escape(one.title), _yes(one.silent), duration(one.limits.absolute),
                    str(_document(node, one)["issuer"]),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    name: Name, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show a realm with its addresses.

    [dim]Example:[/dim] wxgate login realm show main
    """

    async def work(node: "Node") -> None:
        _show(node, await node.login.configuration.require_realm(name), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("set")
def set_realm(
    name: Name,
    title: Annotated[str | None, typer.Option(help="What people see.")] = None,
    silent: Annotated[
        bool | None,
        typer.Option("--silent/--no-silent", help="Inside WeChat, log in without waiting for a tap."),
    ] = None,
    backfill: Annotated[
        bool | None,
        typer.Option("--backfill/--no-backfill", help="Ask WeChat for the unionid of followers."),
    ] = None,
    return_to: ReturnTo = None,
    no_return_to: Annotated[
        bool, typer.Option("--no-return-to", help="Send people back nowhere outside OpenID Connect.")
    ] = False,
    idle: Idle = None,
    absolute: Absolute = None,
    recheck: Recheck = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Change what is given of a realm. A list replaces the one before.

    [dim]Example:[/dim] wxgate login realm set main --return-to https://shop.example --idle 14d
    """

    async def work(node: "Node") -> None:
        before = await node.login.configuration.require_realm(name)
        wanted: dict[str, Any] = {
            "title": title,
            "silent": silent,
            "unionid_backfill": backfill,
            "return_to": () if no_return_to else return_to,
            "limits": read_limits(before.limits, idle, absolute, recheck),
        }
        given = {field: value for field, value in wanted.items() if value is not None}
        if not given:
            raise ConfigError("say what is to be different; see `wxgate login realm set --help`")
        _show(node, await node.login.configuration.change_realm(name, **given), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def remove(
    name: Name,
    yes: Yes = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Remove a realm. One with apps and clients only with --yes: its people are forgotten for ever.

    [dim]Example:[/dim] wxgate login realm remove main
    """

    async def work(node: "Node") -> None:
        removed = await node.login.configuration.remove_realm(name, force=yes)
        if as_json:
            emit(_document(node, removed))
        else:
            stdout().print(f"realm {name} is removed")

    with_node(work, database_url=database_url, key_file=key_file)


def _show(node: "Node", realm: Realm, as_json: bool) -> None:
    document = _document(node, realm)
    if as_json:
        emit(document)
        return
    limits = realm.limits
    stdout().print(
        facts(
            {
                "realm": realm.name,
                "title": escape(realm.title),
                "OpenID issuer": document["issuer"],
                "silent login": _yes(realm.silent),
                "unionid of followers": "asked for" if realm.unionid_backfill else "not asked for",
                "people go back to": escape("\n".join(realm.return_to)) or "nowhere outside OpenID Connect",
                "sessions live": f"{duration(limits.absolute)}, unused {duration(limits.idle)}",
                "WeChat asked again": f"after {duration(limits.recheck_after)}, in its own browser",
                "made": moment(realm.created_at),
            }
        )
    )


def _document(node: "Node", realm: Realm) -> dict[str, Any]:
    return describe_realm(realm, node.settings.public_base_url)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
