"""`wxgate login client`: the applications that log people in through a realm (OpenID relying parties)."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from wxgate.cli.login_options import Absolute, Idle, RealmOption, Recheck, read_limits, realm_or_only
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import duration, emit, facts, moment, stderr, stdout, table
from wxgate.errors import ConfigError
from wxgate.login.describing import describe_client
from wxgate.login.records import Client
from wxgate.secret import Secret

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="The applications that log people in (OpenID Connect clients).", no_args_is_help=True)

NO_REDIRECT = (
    "no --redirect-uri: it can redeem the hand-over, but nobody logs in to it by OpenID Connect "
    "(wxgate login client set --redirect-uri)"
)

Which = Annotated[str, typer.Argument(metavar="CLIENT", help="Its id (wxcl_…) or its name.")]
RedirectUris = Annotated[
    list[str] | None,
    typer.Option(
        "--redirect-uri", metavar="URL", help="Where people come back to, compared exactly; repeat it."
    ),
]
LogoutUris = Annotated[
    list[str] | None,
    typer.Option("--post-logout-redirect-uri", metavar="URL", help="Where they may go after logging out."),
]
Backchannel = Annotated[
    str | None,
    typer.Option("--backchannel-logout-uri", metavar="URL", help="Where it is told that a session ended."),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="What it may ask for: openid, profile, wechat, offline_access; repeat it.",
        show_default="openid, profile",
    ),
]
Sector = Annotated[str | None, typer.Option(help="Clients of one sector get the same pairwise subjects.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you call it; people see it.")],
    redirect_uris: RedirectUris = None,
    realm: RealmOption = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="It can keep no secret (an app, a single page): PKCE protects it."),
    ] = False,
    scopes: Scopes = None,
    post_logout: LogoutUris = None,
    backchannel: Backchannel = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Give it another sub for a person than other clients get.")
    ] = False,
    sector: Sector = None,
    mini_programs: Annotated[
        bool, typer.Option("--mini-programs", help="It may exchange the codes of mini programs (RFC 8693).")
    ] = False,
    pkce: Annotated[
        bool, typer.Option("--pkce/--no-pkce", help="Without PKCE only for what cannot do it.")
    ] = True,
    algorithm: Annotated[str, typer.Option(help="How ID tokens are signed: RS256 or ES256.")] = "RS256",
    idle: Idle = None,
    absolute: Absolute = None,
    recheck: Recheck = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make a client. Its secret is shown this once and kept nowhere.

    [dim]Example:[/dim] wxgate login client add shop --redirect-uri https://shop.example/callback
    """

    async def work(node: "Node") -> None:
        from wxgate.login.oidc.terms import GrantType
        from wxgate.login.registration import NewClient

        wanted = frozenset(scopes or ("openid", "profile"))
        grants = {"authorization_code"}
        grants |= {"refresh_token"} if "offline_access" in wanted else set()
        grants |= {GrantType.TOKEN_EXCHANGE.value} if mini_programs else set()
        within = await node.login.configuration.require_realm(await realm_or_only(node, realm))
        client, secret = await node.login.configuration.add_client(
            within.name,
            NewClient(
                name=name,
                redirect_uris=tuple(redirect_uris or ()),
                public=public,
                post_logout_redirect_uris=tuple(post_logout or ()),
                backchannel_logout_uri=backchannel,
                pairwise=pairwise,
                sector=sector or "",
                grants=frozenset(grants),
                scopes=wanted,
                require_pkce=pkce,
                algorithm=algorithm,
                limits=read_limits(within.limits, idle, absolute, recheck),
            ),
        )
        _show(node, client, as_json, secret)
        if not client.redirect_uris and not mini_programs:
            stderr().print(NO_REDIRECT, style="yellow")

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_clients(
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the clients.

    [dim]Example:[/dim] wxgate login client list
    """

    async def work(node: "Node") -> None:
        found = await node.login.configuration.clients(realm)
        if as_json:
            emit([describe_client(one) for one in found])
        elif not found:
            stdout().print("no client yet; `wxgate login client add` makes one")
        else:
            shown = table("client id", "name", "realm", "kind", "state", "redirect URIs")
            for one in found:
                shown.add_row(
                    one.id, escape(one.name), one.realm, "public" if one.is_public else "with a secret",
                    _state(one), escape(" ".join(one.redirect_uris)),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show a client with what to configure in the application. Its secret is kept nowhere.

    [dim]Example:[/dim] wxgate login client show shop
    """

    async def work(node: "Node") -> None:
        _show(node, await node.login.configuration.require_client(which), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("set")
def set_client(
    which: Which,
    name: Annotated[str | None, typer.Option(help="What you call it; people see it.")] = None,
    redirect_uris: RedirectUris = None,
    scopes: Scopes = None,
    post_logout: LogoutUris = None,
    backchannel: Annotated[
        str | None,
        typer.Option(
            "--backchannel-logout-uri",
            metavar="URL",
            help="Where it is told of ended sessions; '' for nowhere.",
        ),
    ] = None,
    sector: Sector = None,
    algorithm: Annotated[str | None, typer.Option(help="How ID tokens are signed: RS256 or ES256.")] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Turn it away, or serve it again.")
    ] = None,
    idle: Idle = None,
    absolute: Absolute = None,
    recheck: Recheck = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Change what is given of a client. A list replaces the one before.

    [dim]Example:[/dim] wxgate login client set shop --redirect-uri https://shop.example/callback --disable
    """

    async def work(node: "Node") -> None:
        before = await node.login.configuration.require_client(which)
        limits = before.limits or (await node.login.configuration.require_realm(before.realm)).limits
        wanted: dict[str, Any] = {
            "name": name,
            "redirect_uris": redirect_uris or None,
            "post_logout_redirect_uris": post_logout or None,
            "backchannel_logout_uri": backchannel,
            "scopes": frozenset(scopes) if scopes else None,
            "sector": sector,
            "algorithm": algorithm,
            "disabled": disabled,
            "limits": read_limits(limits, idle, absolute, recheck),
        }
        if scopes and "offline_access" in scopes:
            wanted["grants"] = before.grants | {"refresh_token"}
        given = {field: value for field, value in wanted.items() if value is not None}
        if not given:
            raise ConfigError("say what is to be different; see `wxgate login client set --help`")
        _show(node, await node.login.configuration.change_client(before.id, **given), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("rotate-secret")
def rotate_secret(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Make a new secret, shown this once. The one before is refused from now on.

    [dim]Example:[/dim] wxgate login client rotate-secret shop
    """

    async def work(node: "Node") -> None:
        client, secret = await node.login.configuration.rotate_secret(which)
        _show(node, client, as_json, secret)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def remove(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Remove a client with its codes and tokens. People stay logged in at the gateway.

    [dim]Example:[/dim] wxgate login client remove shop
    """

    async def work(node: "Node") -> None:
        removed = await node.login.configuration.remove_client(which)
        if as_json:
            emit(describe_client(removed))
        else:
            stdout().print(f"client {removed.id} ({removed.name}) is removed", markup=False)

    with_node(work, database_url=database_url, key_file=key_file)


def _show(node: "Node", client: Client, as_json: bool, secret: Secret | None = None) -> None:
    issuer = f"{node.settings.public_base_url}/oidc/{client.realm}"
    if as_json:
        shown = {"client_secret": secret.reveal()} if secret else {}
        emit({**describe_client(client), "issuer": issuer, **shown})
        return
    limits = client.limits
    stdout().print(
        facts(
            {
                "issuer": issuer,
                "client id": client.id,
                **({"client secret": escape(secret.reveal())} if secret else {}),
                "name": escape(client.name),
                "state": _state(client),
                "kind": "public: no secret, PKCE" if client.is_public else "with a secret",
                "redirect URIs": escape("\n".join(client.redirect_uris)) or "none",
                "after logout": escape("\n".join(client.post_logout_redirect_uris))
                or "the gateway's own page",
                "told of ended sessions": escape(client.backchannel_logout_uri or "no"),
                "scopes": ", ".join(sorted(client.scopes)),
                "grants": ", ".join(sorted(client.grants)),
                "subjects": f"pairwise ({escape(client.sector or client.id)})"
                if client.pairwise
                else "public",
                "ID tokens": client.algorithm,
                "sessions": f"{duration(limits.absolute)}, unused {duration(limits.idle)}"
                if limits
                else "as its realm",
                "made": moment(client.created_at),
            }
        )
    )
    if secret:
        stdout().print("the secret is not shown again: only a fingerprint of it is kept", style="yellow")


def _state(client: Client) -> str:
    return "[green]good[/]" if client.disabled_at is None else "[red]disabled[/]"
