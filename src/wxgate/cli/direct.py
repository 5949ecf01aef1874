"""`wxgate account add`: an account with its own appid and secret."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.credentials import Given
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
from wxgate.cli.output import emit, expiry, facts, mask, stdout
from wxgate.custody.credentials import check_appid
from wxgate.errors import ConfigError
from wxgate.protocol.envelope import Format, Mode

if TYPE_CHECKING:
    from wxgate.custody.records import DirectAccount
    from wxgate.server.node import Node

CONSOLE_NAMES = {
    "url": "服务器地址(URL)",
    "token": "令牌(Token)",
    "aes_key": "消息加解密密钥(EncodingAESKey)",
    "mode": "消息加解密方式",
    "format": "数据格式",
    "user_name": "原始ID",
}


def add(
    appid: Annotated[str, typer.Option(help="The account's appid.")],
    name: Annotated[str | None, typer.Option(help="A name for lists.")] = None,
    secret: AppSecretOption = None,
    secret_file: AppSecretFile = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    generate: Generate = False,
    mode: Annotated[Mode | None, typer.Option(help="How pushes are encrypted.", show_default="safe")] = None,
    data_format: Annotated[
        Format | None, typer.Option("--format", help="How pushes are written.", show_default="xml")
    ] = None,
    user_name: Annotated[
        str | None, typer.Option(help="Its original id, gh_...; guards against mix-ups.")
    ] = None,
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Add an account with its own appid and secret, or change what is given of one. Prints its URL.

    [dim]Example:[/dim] wxgate account add --appid wx0123456789abcdef --secret-file secret.txt --generate
    """
    check_appid(appid)
    given = Given.read((secret, secret_file), (token, token_file), (aes_key, aes_key_file), generate=generate)
    wanted = _Wanted(name, mode, data_format, user_name)

    async def work(node: "Node") -> None:
        kept = await _put_direct(node, appid, given, wanted)
        shown = await describe_direct(node, kept, reveal)
        if as_json:
            emit({"appid": appid, **shown})
        else:
            stdout().print(
                f"account {kept.appid} ({kept.name}) is kept. Paste into its console:", markup=False
            )
            stdout().print(facts(for_people(shown)))

    with_node(work, database_url=database_url, key_file=key_file)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What else was given of a direct account."""

    name: str | None
    mode: Mode | None
    format: Format | None
    user_name: str | None


async def _put_direct(node: "Node", appid: str, given: Given, wanted: _Wanted) -> "DirectAccount":
    from wxgate.custody.records import DirectAccount, PushCredentials

    known = await node.store.platforms.load_direct(appid)
    if known is None:
        push = PushCredentials((given.token_or_ask(),), (given.aes_key,) if given.aes_key else ())
        secret, created_at = given.secret_or_ask(), node.clock.now()
        known = DirectAccount(appid, appid, secret, "", push, Mode.SAFE, Format.XML, created_at)
    account = replace(
        known,
        name=wanted.name or known.name,
        secret=given.secret or known.secret,
        user_name=known.user_name if wanted.user_name is None else wanted.user_name,
        push=given.change(known.push),
        mode=wanted.mode or known.mode,
        format=wanted.format or known.format,
    )
    if account.mode is not Mode.PLAINTEXT and not account.push.aes_keys:
        raise ConfigError(f"mode {account.mode} needs an AES key; give --aes-key-file or --generate")
    await node.store.platforms.put_direct(account)
    return account


def for_people(described: Mapping[str, object]) -> dict[str, object]:
    """Give a description the names WeChat's console has."""
    return {CONSOLE_NAMES.get(name, name.replace("_", " ")): value for name, value in described.items()}


async def describe_direct(node: "Node", account: "DirectAccount", reveal: bool) -> dict[str, object]:
    """Tell what WeChat's console asks for, and how the account stands."""
    from wxgate.custody.sources import direct_key

    kept = await node.keeper.peek(direct_key(account.appid))
    return {
        "url": f"{node.settings.public_base_url}/wechat/direct/{account.appid}",
        "token": mask(account.push.tokens[0], reveal),
        "aes_key": mask(account.push.aes_keys[0], reveal) if account.push.aes_keys else "",
        "mode": account.mode,
        "format": account.format,
        "user_name": account.user_name,
        "access_token": expiry(kept, node.clock.now()),
    }
