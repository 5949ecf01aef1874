"""`wxgate decrypt`: paste a push and see what is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.arguments import read_secret, read_text
from wxgate.cli.diagnosis import Diagnosis, Keys, diagnose, query_of, split_paste
from wxgate.cli.findings import Finding, Verdict
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile, Reveal
from wxgate.cli.output import emit, stdout
from wxgate.clock import SystemClock
from wxgate.settings import Settings

if TYPE_CHECKING:
    from wxgate.custody.records import PushCredentials
    from wxgate.server.node import Node

MARKS = {Verdict.RIGHT: ("✓", "green"), Verdict.WRONG: ("✗", "red"), Verdict.NOTE: ("·", "yellow")}
WINDOW = int(Settings.model_fields["push_window"].default)


def decrypt(
    url: Annotated[str | None, typer.Argument(help="The URL WeChat called, or its query string.")] = None,
    body: Annotated[
        str | None,
        typer.Option(metavar="TEXT|@FILE|-", help="The body. Without it, everything is read from stdin."),
    ] = None,
    token: Annotated[str | None, typer.Option(help="消息校验Token (or - to read it).")] = None,
    aes_key: Annotated[str | None, typer.Option(help="消息加解密Key, 43 characters.")] = None,
    aes_key_file: Annotated[Path | None, typer.Option(help="A file with the 消息加解密Key.")] = None,
    appid: Annotated[str | None, typer.Option(help="The appid the push is sealed for.")] = None,
    platform: Annotated[
        str | None, typer.Option(help="Take token, key and appid from this platform.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Take them from this direct account.")] = None,
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Say step by step, in plain words, what is right and wrong with a push. Nothing is stored or answered.

    [dim]Example:[/dim] wxgate decrypt --platform wx0123456789abcdef < pasted.txt
    """
    if platform or account:
        keys = with_node(
            lambda node: _keys_of(node, platform, account), database_url=database_url, key_file=key_file
        )
    else:
        aes_key = read_secret("aes-key", aes_key, aes_key_file)
        keys = Keys((token,) if token else (), (aes_key,) if aes_key else (), appid)
    query, text = _pasted(url, body)
    diagnosis = diagnose(query, text, keys, now=int(SystemClock().now().timestamp()), window=WINDOW)
    if as_json:
        emit(_as_dict(diagnosis, reveal))
    else:
        _show(diagnosis, reveal)
    if not diagnosis.ok:
        raise typer.Exit(1)


async def _keys_of(node: "Node", platform: str | None, account: str | None) -> Keys:
    push: PushCredentials
    if platform:
        push = (await node.registry.require_platform(platform)).push
    else:
        push = (await node.registry.require_direct(account or "")).push
    tokens = tuple(token.reveal() for token in push.tokens)
    return Keys(tokens, tuple(key.reveal() for key in push.aes_keys), platform or account)


def _pasted(url: str | None, body: str | None) -> tuple[str, str]:
    if url is None:
        return split_paste(read_text(body or "-"))
    if body is None and "echostr=" in url:
        return query_of(url), ""
    return query_of(url), read_text(body or "-")


def _show(diagnosis: Diagnosis, reveal: bool) -> None:
    out = stdout()
    for finding in diagnosis.findings:
        mark, colour = MARKS[finding.verdict]
        out.print(f"[{colour}]{mark}[/] ", end="")
        out.print(finding.zh, markup=False)
        out.print(f"  {finding.en}", style="dim", markup=False)
    plain = diagnosis.plain if reveal else diagnosis.masked()
    if plain is not None:
        out.print()
        out.print(plain, markup=False)


def _as_dict(diagnosis: Diagnosis, reveal: bool) -> dict[str, object]:
    return {
        "ok": diagnosis.ok,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "plain": diagnosis.plain if reveal else diagnosis.masked(),
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "verdict": finding.verdict, "zh": finding.zh, "en": finding.en}
