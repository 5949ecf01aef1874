"""`wxgate subscriber`: the applications that get events."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.markup import escape

from wxgate.cli.arguments import read_secret
from wxgate.cli.opening import with_node
from wxgate.cli.options import AesKeyFile, AesKeyOption, DatabaseUrl, Json, KeyFile, TokenFile, TokenOption
from wxgate.cli.output import emit, facts, moment, stdout, table
from wxgate.errors import ConfigError
from wxgate.events.describing import describe_secrets, describe_subscriber
from wxgate.events.records import Backlog, Filter, Form, Subscriber

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="The applications that get events.", no_args_is_help=True)

Which: TypeAlias = Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="Its id or its name.")]
Platforms: TypeAlias = Annotated[
    list[str] | None, typer.Option("--platform", help="Only of this platform, or `direct`; repeat it.")
]
Accounts: TypeAlias = Annotated[
    list[str] | None, typer.Option("--account", help="Only of this account; repeat it.")
]
Tags: TypeAlias = Annotated[
    list[str] | None, typer.Option("--tag", help="Only of accounts with this tag; repeat it.")
]
Patterns: TypeAlias = Annotated[
    list[str] | None, typer.Option("--name", help="Only these, such as event.* or text; repeat it.")
]
Openids: TypeAlias = Annotated[
    list[str] | None, typer.Option("--openid", help="Only of this user; repeat it.")
]
SigningSecret: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--secret",
        help="For webhooks: a signing secret (whsec_…) made elsewhere; - reads it from stdin.",
        show_default="a new one",
    ),
]
SigningSecretFile: TypeAlias = Annotated[
    Path | None, typer.Option("--secret-file", help="A file with the signing secret.")
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you call it.")],
    url: Annotated[
        str, typer.Argument(help="Where it is sent events; $APPID$ stands for the account's appid.")
    ],
    form: Annotated[Form, typer.Option(help="Signed JSON, or XML sealed as WeChat does.")] = Form.WEBHOOK,
    platforms: Platforms = None,
    accounts: Accounts = None,
    tags: Tags = None,
    names: Patterns = None,
    openids: Openids = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="Keep the order of each account's events, also over retries.")
    ] = False,
    envelope_appid: Annotated[
        str, typer.Option(metavar="account|platform", help="For the form wechat: whose appid seals.")
    ] = "account",
    secret: SigningSecret = None,
    secret_file: SigningSecretFile = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Send events to an application. Its secrets are shown this once; those not given are made.

    [dim]Example:[/dim] wxgate subscriber add crm https://crm.example.com/wechat --tag shops --name "event.*"
    """
    given = _secrets(secret, secret_file, token, token_file, aes_key, aes_key_file)

    async def work(node: "Node") -> None:
        added = await node.delivering.subscriptions.add(
            name=name,
            url=url,
            form=form,
            filter=_filter(platforms, accounts, tags, names, openids),
            ordered=ordered,
            envelope_appid=envelope_appid,
            **given,
        )
        _show_secrets(added, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_subscribers(
    as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """List the subscribers, with what waits for them.

    [dim]Example:[/dim] wxgate subscriber list
    """

    async def work(node: "Node") -> None:
        found = await node.delivering.subscriptions.list_subscribers()
        waiting = {one.subscriber: one for one in await node.store.deliveries.backlog()}
        if as_json:
            emit([describe_subscriber(one, waiting.get(one.id)) for one in found])
        elif not found:
            stdout().print("no subscriber yet; `wxgate subscriber add` makes one")
        else:
            shown = table("id", "name", "form", "state", "waiting", "dead", "last success", "url")
            for one in found:
                backlog = waiting.get(one.id, Backlog(one.id, 0, None, 0))
                shown.add_row(
                    one.id, escape(one.name), one.form.value, _state(one, node), str(backlog.waiting),
                    str(backlog.dead), moment(one.last_success_at), escape(one.url),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show a subscriber: its filter, how it takes events, and what went wrong last.

    [dim]Example:[/dim] wxgate subscriber show crm
    """
    _run(lambda node: node.delivering.subscriptions.require(which), as_json, database_url, key_file)


@app.command()
def change(
    which: Which,
    name: Annotated[str | None, typer.Option("--rename", help="Another name.", show_default=False)] = None,
    url: Annotated[str | None, typer.Option(help="Another URL.", show_default=False)] = None,
    platforms: Platforms = None,
    accounts: Accounts = None,
    tags: Tags = None,
    names: Patterns = None,
    openids: Openids = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Take the filter away: it gets everything.")
    ] = False,
    ordered: Annotated[
        bool | None,
        typer.Option(
            "--ordered/--unordered", help="Keep the order of each account's events.", show_default=False
        ),
    ] = None,
    envelope_appid: Annotated[
        str | None, typer.Option(metavar="account|platform", help="Whose appid seals.", show_default=False)
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Change a subscriber. A filter that is given takes the place of the one before, as a whole.

    [dim]Example:[/dim] wxgate subscriber change crm --url https://crm.example.com/v2/wechat --name "event.*"
    """
    given = _filter(platforms, accounts, tags, names, openids)
    if everything and given != Filter():
        raise ConfigError("either --all, or a filter: not both")
    new_filter = given if everything or given != Filter() else None
    if all(one is None for one in (name, url, new_filter, ordered, envelope_appid)):
        raise ConfigError("say what to change; `wxgate subscriber change --help` lists what can be")
    _run(
        lambda node: node.delivering.subscriptions.change(
            which, name=name, url=url, filter=new_filter, ordered=ordered, envelope_appid=envelope_appid
        ),
        as_json, database_url, key_file,
    )  # fmt: skip


@app.command()
def pause(
    which: Which,
    reason: Annotated[str, typer.Option(help="Why; it is shown beside it.")] = "paused by an operator",
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Send a subscriber nothing for now; what comes meanwhile waits.

    [dim]Example:[/dim] wxgate subscriber pause crm --reason "moving house"
    """
    _run(
        lambda node: node.delivering.subscriptions.pause(which, reason=reason),
        as_json,
        database_url,
        key_file,
    )


@app.command()
def resume(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Send to a subscriber again, beginning with what waited.

    [dim]Example:[/dim] wxgate subscriber resume crm
    """
    _run(lambda node: node.delivering.subscriptions.resume(which), as_json, database_url, key_file)


@app.command("test")
def send_test(
    which: Which,
    account: Annotated[
        str | None, typer.Option(help="The account it seems to be of.", show_default="one of its filter")
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Send a subscriber a test event now, and tell what it answered. Exits with 1 when that is no success.

    [dim]Example:[/dim] wxgate subscriber test crm
    """

    async def work(node: "Node") -> bool:
        tried = await node.delivering.subscriptions.test(which, appid=account or "")
        if as_json:
            emit({"ok": tried.ok, "status": tried.status, "error": tried.error or None})
        elif tried.ok:
            stdout().print(f"it answered {tried.status}: the events will arrive")
        else:
            stdout().print(f"✗ {tried.error or tried.status}", style="red", markup=False)
        return tried.ok

    if not with_node(work, database_url=database_url, key_file=key_file):
        raise typer.Exit(1)


@app.command("rotate-secret")
def rotate_secret(
    which: Which,
    hours: Annotated[
        int, typer.Option(min=0, max=720, help="For webhooks: how long the secret before signs as well.")
    ] = 24,
    secret: SigningSecret = None,
    secret_file: SigningSecretFile = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Give a subscriber new secrets, shown this once.

    Webhooks are signed with both for a while, so that nothing is refused in between. An application of the
    form wechat has to get its new token and AES key at the same moment: pause it meanwhile.

    [dim]Example:[/dim] wxgate subscriber rotate-secret crm --hours 48
    """
    given = _secrets(secret, secret_file, token, token_file, aes_key, aes_key_file)

    async def work(node: "Node") -> None:
        rotated = await node.delivering.subscriptions.rotate_secret(
            which, keep_previous=timedelta(hours=hours), **given
        )
        _show_secrets(rotated, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def remove(
    which: Which, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Remove a subscriber with everything that waits for it.

    [dim]Example:[/dim] wxgate subscriber remove crm
    """

    async def work(node: "Node") -> None:
        removed = await node.delivering.subscriptions.remove(which)
        if as_json:
            emit({"id": removed.id, "name": removed.name, "removed": True})
        else:
            stdout().print(f"{removed.name} ({removed.id}) is removed", markup=False)

    with_node(work, database_url=database_url, key_file=key_file)


def _run(
    work: Callable[["Node"], Awaitable[Subscriber]],
    as_json: bool,
    database_url: str | None,
    key_file: Path | None,
) -> None:
    """Do something to a subscriber, and show how it stands then."""

    async def and_show(node: "Node") -> None:
        subscriber = await work(node)
        waiting = {one.subscriber: one for one in await node.store.deliveries.backlog()}
        backlog = waiting.get(subscriber.id)
        if as_json:
            emit(describe_subscriber(subscriber, backlog))
        else:
            stdout().print(facts(_as_facts(subscriber, backlog, node)))

    with_node(and_show, database_url=database_url, key_file=key_file)


def _show_secrets(subscriber: Subscriber, as_json: bool) -> None:
    made = describe_secrets(subscriber)
    if as_json:
        emit({**describe_subscriber(subscriber, None), **made})
        return
    stdout().print(facts({"id": subscriber.id, "name": escape(subscriber.name), **made}))
    stdout().print("keep these: they are not shown again", style="yellow")


def _as_facts(one: Subscriber, backlog: Backlog | None, node: "Node") -> dict[str, object]:
    where = one.filter
    parts = {
        "platforms": where.platforms, "accounts": where.accounts, "tags": where.tags,
        "names": where.names, "openids": where.openids,
    }  # fmt: skip
    filtered = [f"{name}: {', '.join(values)}" for name, values in parts.items() if values]
    return {
        "id": one.id,
        "name": escape(one.name),
        "form": one.form.value
        + (f", sealed for the {one.envelope_appid}" if one.form is Form.WECHAT else ""),
        "url": escape(one.url),
        "gets": escape("\n".join(filtered) or "everything"),
        "order": "kept by account" if one.ordered else "as it comes",
        "state": _state(one, node),
        "waiting": f"{backlog.waiting} since {moment(backlog.oldest)}"
        if backlog and backlog.waiting
        else "0",
        "given up": f"{backlog.dead}; `wxgate delivery retry` tries again"
        if backlog and backlog.dead
        else "0",
        "last success": moment(one.last_success_at),
        "last failure": moment(one.last_failure_at)
        + (f": {escape(one.last_error)}" if one.last_error else ""),
    }


def _state(one: Subscriber, node: "Node") -> str:
    if one.paused:
        return f"[yellow]paused[/]: {escape(one.paused_reason)}"
    if one.open_until is not None and one.open_until > node.clock.now():
        return f"[red]{one.failures} failures in a row[/], next try {moment(one.open_until)}"
    return "[green]active[/]"


def _filter(*lists: list[str] | None) -> Filter:
    return Filter(*(tuple(values or ()) for values in lists))


def _secrets(
    secret: str | None,
    secret_file: Path | None,
    token: str | None,
    token_file: Path | None,
    aes_key: str | None,
    aes_key_file: Path | None,
) -> dict[str, Any]:
    return {
        "signing_secret": read_secret("secret", secret, secret_file),
        "token": read_secret("token", token, token_file),
        "aes_key": read_secret("aes-key", aes_key, aes_key_file),
    }
