"""`wxgate client`: API keys for the systems that ask this gateway for tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stdout, table
from wxgate.custody.clients import AuditLine, Client, ClientScope, Reach, read_networks

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="API keys of the systems that ask for tokens.", no_args_is_help=True)

USUAL_SCOPES = (ClientScope.AUTHORIZER, ClientScope.DIRECT, ClientScope.JSAPI_SIGNATURE)

ClientId = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, as `wxgate client list` shows it.")
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who is to hold the key.")],
    platforms: Annotated[
        list[str] | None,
        typer.Option("--platform", help="Only through this platform, or `direct`; repeat it."),
    ] = None,
    accounts: Annotated[
        list[str] | None, typer.Option("--account", help="Only for this account; repeat it.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Only for accounts with this tag; repeat it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="For every platform and account.")] = False,
    scopes: Annotated[
        list[ClientScope] | None,
        typer.Option("--scope", help="What it may ask for; repeat it.", show_default=", ".join(USUAL_SCOPES)),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="It is served what is there and never causes a renewal.")
    ] = False,
    networks: Annotated[
        list[str] | None, typer.Option("--from", help="It may come from this address or network; repeat it.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days it is good for.", show_default="ever")] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make an API key. It is shown this once and kept nowhere.

    [dim]Example:[/dim] wxgate client add crm --tag shops --scope authorizer --scope report --from 10.0.0.0/8
    """
    reach = Reach(frozenset(platforms or ()), frozenset(accounts or ()), frozenset(tags or ()))
    allowed = read_networks(networks or ())

    async def work(node: "Node") -> None:
        from wxgate.custody.issuing import NewClient

        client, key = await node.clients.add(
            NewClient(
                name=name,
                scopes=frozenset(scopes or USUAL_SCOPES),
                reach=reach,
                everything=everything,
                may_renew=not read_only,
                networks=allowed,
                valid_for=timedelta(days=days) if days else None,
            )
        )
        if as_json:
            emit({**_as_dict(client, node.clock.now()), "key": key.reveal()})
            return
        stdout().print(key.reveal(), markup=False, soft_wrap=True)
        stdout().print(facts(_as_facts(client, node.clock.now())))
        stdout().print("the key is not shown again: only a digest of it is kept", style="yellow")

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_clients(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """List the API keys with what they may do.

    [dim]Example:[/dim] wxgate client list
    """

    async def work(node: "Node") -> None:
        clients, now = await node.clients.list(), node.clock.now()
        if as_json:
            emit([_as_dict(one, now) for one in clients])
        elif not clients:
            stdout().print("no API key yet; `wxgate client add` makes one")
        else:
            shown = table("id", "name", "state", "for", "scopes", "last used")
            for one in clients:
                shown.add_row(
                    one.id, escape(one.name), _state(one, now), escape(_reach(one)),
                    ", ".join(sorted(one.scopes)), moment(one.last_used_at),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    client_id: ClientId, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show what a key may do. The key itself is kept nowhere.

    [dim]Example:[/dim] wxgate client show 0123456789ab
    """

    async def work(node: "Node") -> None:
        client, now = await node.clients.require(client_id), node.clock.now()
        if as_json:
            emit(_as_dict(client, now))
        else:
            stdout().print(facts(_as_facts(client, now)))

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def revoke(
    client_id: ClientId, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """End a key for ever; every node turns it away within two seconds.

    [dim]Example:[/dim] wxgate client revoke 0123456789ab
    """

    async def work(node: "Node") -> None:
        revoked = await node.clients.revoke(client_id)
        if as_json:
            emit({"id": client_id, "revoked": True, "was_revoked": not revoked})
        else:
            stdout().print(f"{client_id} is revoked" if revoked else f"{client_id} was revoked before")

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def audit(
    client_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Only this key.", show_default="all keys")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only this account or platform.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many lines, newest first.")] = 50,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show what API keys read and were refused, newest first.

    [dim]Example:[/dim] wxgate client audit --account wx0123456789abcdef --limit 20
    """

    async def work(node: "Node") -> None:
        if client_id is not None:
            await node.clients.require(client_id)
        lines = await node.store.audit.read(client=client_id, account=account, limit=limit)
        if as_json:
            emit([_audit_dict(line) for line in lines])
        else:
            _print_audit(lines)

    with_node(work, database_url=database_url, key_file=key_file)


def _print_audit(lines: Sequence[AuditLine]) -> None:
    if not lines:
        stdout().print("nothing in the audit log yet")
        return
    shown = table("when", "key", "what", "of", "issuer", "from", "outcome", "times")
    for line in lines:
        shown.add_row(
            moment(line.last_at), line.client, line.action, line.account, line.issuer, escape(line.ip),
            line.outcome, str(line.count),
        )  # fmt: skip
    stdout().print(shown)


def _audit_dict(line: AuditLine) -> dict[str, object]:
    names = ("first_at", "last_at", "client", "action", "issuer", "account", "ip", "outcome", "count")
    return {name: getattr(line, name) for name in names}


def _as_dict(client: Client, now: datetime) -> dict[str, object]:
    return {
        "id": client.id,
        "name": client.name,
        "state": client.ended(now) or "good",
        "scopes": sorted(client.scopes),
        "platforms": sorted(client.reach.platforms),
        "accounts": sorted(client.reach.accounts),
        "tags": sorted(client.reach.tags),
        "read_only": not client.may_renew,
        "networks": [str(network) for network in client.networks],
        "created_at": client.created_at,
        "expires_at": client.expires_at,
        "revoked_at": client.revoked_at,
        "last_used_at": client.last_used_at,
    }


def _as_facts(client: Client, now: datetime) -> dict[str, object]:
    return {
        "id": client.id,
        "name": escape(client.name),
        "state": _state(client, now),
        "for": escape(_reach(client)),
        "scopes": ", ".join(sorted(client.scopes)) + ("" if client.may_renew else ", read-only"),
        "from": ", ".join(map(str, client.networks)) or "anywhere",
        "made": moment(client.created_at),
        "good until": moment(client.expires_at) if client.expires_at else "it is revoked",
        "last used": moment(client.last_used_at),
    }


def _state(client: Client, now: datetime) -> str:
    ended = client.ended(now)
    return f"[red]{ended}[/]" if ended else "[green]good[/]"


def _reach(client: Client) -> str:
    reach = client.reach
    if reach.is_everything:
        return "everything"
    accounts = [*sorted(reach.accounts), *(f"accounts tagged {tag}" for tag in sorted(reach.tags))]
    parts = [", ".join(accounts)] if accounts else []
    if reach.platforms:
        parts.append("through " + ", ".join(sorted(reach.platforms)))
    return " ".join(parts)
