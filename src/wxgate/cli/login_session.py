"""`wxgate login session`: who is logged in now, and the end of it."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.login_options import NOT_TOLD, RealmOption, realm_or_only, tell_applications
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, moment, stderr, stdout, table
from wxgate.errors import ConfigError
from wxgate.login.describing import describe_session

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="Who is logged in now.", no_args_is_help=True)


@app.command("list")
def list_sessions(
    sub: Annotated[str | None, typer.Option(help="Only this person's.")] = None,
    after: Annotated[str, typer.Option(help="Go on behind this sid.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the live sessions of a realm, or of one person.

    [dim]Example:[/dim] wxgate login session list --sub u_0123456789ABCDEFabcdef
    """

    async def work(node: "Node") -> None:
        within = await realm_or_only(node, realm)
        found = await node.login.subjects.live(within, sub=sub, after=after, limit=limit)
        if as_json:
            emit([describe_session(one) for one in found])
        elif not found:
            stdout().print(f"nobody is logged in in realm {within}")
        else:
            shown = table("sid", "sub", "app", "how", "since", "seen", "ends", "from", "browser")
            for one in found:
                shown.add_row(
                    one.sid, one.sub, one.app, one.mode.value, moment(one.started_at), moment(one.seen_at),
                    moment(one.expires_at), escape(one.address), escape(one.agent[:60]),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def end(
    sid: Annotated[
        str | None, typer.Argument(help="The session, as `list` shows it.", show_default=False)
    ] = None,
    sub: Annotated[str | None, typer.Option(help="All of this person.")] = None,
    client: Annotated[str | None, typer.Option(help="All that this client has had.")] = None,
    app_name: Annotated[str | None, typer.Option("--app", help="All that came by this app.")] = None,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """End one session, or all of a person, a client or an app. Applications are told.

    [dim]Example:[/dim] wxgate login session end --sub u_0123456789ABCDEFabcdef
    """
    if sum(given is not None for given in (sid, sub, client, app_name)) != 1:
        raise ConfigError("say which: one session, or --sub, --client or --app for all of one")

    async def work(node: "Node") -> None:
        from wxgate.login.subjects import Whose

        if sid is not None:
            ended = [await node.login.subjects.end(sid)]
        else:
            within = await realm_or_only(node, realm)
            if client is not None:
                whose, which = Whose.CLIENT, (await node.login.configuration.require_client(client)).id
            elif sub is not None:
                whose, which = Whose.SUBJECT, sub
            else:
                whose, which = Whose.APP, str(app_name)
            ended = list(await node.login.subjects.end_all(within, whose, which))
        told = await tell_applications(node)
        if as_json:
            emit([describe_session(one) for one in ended])
        else:
            stdout().print(f"{len(ended)} sessions ended")
        if not told:
            stderr().print(NOT_TOLD, style="yellow")

    with_node(work, database_url=database_url, key_file=key_file)
