"""`wxgate listen`: the events of a gateway on a laptop that has no public address."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from wxgate.cli.arguments import ask_secret, read_secret
from wxgate.cli.options import AesKeyFile, AesKeyOption, Json, TokenFile, TokenOption
from wxgate.cli.output import emit, stderr, stdout
from wxgate.errors import ConfigError
from wxgate.events.records import Event, Form, SubscriberSecrets
from wxgate.secret import ApiKey

if TYPE_CHECKING:
    from wxgate.cli.following import Following
    from wxgate.cli.forwarding import Forwarded, Forwarding
    from wxgate.events.sse import ServerSent

Named = Annotated[
    list[str] | None, typer.Option("--name", help="Only these, such as event.* or text; repeat it.")
]


@dataclass(slots=True)
class Listening:
    """What the command was asked to do, and how far it is."""

    server: str
    parameters: Sequence[tuple[str, str]]
    after: str
    count: int | None
    as_json: bool
    forward: str | None = None
    form: Form = Form.WEBHOOK
    secrets: SubscriberSecrets = field(default_factory=SubscriberSecrets)
    last: str = ""


def listen(
    forward: Annotated[
        str | None, typer.Option(metavar="URL", help="Post each event there.", show_default="only show them")
    ] = None,
    form: Annotated[
        Form, typer.Option(help="How to post: as signed JSON, or as WeChat would.")
    ] = Form.WEBHOOK,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="The gateway.", show_default="WXGATE_PUBLIC_BASE_URL")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            "--key",
            envvar="WXGATE_API_KEY",
            help="An API key of the scope `events`; - reads it from stdin.",
            show_default=False,
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(envvar="WXGATE_API_KEY_FILE", help="A file with the API key.")
    ] = None,
    platforms: Annotated[
        list[str] | None, typer.Option("--platform", help="Only of this platform, or `direct`; repeat it.")
    ] = None,
    accounts: Annotated[
        list[str] | None, typer.Option("--account", help="Only of this account; repeat it.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Only of accounts with this tag; repeat it.")
    ] = None,
    names: Named = None,
    openids: Annotated[
        list[str] | None, typer.Option("--openid", help="Only of this user; repeat it.")
    ] = None,
    after: Annotated[
        str, typer.Option(metavar="now|POSITION", help="Where to begin; 0 is the oldest that is kept.")
    ] = "now",
    secret: Annotated[
        str | None,
        typer.Option(help="The signing secret (whsec_…) of webhooks.", show_default="a new one, shown"),
    ] = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many events.", show_default="never")
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow a gateway's events, and post each to a server on this machine. Ctrl-C ends it.

    The connection goes out to the gateway, so no public address is needed; after a cut it goes on where it
    was. With --json every line is a JSON document.

    [dim]Example:[/dim] wxgate listen --server https://wx.example.com --forward http://localhost:3000/hook
    """
    from wxgate.custody.credentials import check_aes_key, check_token

    given_token, given_key = (
        read_secret("token", token, token_file),
        read_secret("aes-key", aes_key, aes_key_file),
    )
    secrets = SubscriberSecrets(
        signing=_signing(secret) if form is Form.WEBHOOK else None,
        token=check_token(given_token) if given_token else None,
        aes_key=check_aes_key(given_key) if given_key else None,
    )
    if form is Form.WECHAT and forward and not (given_token and given_key):
        raise ConfigError("--form wechat needs --token and --aes-key: those your application is set up with")
    lists = {"platform": platforms, "account": accounts, "tag": tags, "name": names, "openid": openids}
    wanted = Listening(
        server=_address("--server", server or _configured_server()),
        parameters=[(name, value) for name, values in lists.items() for value in values or ()],
        after=after,
        count=count,
        as_json=as_json,
        forward=_address("--forward", forward) if forward else None,
        form=form,
        secrets=secrets,
    )
    key = read_secret("api-key", api_key, api_key_file) or ask_secret("api-key", "API key")
    try:
        asyncio.run(_listen(wanted, ApiKey(key)))
    except KeyboardInterrupt:
        going_on = f"; --after {wanted.last} goes on from here" if wanted.last else ""
        stderr().print(f"\nstopped{going_on}", style="dim")


async def _listen(wanted: Listening, key: ApiKey) -> None:
    from wxgate.cli.following import Opened

    left = wanted.count
    async with _connected(wanted, key) as (following, forwarding):
        async for found in following.events():
            if isinstance(found, Opened):
                _announce(wanted, again=found.again)
                continue
            await _take(wanted, found, forwarding)
            wanted.last = found.id
            left = None if left is None else left - 1
            if left == 0:
                return


@asynccontextmanager
async def _connected(wanted: Listening, key: ApiKey) -> "AsyncIterator[tuple[Following, Forwarding | None]]":
    import aiohttp

    from wxgate.cli.following import Following
    from wxgate.cli.forwarding import EVERYWHERE, Forwarding, local_subscriber
    from wxgate.clock import SystemClock
    from wxgate.server.outgoing import Outgoing

    clock, outgoing = SystemClock(), Outgoing(EVERYWHERE)
    forwarding = None
    if wanted.forward:
        subscriber = local_subscriber(wanted.forward, wanted.form, wanted.secrets, clock.now())
        forwarding = Forwarding(outgoing, subscriber, now=clock.now)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            yield (
                Following(session, wanted.server, key, wanted.parameters, after=wanted.after, note=_note),
                forwarding,
            )
        finally:
            await outgoing.close()


async def _take(wanted: Listening, found: "ServerSent", forwarding: "Forwarding | None") -> None:
    """Show one event, and post it where that is wanted."""
    from wxgate.events.payload import read_payload

    try:
        document = json.loads(found.data)
        event = read_payload(document)
    except ValueError:
        _note(f"what came at position {found.id} is no event, and is left out")
        return
    forwarded = None if forwarding is None else await forwarding.post(event)
    if wanted.as_json:
        emit({"position": int(found.id), "event": document, **_as_dict(forwarded)})
    else:
        _print(found.event, event, forwarded)


def _print(topic: str, event: Event, forwarded: "Forwarded | None") -> None:
    at = event.received_at.astimezone().strftime("%H:%M:%S")
    line = f"{at}  {topic:<28} {event.appid or event.issuer}  {event.openid or '-'}  evt_{event.id}"
    style = None
    if forwarded is not None:
        status = f"{forwarded.status} in {forwarded.milliseconds} ms" if forwarded.status else ""
        trouble = f"✗ {forwarded.error}" if forwarded.error else ""
        reply = "with a reply (shown to nobody: listening does not reply)" if forwarded.reply else ""
        line += "  → " + ", ".join(part for part in (status, reply, trouble) if part)
        style = "red" if forwarded.error else None
    stdout().print(line, style=style, markup=False)


def _as_dict(forwarded: "Forwarded | None") -> dict[str, Any]:
    if forwarded is None:
        return {}
    return {
        "forwarded": {
            "status": forwarded.status,
            "milliseconds": forwarded.milliseconds,
            "reply": asdict(forwarded.reply) if forwarded.reply else None,
            "error": forwarded.error or None,
        }
    }


def _announce(wanted: Listening, *, again: bool) -> None:
    """Say that the stream is open; a program reads it as the first line."""
    if wanted.as_json:
        if not again:
            signing = wanted.secrets.signing
            made = {"secret": signing.reveal()} if wanted.forward and signing else {}
            emit(
                {
                    "listening": wanted.server,
                    **({"forward": wanted.forward} if wanted.forward else {}),
                    **made,
                }
            )
        return
    if again:
        _note("the stream is open again; nothing was missed")
        return
    stdout().print(f"listening at {wanted.server}  (Ctrl-C ends it)", markup=False)
    if wanted.forward:
        signing = wanted.secrets.signing
        how = f"signed with {signing.reveal()}" if signing else "sealed as WeChat does"
        stdout().print(f"posting to {wanted.forward} as {wanted.form}, {how}", markup=False)


def _note(text: str) -> None:
    stderr().print(text, style="yellow", markup=False)


def _signing(secret: str | None) -> Any:
    from wxgate.events.forms.webhook import KEY_BYTES, check_secret, make_secret

    return check_secret(secret) if secret else make_secret(os.urandom(KEY_BYTES))


def _configured_server() -> str:
    from wxgate.settings import load_settings

    return load_settings().public_base_url


def _address(option: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{option} {url}: write an address such as http://localhost:3000")
    return url
