"""Commands that platforms and direct accounts have in common: their secrets changed, and their end."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.apply import as_document, show
from wxgate.cli.arguments import ask_secret, read_secret
from wxgate.cli.opening import with_node
from wxgate.cli.options import AppSecretFile, AppSecretOption, DatabaseUrl, Json, KeyFile, Reveal
from wxgate.cli.output import emit, facts, mask, stdout
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from wxgate.custody.changes import Outcome
    from wxgate.custody.records import PushCredentials
    from wxgate.server.node import Node

Appid = Annotated[str, typer.Argument(help="The appid.")]


def add_commands(app: typer.Typer, kind: str) -> None:
    """Give the commands of one kind, `platform` or `account`, those that change it."""
    makers = (_set_secret, _rename, _rotate, _retire, _remove)
    for name, make in zip(HELP, makers, strict=True):
        help, example = HELP[name]
        shown = f"[dim]Example:[/dim] wxgate {kind} {name} wx0123456789abcdef {example}".rstrip()
        app.command(name, help=f"{help}\n\n{shown}")(make(kind))


HELP = {
    "set-secret": (
        "Replace the AppSecret. A token fetched with the old one is renewed at once, to try the new one.",
        "--secret-file secret.txt",
    ),
    "rename": ("Give it another name.", "Acme"),
    "rotate-key": (
        "Make a new push token or AES key, to be pasted into WeChat's console. The one before stays good.",
        "--aes-key --reveal",
    ),
    "retire-key": (
        "Drop the previous push token or AES key: pushes made with it are refused from now on.\n\n"
        "One that WeChat used in the last day is dropped only with --yes; `show` tells when each was last "
        "seen.",
        "--aes-key",
    ),
    "remove": (
        "Remove it with its tickets and tokens. Authorizations, their history and events stay.\n\n"
        "A platform with live authorizations is removed only with --yes. Added again with the same appid, it "
        "goes on with the authorizations it had.",
        "",
    ),
}
"""What each command does, and what follows the appid in its example."""

WhichToken = Annotated[bool, typer.Option("--token", help="The push token (消息校验Token).")]
WhichKey = Annotated[bool, typer.Option("--aes-key", help="The AES key (消息加解密Key).")]


def _set_secret(kind: str) -> Callable[..., None]:
    def set_secret(
        appid: Appid,
        secret: AppSecretOption = None,
        secret_file: AppSecretFile = None,
        as_json: Json = False,
        database_url: DatabaseUrl = None,
        key_file: KeyFile = None,
    ) -> None:
        from wxgate.custody.credentials import check_secret
        from wxgate.custody.edits import Kind

        given = check_secret(read_secret("secret", secret, secret_file) or ask_secret("secret", "AppSecret"))
        _run(
            lambda node: node.configuration.set_secret(Kind(kind), appid, given),
            as_json, database_url, key_file,
        )  # fmt: skip

    return set_secret


def _rename(kind: str) -> Callable[..., None]:
    def rename(
        appid: Appid,
        name: Annotated[str, typer.Argument(help="The new name.")],
        as_json: Json = False,
        database_url: DatabaseUrl = None,
        key_file: KeyFile = None,
    ) -> None:
        from wxgate.custody.edits import Kind

        _run(lambda node: node.configuration.rename(Kind(kind), appid, name), as_json, database_url, key_file)

    return rename


def _rotate(kind: str) -> Callable[..., None]:
    def rotate(
        appid: Appid,
        token: WhichToken = False,
        aes_key: WhichKey = False,
        reveal: Reveal = False,
        as_json: Json = False,
        database_url: DatabaseUrl = None,
        key_file: KeyFile = None,
    ) -> None:
        from wxgate.custody.credentials import make_aes_key, make_token
        from wxgate.custody.edits import Kind

        _demand_one(token, aes_key)

        async def work(node: "Node") -> None:
            outcome = await node.configuration.rotate(
                Kind(kind),
                appid,
                token=make_token() if token else None,
                aes_key=make_aes_key() if aes_key else None,
            )
            push = await _push_of(node, kind, appid)
            current = {
                "tokens": [mask(each, reveal) for each in push.tokens],
                "aes_keys": [mask(each, reveal) for each in push.aes_keys],
            }
            if as_json:
                emit({**as_document(outcome), **current})
                return
            stdout().print("paste into WeChat's console; the values before stay good until they are retired:")
            names = {"消息校验Token": current["tokens"], "消息加解密Key": current["aes_keys"]}
            stdout().print(facts({name: values[0] for name, values in names.items() if values}))

        with_node(work, database_url=database_url, key_file=key_file)

    return rotate


def _retire(kind: str) -> Callable[..., None]:
    def retire(
        appid: Appid,
        token: WhichToken = False,
        aes_key: WhichKey = False,
        yes: Annotated[
            bool, typer.Option("--yes", help="Also one that WeChat used in the last day.")
        ] = False,
        as_json: Json = False,
        database_url: DatabaseUrl = None,
        key_file: KeyFile = None,
    ) -> None:
        from wxgate.custody.edits import Kind

        _demand_one(token, aes_key)
        _run(
            lambda node: node.configuration.retire(
                Kind(kind), appid, token=token, aes_key=aes_key, even_if_used=yes
            ),
            as_json, database_url, key_file,
        )  # fmt: skip

    return retire


def _remove(kind: str) -> Callable[..., None]:
    def remove(
        appid: Appid,
        yes: Annotated[bool, typer.Option("--yes", help="Also with live authorizations.")] = False,
        as_json: Json = False,
        database_url: DatabaseUrl = None,
        key_file: KeyFile = None,
    ) -> None:
        from wxgate.custody.edits import Kind

        _run(
            lambda node: node.configuration.remove(Kind(kind), appid, even_if_live=yes),
            as_json, database_url, key_file,
        )  # fmt: skip

    return remove


def _run(
    work: Callable[["Node"], Awaitable["Outcome"]],
    as_json: bool,
    database_url: str | None,
    key_file: Path | None,
) -> None:
    async def and_show(node: "Node") -> None:
        show(await work(node), as_json)

    with_node(and_show, database_url=database_url, key_file=key_file)


def _demand_one(token: bool, aes_key: bool) -> None:
    if not token and not aes_key:
        raise ConfigError("say what: --token, --aes-key, or both")


async def _push_of(node: "Node", kind: str, appid: str) -> "PushCredentials":
    if kind == "platform":
        return (await node.registry.require_platform(appid)).push
    return (await node.registry.require_direct(appid)).push
