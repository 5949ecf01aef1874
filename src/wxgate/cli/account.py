"""`wxgate account`: the accounts we act for, authorised or direct."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.changing import add_commands
from wxgate.cli.direct import add, describe_direct, for_people
from wxgate.cli.key_uses import keys_document, keys_for_people
from wxgate.cli.labels import host, tag
from wxgate.cli.missing import missing_permission
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile, Reveal
from wxgate.cli.output import emit, expiry, facts, moment, stdout, table
from wxgate.errors import NotFound
from wxgate.protocol.tokens import DIRECT_ISSUER

if TYPE_CHECKING:
    from wxgate.custody.records import AccountInfo, Authorization
    from wxgate.server.node import Node
    from wxgate.server.overview import Right

app = typer.Typer(help="The accounts (公众号, 小程序) this gateway acts for.", no_args_is_help=True)
app.command("add")(add)
add_commands(app, "account")
app.command("tag")(tag)
app.command("host")(host)
app.command("missing-permission")(missing_permission)

STATE_COLOURS = {"active": "green", "revoked": "dim", DIRECT_ISSUER: "green"}


@app.command("list")
def list_accounts(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """List authorizations and direct accounts with their states.

    [dim]Example:[/dim] wxgate account list
    """

    async def work(node: "Node") -> None:
        rows = await _list(node)
        if as_json:
            emit(rows)
        elif not rows:
            stdout().print(
                "no account yet; `wxgate invite` makes a link for a merchant, `wxgate account add` adds one"
            )
        else:
            shown = table("appid", "name", "kind", "issuer", "state", "since")
            for row in rows:
                colour = STATE_COLOURS.get(str(row["state"]), "yellow")
                shown.add_row(
                    str(row["appid"]), escape(str(row["name"])), str(row["kind"]), str(row["issuer"]),
                    f"[{colour}]{row['state']}[/]", str(row["since"]),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    appid: Annotated[str, typer.Argument(help="The account's appid.")],
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show an account, and for each issuer its authorization, tokens and history.

    [dim]Example:[/dim] wxgate account show wx0123456789abcdef
    """

    from wxgate.server.overview import rights as load_rights

    async def work(node: "Node") -> None:
        rights = await load_rights(node, appid)
        direct = await node.store.platforms.load_direct(appid)
        info = await node.accounts.load(appid)
        if not rights and direct is None:
            raise NotFound(
                f"no account {appid} here: no platform is authorised by it, and it is no direct account"
            )
        if as_json:
            emit(
                {
                    "appid": appid,
                    "info": _info(info),
                    "authorizations": [_right_document(right) for right in rights],
                    "direct": {
                        **await describe_direct(node, direct, reveal),
                        "keys": await keys_document(node, direct),
                    }
                    if direct
                    else None,
                }
            )
            return
        out = stdout()
        if info is not None:
            out.print(f"[bold]{escape(info.nick_name)}[/]  {appid}")
            out.print(
                facts({"kind": info.kind, "original id": info.user_name, "principal": info.principal_name})
            )
        for right in rights:
            out.print(f"\n[bold]through platform {right.authorization.platform}[/]")
            out.print(facts(_right_facts(node, right)))
        if direct is not None:
            out.print(f"\n[bold]{escape(direct.name)}[/]  {appid}  with its own secret")
            described = for_people(await describe_direct(node, direct, reveal))
            out.print(facts({**described, **await keys_for_people(node, direct)}))

    with_node(work, database_url=database_url, key_file=key_file)


def _right_document(right: "Right") -> dict[str, object]:
    """Describe an authorization for machines."""
    one = right.authorization
    return {
        "platform": one.platform,
        "state": one.state,
        "reason": one.reason,
        "reference": one.reference,
        "permission_sets": [{"id": id, "name": _set_name(id)} for id in one.func_ids],
        "lost_permission_sets": [{"id": id, "name": _set_name(id)} for id in one.lost_ids],
        "authorized_at": one.authorized_at,
        "updated_at": one.updated_at,
        "has_refresh_token": one.refresh_token is not None,
        "token_expires_at": right.token.expires_at if right.token else None,
        "refresh_token_history": [
            {"at": change.at, "reason": change.reason, "fingerprint": change.fingerprint}
            for change in right.history
        ],
    }


def _right_facts(node: "Node", right: "Right") -> dict[str, object]:
    """Describe an authorization for people."""
    one = right.authorization
    colour = STATE_COLOURS.get(one.state, "yellow")
    changes = [f"{moment(c.at)}  {c.reason}  {c.fingerprint[:12]}" for c in right.history]
    return {
        "state": f"[{colour}]{one.state}[/]" + (f" ({escape(one.reason)})" if one.reason else ""),
        "authorised": moment(one.authorized_at),
        "reference": escape(one.reference),
        "permission sets": ", ".join(f"{_set_name(id)} ({id})" for id in one.func_ids),
        **_trouble(node, one),
        "access token": expiry(right.token, node.clock.now()),
        "refresh token": "\n".join(changes) if changes else "none",
    }


def _trouble(node: "Node", one: "Authorization") -> dict[str, object]:
    """Tell what is wrong, and the link with which the merchant mends it."""
    from wxgate.custody.links import reauthorization_link
    from wxgate.custody.states import USABLE

    shown = dict[str, object]()
    if one.lost_ids:
        shown["lost sets"] = ", ".join(f"{_set_name(id)} ({id})" for id in one.lost_ids)
    if one.state not in USABLE or one.lost_ids:
        shown["to authorise"] = reauthorization_link(node.settings.public_base_url, one.platform, one.appid)
    return shown


async def _list(node: "Node") -> list[dict[str, object]]:
    from wxgate.custody.records import AuthorizationFilter
    from wxgate.server.overview import account_infos

    infos = await account_infos(node)
    rows: list[dict[str, object]] = []
    for one in await node.authorizations.find(AuthorizationFilter()):
        info = infos.get(one.appid)
        rows.append(
            {
                "appid": one.appid,
                "name": info.nick_name if info else "",
                "kind": info.kind if info else "",
                "issuer": one.platform,
                "state": str(one.state),
                "since": moment(one.updated_at),
            }
        )
    for direct in await node.store.platforms.list_directs():
        since = moment(direct.created_at)
        rows.append(
            {
                "appid": direct.appid,
                "name": direct.name,
                "kind": "",
                "issuer": DIRECT_ISSUER,
                "state": DIRECT_ISSUER,
                "since": since,
            }
        )
    return rows


def _info(info: "AccountInfo | None") -> dict[str, object] | None:
    if info is None:
        return None
    names = ("kind", "nick_name", "user_name", "head_img", "principal_name", "fetched_at")
    return {name: getattr(info, name) for name in names}


def _set_name(id: int) -> str:
    from wxgate.protocol import permissions

    return permissions.name(id)
