"""`wxgate login app`: the appids that people log in with."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from wxgate.cli.arguments import ask_secret, read_secret
from wxgate.cli.login_options import RealmOption
from wxgate.cli.opening import with_node
from wxgate.cli.options import AppSecretFile, AppSecretOption, DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stdout, table
from wxgate.custody.credentials import check_appid, check_secret
from wxgate.errors import ConfigError
from wxgate.login.describing import describe_app
from wxgate.login.domains import needed_domain
from wxgate.login.records import App, AppKind

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="The appids people log in with: 公众号, 网站应用, 小程序.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="APP", help="The app's name, as it stands in /login/wechat/APP.")
]
Issuer = Annotated[
    str | None,
    typer.Option(
        "--issuer",
        metavar="APPID|direct",
        help="On behalf through this platform, or `direct` with its own secret.",
        show_default=False,
    ),
]


@app.command()
def add(
    name: Name,
    appid: Annotated[str, typer.Option(help="The appid at WeChat.")],
    kind: Annotated[
        AppKind | None,
        typer.Option(help="What it is.", show_default="found out, where the gateway knows the appid"),
    ] = None,
    realm: RealmOption = None,
    issuer: Issuer = None,
    title: Annotated[
        str | None, typer.Option(help="What people see.", show_default="the account's own name")
    ] = None,
    secret: AppSecretOption = None,
    secret_file: AppSecretFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Let people log in with an appid; without a realm, one is made. Prints where, and what WeChat must know.

    An account that authorised a platform of yours needs nothing more. A website application (网站应用) needs
    --kind website and its AppSecret, which is asked for where it is not given; an account that the gateway
    does not know needs --kind official and its AppSecret.

    [dim]Example:[/dim] wxgate login app add shop --appid wx0123456789abcdef
    """
    check_appid(appid)
    given = read_secret("secret", secret, secret_file)
    if given is None and kind is AppKind.WEBSITE:
        given = ask_secret("secret", "AppSecret")

    async def work(node: "Node") -> None:
        from wxgate.login.registration import NewApp

        realms = await node.login.configuration.realms()
        added = await node.login.configuration.add_app(
            NewApp(
                name=name,
                appid=appid,
                realm=realm,
                kind=kind,
                issuer=issuer,
                title=title,
                secret=check_secret(given) if given is not None else None,
            )
        )
        await _show(node, added, as_json)
        if not realms and not as_json:
            stdout().print(
                f"\nrealm {added.realm} is made with it. Visitors read its title, {escape(added.title)}; "
                f"to change that: wxgate login realm set {added.realm} --title TITLE",
                soft_wrap=True,
            )

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_apps(
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the apps people log in with.

    [dim]Example:[/dim] wxgate login app list
    """

    async def work(node: "Node") -> None:
        found = await node.login.configuration.apps(realm)
        if as_json:
            emit([_document(node, one) for one in found])
        elif not found:
            stdout().print("nobody can log in yet; `wxgate login app add` lets them, with an appid")
        else:
            shown = table("name", "realm", "kind", "appid", "through", "title", "people log in at")
            for one in found:
                shown.add_row(
                    one.name, one.realm, one.kind.value, one.appid, one.issuer, escape(one.title),
                    str(_document(node, one)["login_url"]),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    name: Name, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show an app: where people log in, and which domain WeChat must know.

    [dim]Example:[/dim] wxgate login app show shop
    """

    async def work(node: "Node") -> None:
        await _show(node, await node.login.configuration.require_app(name), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("set")
def set_app(
    name: Name,
    title: Annotated[str | None, typer.Option(help="What people see.")] = None,
    issuer: Issuer = None,
    secret: AppSecretOption = None,
    secret_file: AppSecretFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Change what is given of an app: its title, its own secret, or through whom it logs in.

    [dim]Example:[/dim] wxgate login app set shop --secret-file secret.txt
    """
    given: dict[str, Any] = {}
    if (text := read_secret("secret", secret, secret_file)) is not None:
        given["secret"] = check_secret(text)
    if title is not None:
        given["title"] = title
    if issuer is not None:
        given["issuer"] = issuer
    if not given:
        raise ConfigError("say what is to be different: --title, --issuer, --secret or --secret-file")

    async def work(node: "Node") -> None:
        await _show(node, await node.login.configuration.change_app(name, **given), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def remove(
    name: Name, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Remove an app. Who has logged in by it stays so until the session ends.

    [dim]Example:[/dim] wxgate login app remove shop
    """

    async def work(node: "Node") -> None:
        removed = await node.login.configuration.remove_app(name)
        if as_json:
            emit(_document(node, removed))
        else:
            stdout().print(
                f"app {name} is removed; end its sessions with: wxgate login session end --app {name}"
            )

    with_node(work, database_url=database_url, key_file=key_file)


async def _show(node: "Node", one: App, as_json: bool) -> None:
    document = _document(node, one)
    domain = needed_domain(one, node.settings.public_base_url)
    if as_json:
        emit({**document, "domain": domain.as_document()})
        return
    through = "its own secret" if one.issuer == "direct" else f"platform {one.issuer}"
    stdout().print(
        facts(
            {
                "app": one.name,
                "title": escape(one.title),
                "kind": one.kind.value,
                "appid": one.appid,
                "through": through,
                "realm": one.realm,
                "people log in at": document["login_url"],
                "WeChat must know": f"{domain.host}\n[dim]{escape(domain.where)}[/]"
                if domain.host
                else "nothing",
                "made": moment(one.created_at),
            }
        )
    )


def _document(node: "Node", one: App) -> dict[str, Any]:
    return describe_app(one, node.settings.public_base_url)
