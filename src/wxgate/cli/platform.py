"""`wxgate platform`: the third-party platforms this gateway runs."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from wxgate.cli.changing import add_commands
from wxgate.cli.credentials import Given
from wxgate.cli.key_uses import keys_document, keys_for_people
from wxgate.cli.opening import with_node
from wxgate.cli.options import (
    AesKeyFile,
    AesKeyOption,
    AppSecretFile,
    AppSecretOption,
    DatabaseUrl,
    Generate,
    Json,
    KeyFile,
    Reveal,
    TokenFile,
    TokenOption,
)
from wxgate.cli.output import duration, emit, expiry, facts, mask, moment, stdout, table
from wxgate.cli.settings import shown
from wxgate.custody.credentials import check_appid
from wxgate.secret import Secret

if TYPE_CHECKING:
    from wxgate.custody.records import Platform
    from wxgate.custody.tickets import TicketAge
    from wxgate.server.node import Node
    from wxgate.server.overview import PlatformStatus

app = typer.Typer(help="The third-party platforms (第三方平台) this gateway runs.", no_args_is_help=True)
add_commands(app, "platform")

HEALTH_COLOURS = {"good": "green", "late": "yellow"}


@app.command()
def add(
    appid: Annotated[str, typer.Option(help="The platform's appid (component appid).")],
    name: Annotated[str | None, typer.Option(help="A name merchants recognise.")] = None,
    secret: AppSecretOption = None,
    secret_file: AppSecretFile = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    generate: Generate = False,
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Add a platform, or change what is given of one. Prints what to paste into WeChat's console.

    A changed token or AES key becomes the first; the one before stays good as the second. What is needed and
    not given is asked for without showing it.

    [dim]Example:[/dim] wxgate platform add --appid wx0123456789abcdef --name Acme --generate
    """
    check_appid(appid)
    given = Given.read((secret, secret_file), (token, token_file), (aes_key, aes_key_file), generate=generate)

    async def work(node: "Node") -> None:
        kept = await put_platform(node, appid, name, given)
        if as_json:
            emit(_as_dict(node, kept, reveal))
        else:
            stdout().print(
                f"platform {kept.appid} ({kept.name}) is kept. Paste into its console:", markup=False
            )
            stdout().print(facts(_console(node, kept, reveal)))
            _hint_at_secrets(kept, reveal)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("list")
def list_platforms(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """List the platforms with the age of their tickets.

    [dim]Example:[/dim] wxgate platform list --json
    """
    from wxgate.server.overview import platform_status

    async def work(node: "Node") -> None:
        platforms = await node.store.platforms.list_platforms()
        rows = [(platform, await platform_status(node, platform)) for platform in platforms]
        if as_json:
            emit([{"appid": one.appid, "name": one.name, **_status_document(status)} for one, status in rows])
            return
        if not rows:
            where = shown(node.settings.database_url)
            stdout().print(f"no platform in {where}; `wxgate platform add` adds one", markup=False)
            return
        listed = table("appid", "name", "ticket", "authorizations")
        for one, status in rows:
            listed.add_row(
                one.appid, escape(one.name), _ticket(status.ticket), _counts(status.authorizations)
            )
        stdout().print(listed)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    appid: Annotated[str, typer.Argument(help="The platform's appid.")],
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show a platform: its URLs for WeChat's console, ticket, token, authorizations and keys.

    [dim]Example:[/dim] wxgate platform show wx0123456789abcdef --reveal
    """
    from wxgate.server.overview import platform_status

    async def work(node: "Node") -> None:
        platform = await node.registry.require_platform(appid)
        status = await platform_status(node, platform)
        if as_json:
            keys = await keys_document(node, platform)
            emit({**_as_dict(node, platform, reveal), **_status_document(status), "keys": keys})
            return
        out = stdout()
        out.print(f"[bold]{escape(platform.name)}[/]  {platform.appid}")
        out.print(facts(_console(node, platform, reveal)))
        out.print()
        out.print(
            facts(
                {
                    "ticket": _ticket(status.ticket),
                    "component token": expiry(status.token, node.clock.now()),
                    "authorizations": _counts(status.authorizations),
                    **await keys_for_people(node, platform),
                    "AppSecret": mask(platform.secret, reveal),
                    "redirect key": mask(platform.redirect_key, reveal),
                    "added": moment(platform.created_at),
                }
            )
        )
        _hint_at_secrets(platform, reveal)

    with_node(work, database_url=database_url, key_file=key_file)


async def put_platform(node: "Node", appid: str, name: str | None, given: Given) -> "Platform":
    """Keep a new platform, or change the given values of a known one."""
    from wxgate.custody.records import Platform, PushCredentials

    known = await node.store.platforms.load_platform(appid)
    if known is not None:
        platform = replace(
            known,
            name=name or known.name,
            secret=given.secret or known.secret,
            push=given.change(known.push),
        )
    else:
        platform = Platform(
            appid=appid,
            name=name or appid,
            secret=given.secret_or_ask(),
            push=PushCredentials((given.token_or_ask(),), (given.aes_key_or_ask(),)),
            redirect_key=Secret(secrets.token_urlsafe(32)),
            created_at=node.clock.now(),
        )
    await node.store.platforms.put_platform(platform)
    return platform


def _console(node: "Node", platform: "Platform", reveal: bool) -> dict[str, str]:
    """What WeChat's console asks for, under its own names."""
    base = node.settings.public_base_url
    return {
        "授权发起页域名": urlsplit(base).hostname or "",
        "授权事件接收URL": f"{base}/wechat/{platform.appid}/events",
        "消息与事件接收URL": f"{base}/wechat/{platform.appid}/messages/$APPID$",
        "公众号开发域名": urlsplit(base).hostname or "",
        "消息校验Token": mask(platform.push.tokens[0], reveal),
        "消息加解密Key": mask(platform.push.aes_keys[0], reveal),
        "authorization page": f"{base}/authorize/{platform.appid}",
    }


def _hint_at_secrets(platform: "Platform", reveal: bool) -> None:
    if not reveal:
        stdout().print(
            f"`wxgate platform show {platform.appid} --reveal` shows the secrets in full", style="dim"
        )


def _status_document(status: "PlatformStatus") -> dict[str, object]:
    """Describe how a platform stands for machines."""
    age, token = status.ticket, status.token
    return {
        "ticket_health": age.health,
        "ticket_age_seconds": round(age.age.total_seconds()) if age.age is not None else None,
        "component_token_expires_at": token.expires_at if token else None,
        "authorizations": status.authorizations,
    }


def _as_dict(node: "Node", platform: "Platform", reveal: bool) -> dict[str, object]:
    base = node.settings.public_base_url
    document: dict[str, object] = {
        "appid": platform.appid,
        "name": platform.name,
        "authorize_domain": urlsplit(base).hostname,
        "events_url": f"{base}/wechat/{platform.appid}/events",
        "messages_url": f"{base}/wechat/{platform.appid}/messages/$APPID$",
        "authorize_url": f"{base}/authorize/{platform.appid}",
        "tokens": [mask(token, reveal) for token in platform.push.tokens],
        "aes_keys": [mask(key, reveal) for key in platform.push.aes_keys],
        "created_at": platform.created_at,
    }
    if reveal:
        document["secret"] = platform.secret.reveal()
        document["redirect_key"] = platform.redirect_key.reveal()
    return document


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


def _ticket(age: "TicketAge") -> str:
    colour = HEALTH_COLOURS.get(age.health, "red")
    pushed = "never pushed" if age.age is None else f"pushed {duration(age.age)} ago"
    return f"[{colour}]{age.health}[/], {pushed}"
