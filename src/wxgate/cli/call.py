"""`wxgate call`: one call of WeChat's API with the right token."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wxgate.cli.arguments import read_text
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from wxgate.protocol.answers import Answer
    from wxgate.server.node import Node

METHODS = ("GET", "POST")


def call(
    appid: Annotated[str, typer.Argument(help="The account to act for, or with --as-platform the platform.")],
    method: Annotated[str, typer.Argument(help="GET or POST.")],
    path: Annotated[str, typer.Argument(help="The API's path, for example cgi-bin/user/info.")],
    json_body: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="The JSON body.", show_default=False)
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A query parameter; repeat it.")
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(help="Whose token: a platform's appid, or `direct`. Needed where several may act."),
    ] = None,
    as_platform: Annotated[bool, typer.Option("--as-platform", help="Use the component token.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the answer to a file.")] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Call WeChat's API on behalf of an account and print the answer.

    The token is put in, and renewed where needed.

    [dim]Example:[/dim] wxgate call wx0123456789abcdef GET cgi-bin/user/info --param openid=oABC
    """
    verb = method.upper()
    if verb not in METHODS:
        raise typer.BadParameter(f"{method} is not one of {', '.join(METHODS)}", param_hint="METHOD")
    params = dict(_pair(text) for text in param or ())
    body = _parse_body(json_body) if json_body is not None else ({} if verb == "POST" else None)

    async def work(node: "Node") -> None:
        if as_platform:
            await node.registry.require_platform(appid)
            caller = node.calls.platform(appid)
        else:
            caller = await node.calls.caller(appid, issuer)
        _print(await caller.call(verb, path, params=params, json=body), output, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    return name, value


def _parse_body(value: str) -> Any:
    try:
        return json.loads(read_text(value))
    except ValueError as error:
        raise ConfigError(
            f"--json-body is not JSON: {error}; quote it for the shell: '{{\"key\": 1}}'"
        ) from None


def _print(answer: "Answer", output: Path | None, as_json: bool) -> None:
    if output is not None:
        output.write_bytes(answer.body)
        document = {"output": str(output), "bytes": len(answer.body), "content_type": answer.content_type}
        if as_json:
            emit(document)
        else:
            stdout().print(f"{len(answer.body)} bytes of {answer.content_type} in {output}", markup=False)
    elif answer.data is None:
        if as_json or sys.stdout.isatty():
            raise ConfigError(
                f"the answer is a file ({answer.content_type}); say where to put it with --output"
            )
        sys.stdout.buffer.write(answer.body)
    elif as_json:
        emit(answer.data)
    else:
        stdout().print_json(data=answer.data, ensure_ascii=False)
