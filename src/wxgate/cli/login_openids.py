"""`wxgate login import-openids`: an account has moved, and its people keep their `sub`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.arguments import read_file
from wxgate.cli.login_options import RealmOption, realm_or_only
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout
from wxgate.cli.progress import progress

if TYPE_CHECKING:
    from wxgate.login.openid_import import Progress
    from wxgate.server.node import Node


def import_openids(
    from_appid: Annotated[
        str, typer.Option("--from", metavar="APPID", help="The account that moved.", show_default=False)
    ],
    to_appid: Annotated[
        str, typer.Option("--to", metavar="APPID", help="The account it moved to.", show_default=False)
    ],
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A CSV of old,new openids; without it WeChat converts them."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask WeChat the same, tell what would be, change nothing.")
    ] = False,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Link the new openids of an account that moved (账号迁移) to the people of the old ones.

    WeChat converts openids for fifteen days after a move, with the new account's token. Repeating it does no
    harm. It ends with 1 where an openid is in conflict.

    [dim]Example:[/dim] wxgate login import-openids --from wx0123456789abcdef --to wxfedcba9876543210
    """
    from wxgate.login.openid_import import Result, read_pairs

    pairs = read_pairs(read_file(file).splitlines()) if file is not None else None

    async def work(node: "Node") -> "Progress":
        within = await realm_or_only(node, realm)
        with progress("linking openids", quiet=as_json) as advance:
            last = None
            async for last in _steps(node, within, from_appid, to_appid, pairs, dry_run):
                advance(last.done, last.total)
        assert last is not None
        return last

    done = with_node(work, database_url=database_url, key_file=key_file)
    counted = {result.value: count for result, count in done.results.items()}
    if as_json:
        emit({"dry_run": dry_run, "openids": done.done, "results": counted})
    else:
        told = ", ".join(f"{count} {result}" for result, count in counted.items() if count) or "no openids"
        stdout().print(f"{'would be' if dry_run else 'done'}: {told}")
        if done.results[Result.CONFLICT] and not dry_run:
            stdout().print("`wxgate login subject conflicts` shows who met whom")
    if done.results[Result.CONFLICT]:
        raise typer.Exit(1)


def _steps(
    node: "Node",
    realm: str,
    from_appid: str,
    to_appid: str,
    pairs: list[tuple[str, str]] | None,
    dry_run: bool,
) -> AsyncIterator["Progress"]:
    openids = node.login.openids
    if pairs is None:
        return openids.by_wechat(realm, from_appid, to_appid, dry_run=dry_run)
    return openids.by_list(realm, from_appid, to_appid, pairs, dry_run=dry_run)
