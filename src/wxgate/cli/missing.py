"""`wxgate account missing-permission`: who must authorise again after a permission set was added."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout, table

if TYPE_CHECKING:
    from wxgate.server.node import Node


def missing_permission(
    set_id: Annotated[int, typer.Argument(metavar="ID", help="The permission set's id, as in func_info.")],
    platform: Annotated[str, typer.Option(help="The platform's appid.")],
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the accounts that lack a permission set, each with the link to send to its merchant.

    [dim]Example:[/dim] wxgate account missing-permission 18 --platform wx0123456789abcdef
    """

    async def work(node: "Node") -> None:
        report = await node.missing.report(platform, set_id)
        if as_json:
            emit(asdict(report))
            return
        out = stdout()
        named = f"{report.set_name} · {report.set_name_zh} ({set_id})"
        if not report.lacking:
            out.print(f"all {report.live} accounts it is for have granted {escape(named)}")
        else:
            shown = table("appid", "name", "state", "reference", "lacks it since", "link")
            for one in report.lacking:
                since = "it is gone" if one.was_granted else "never granted"
                shown.add_row(
                    one.appid, escape(one.name), one.state, escape(one.reference), since, escape(one.link)
                )
            out.print(shown)
            out.print(f"{len(report.lacking)} of {report.live} have not granted {escape(named)}")
        if report.unsuited:
            out.print(f"[dim]{report.unsuited} accounts of another kind cannot have it[/]")

    with_node(work, database_url=database_url, key_file=key_file)
