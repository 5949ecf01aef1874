"""`wxgate login subject`: the people who logged in."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from wxgate.cli.login_options import NOT_TOLD, RealmOption, Yes, realm_or_only, tell_applications
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stderr, stdout, table
from wxgate.errors import ConfigError
from wxgate.login.describing import describe_conflict, describe_session, describe_subject

if TYPE_CHECKING:
    from wxgate.login.subjects import Person
    from wxgate.server.node import Node

app = typer.Typer(help="The people who logged in.", no_args_is_help=True)

Sub = Annotated[str, typer.Argument(metavar="SUB", help="The person's sub (u_…).")]


@app.command("list")
def list_subjects(
    search: Annotated[str, typer.Option(help="A sub, an openid or a unionid.", show_default=False)] = "",
    after: Annotated[str, typer.Option(help="Go on behind this sub.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the people who logged in, or find one by openid or unionid.

    [dim]Example:[/dim] wxgate login subject list --search oABCDEF
    """

    async def work(node: "Node") -> None:
        within = await realm_or_only(node, realm)
        found = await node.login.subjects.find(within, search=search, after=after, limit=limit)
        if as_json:
            emit([describe_subject(one) for one in found])
        elif not found:
            stdout().print(f"nobody{' like that' if search else ''} in realm {within}")
        else:
            shown = table("sub", "nickname", "last login", "since", "is now")
            for one in found:
                shown.add_row(
                    one.sub, escape(one.profile.nickname or ""), moment(one.last_login_at),
                    moment(one.created_at), one.alias_of or "",
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    sub: Sub,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show a person: WeChat's names for them, and where they are logged in.

    [dim]Example:[/dim] wxgate login subject show u_0123456789ABCDEFabcdef
    """

    async def work(node: "Node") -> None:
        person = await node.login.subjects.require(await realm_or_only(node, realm), sub)
        _show(person, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def merge(
    kept: Annotated[str, typer.Argument(metavar="KEPT", help="The sub that stays.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The sub that becomes another name of it.")],
    yes: Yes = False,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make one person of two, as `wxgate login subject conflicts` shows them. It cannot be undone.

    From then on both names of WeChat's log in as the sub that is kept; the other's sessions end.

    [dim]Example:[/dim] wxgate login subject merge u_0123456789ABCDEFabcdef u_fedcba9876543210FEDCBA --yes
    """
    if not yes:
        raise ConfigError(
            f"{other} would become {kept} for ever, in every application; say --yes if that is meant"
        )

    async def work(node: "Node") -> None:
        within = await realm_or_only(node, realm)
        await node.login.subjects.merge(within, kept=kept, other=other)
        if not await tell_applications(node):
            stderr().print(NOT_TOLD, style="yellow")
        _show(await node.login.subjects.require(within, kept), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def forget(
    sub: Sub,
    yes: Yes = False,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Forget a person with their names, sessions and tokens. Their next login makes a new sub.

    [dim]Example:[/dim] wxgate login subject forget u_0123456789ABCDEFabcdef --yes
    """
    if not yes:
        raise ConfigError(
            f"applications know {sub} as theirs; forgetting cannot be undone, say --yes if meant"
        )

    async def work(node: "Node") -> None:
        ended = await node.login.subjects.forget(await realm_or_only(node, realm), sub)
        if not await tell_applications(node):
            stderr().print(NOT_TOLD, style="yellow")
        if as_json:
            emit({"sub": sub, "forgotten": True, "sessions_ended": ended})
        else:
            stdout().print(f"{sub} is forgotten; {ended} sessions ended")

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def conflicts(
    settled: Annotated[bool, typer.Option("--settled", help="Show those that were merged, too.")] = False,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List pairs of people that WeChat showed to be the same one.

    [dim]Example:[/dim] wxgate login subject conflicts
    """

    async def work(node: "Node") -> None:
        found = await node.login.subjects.conflicts(realm, open_only=not settled)
        if as_json:
            emit([describe_conflict(one) for one in found])
        elif not found:
            stdout().print("no two people turned out to be one")
        else:
            shown = table("found", "realm", "kept", "other", "what they share", "settled")
            for one in found:
                shown.add_row(
                    moment(one.found_at), one.realm, one.kept, one.other, f"{one.name.kind} {one.name.value}",
                    moment(one.settled_at) if one.settled_at else "",
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


def _show(person: "Person", as_json: bool) -> None:
    one = person.subject
    if as_json:
        document: dict[str, Any] = describe_subject(one, person.names)
        document["sessions"] = [describe_session(session) for session in person.sessions]
        emit(document)
        return
    names = [f"{each.name.kind} {each.name.value} [dim]({each.name.space})[/]" for each in person.names]
    stdout().print(
        facts(
            {
                "sub": one.sub,
                "nickname": escape(one.profile.nickname or ""),
                "avatar": escape(one.profile.avatar or ""),
                "is now": one.alias_of or "itself",
                "WeChat's names": "\n".join(names) or "none",
                "since": moment(one.created_at),
                "last login": moment(one.last_login_at),
                "live sessions": "\n".join(
                    f"{session.sid} by {session.app} ({session.mode}), seen {moment(session.seen_at)}"
                    for session in person.sessions
                )
                or "none",
            }
        )
    )
