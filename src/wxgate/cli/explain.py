"""`wxgate explain`: what an errcode means here, and what to do."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout
from wxgate.errors import Explanation, WeChatError
from wxgate.protocol import errcodes
from wxgate.protocol.answers import error_of
from wxgate.protocol.tokens import DIRECT_ISSUER

if TYPE_CHECKING:
    from wxgate.server.node import Node


def explain(
    code: Annotated[int, typer.Argument(help="The errcode, for example 61007.")],
    appid: Annotated[
        str | None, typer.Argument(help="The account or platform it happened to, to look at its facts.")
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            help="Whose token it was: a platform's appid, or `direct`. Needed where several may act."
        ),
    ] = None,
    path: Annotated[str, typer.Option(help="The API's path, for example /cgi-bin/user/info.")] = "",
    message: Annotated[
        str, typer.Option(metavar="ERRMSG", help="WeChat's errmsg, which may name the IP.")
    ] = "",
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Explain an errcode: one sentence of cause, one of what to do. 解释错误码。

    With an appid, the cause is looked up in this gateway's own records: tickets, tokens, permission sets.

    [dim]Example:[/dim] wxgate explain 61007 wx0123456789abcdef --path /cgi-bin/user/info
    """
    if path and not path.startswith("/"):
        path = "/" + path
    error = error_of(code, message or errcodes.errmsg(code), path)
    if appid is None:
        _print(error, errcodes.explain(error), as_json)
        return

    async def work(node: "Node") -> None:
        _print(error, await _look(node, error, appid, issuer), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


async def _look(node: "Node", error: WeChatError, appid: str, issuer: str | None) -> Explanation:
    """Explain by the facts of an account or a platform; an account that is not known says something too."""
    from wxgate.custody.explain import explain as explain_in

    if await node.registry.platform(appid) is not None:
        situation = await node.situations.gather(appid, path=error.path)
    elif issuer is None:
        caller = await node.calls.caller(appid)
        situation = await node.situations.gather(caller.key.issuer, appid, path=error.path)
    else:
        if issuer != DIRECT_ISSUER:
            await node.registry.require_platform(issuer)
        situation = await node.situations.gather(issuer, appid, path=error.path)
    return explain_in(error, situation)


def _print(error: WeChatError, known: Explanation, as_json: bool) -> None:
    entry = errcodes.lookup(error.errcode)
    document = {
        "errcode": error.errcode,
        "errmsg": error.errmsg,
        "meaning_zh": entry.meaning_zh if entry else "",
        **asdict(known),
    }
    if as_json:
        emit(document)
        return
    for line in (
        f"{error.errcode} {error.errmsg} {document['meaning_zh']}".rstrip(),
        f"  {known.cause}",
        f"  → {known.action}",
        f"  {known.cause_zh}",
        f"  → {known.action_zh}",
    ):
        stdout().print(line, markup=False)
