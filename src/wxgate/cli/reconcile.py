"""`wxgate reconcile`: compares what WeChat lists with what is kept here, and mends what is safe."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wxgate.cli.failures import describe
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stderr, stdout, table
from wxgate.cli.progress import progress
from wxgate.errors import GatewayError

if TYPE_CHECKING:
    from wxgate.custody.reconciling import Report
    from wxgate.server.node import Node


def reconcile(
    platform: Annotated[
        str | None, typer.Argument(help="A platform's appid; without it every platform.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask WeChat the same, show what would be done, change nothing.")
    ] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Compare WeChat's list of authorised accounts with ours, and mend what is safe; never deletes.

    Servers do it by themselves once a day. It ends with 1 where a list could not be read.

    [dim]Example:[/dim] wxgate reconcile --dry-run
    """

    async def work(node: "Node") -> None:
        if platform is not None:
            await node.registry.require_platform(platform)
            wanted = [platform]
        else:
            wanted = [one.appid for one in await node.store.platforms.list_platforms()]
        documents: list[dict[str, Any]] = []
        failed = False
        for appid in wanted:
            try:
                with progress(f"reconciling {appid}", quiet=as_json) as advance:
                    report = await node.reconciler.reconcile(appid, dry_run=dry_run, advance=advance)
            except (TimeoutError, GatewayError) as error:
                failed = True
                failure = describe(error)
                documents.append({"platform": appid, "error": failure.as_dict()})
                if not as_json:
                    stderr().print(f"✗ {appid}: {failure.message}", style="red", markup=False)
                    stderr().print(f"  → {failure.hint}", style="yellow", markup=False)
                continue
            documents.append(report.as_document())
            if not as_json:
                _print(report)
        if as_json:
            emit({"dry_run": dry_run, "platforms": documents})
        elif not wanted:
            stdout().print("there is no platform to reconcile; `wxgate platform add` adds one")
        if failed:
            raise typer.Exit(1)

    with_node(work, database_url=database_url, key_file=key_file)


def _print(report: "Report") -> None:
    counted = ", ".join(f"{count} {kind}" for kind, count in report.counts.items() if count)
    asked = "; nothing was changed (dry run)" if report.dry_run else ""
    stdout().print(
        f"{report.platform}: {report.listed} listed, {report.held} here: {counted or 'no difference'}{asked}",
        markup=False,
    )
    if not report.findings:
        return
    shown = table("account", "difference", "would be" if report.dry_run else "done", "why")
    for finding in report.findings:
        shown.add_row(finding.appid, finding.kind, finding.outcome, finding.detail)
    stdout().print(shown)
