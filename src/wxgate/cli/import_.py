"""`wxgate import`: an export of this gateway or another, or a list of refresh tokens from another system."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.arguments import read_file
from wxgate.cli.export import read_passphrase
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile, PassphraseFile
from wxgate.cli.output import emit, stdout, table
from wxgate.cli.progress import progress
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from wxgate.server.node import Node

SHOWN = 50
"""How many lines with something to say are shown; --json has them all."""

Row = dict[str, object]


def import_(
    file: Annotated[Path, typer.Argument(help="An export, or a CSV or JSON list of refresh tokens.")],
    platform: Annotated[
        str | None,
        typer.Option("--platform", help="The platform that a list of refresh tokens belongs to."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is here, unless it is newer than the file.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; only tell what would.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Import an export, or take authorizations over from a list with appid and refresh_token.

    The whole file is checked before anything is changed. Each line of a list is compared with WeChat's own
    list of authorised accounts: who is not in it is refused, and WeChat's refresh token is taken where it
    differs. Nothing that is newer here is replaced.

    [dim]Example:[/dim] wxgate import tokens.csv --platform wx0123456789abcdef --dry-run
    """
    from wxgate.custody.sealed_file import is_sealed

    with file.open("rb") as raw:
        sealed = is_sealed(raw)
    if sealed == (platform is not None):
        raise ConfigError(
            "an export knows its platforms; leave --platform out"
            if sealed
            else "this is no export; for a list of refresh tokens say whose it is with --platform APPID"
        )

    async def work(node: "Node") -> None:
        if platform is None:
            rows = await _take_export(node, file, passphrase_file, replace, dry_run, as_json)
        else:
            rows = await _take_list(node, file, platform, replace, dry_run, as_json)
        _tell(rows, dry_run, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


async def _take_export(
    node: "Node", file: Path, passphrase_file: Path | None, replace: bool, dry_run: bool, quiet: bool
) -> list[Row]:
    from wxgate.custody.sealed_file import read_sealed

    passphrase = read_passphrase(passphrase_file)

    def lines() -> Iterator[str]:
        with file.open("rb") as raw:
            yield from read_sealed(raw, passphrase)

    rows: list[Row] = []
    with progress("importing", quiet=quiet) as advance:
        async for each in node.transfer.take(lines, replace_old=replace, dry_run=dry_run):
            named: Row = {"line": each.line, "kind": each.kind, "name": each.name}
            rows.append(named | {"outcome": str(each.outcome), "reason": each.reason})
            advance(len(rows), None)
    return rows


async def _take_list(
    node: "Node", file: Path, platform: str, replace: bool, dry_run: bool, quiet: bool
) -> list[Row]:
    from wxgate.custody.handover import read_list

    handed = read_list(read_file(file), name=str(file))
    await node.registry.require_platform(platform)
    rows: list[Row] = []
    with progress("comparing with WeChat's list", quiet=quiet) as advance:
        async for each in node.handover.take(platform, handed, replace=replace, dry_run=dry_run):
            named: Row = {"line": each.line, "kind": "authorization", "name": f"{platform}/{each.appid}"}
            outcome = str(each.outcome) if each.outcome else "refused"
            rows.append(named | {"outcome": outcome, "finding": str(each.finding), "reason": each.reason})
            advance(len(rows), len(handed))
    return rows


def _tell(rows: Iterable[Row], dry_run: bool, as_json: bool) -> None:
    """Tell what became of each line; exits with 1 when one was not taken."""
    rows = list(rows)
    counts = Counter(str(row["outcome"]) for row in rows)
    left = counts["refused"] + counts["exists"] + counts["newer_here"]
    if as_json:
        emit({"dry_run": dry_run, "counts": counts, "rows": rows})
    else:
        told = [row for row in rows if row["reason"]]
        if told:
            shown = table("line", "name", "outcome", "reason")
            for row in told[:SHOWN]:
                shown.add_row(*(escape(str(row[name])) for name in ("line", "name", "outcome", "reason")))
            stdout().print(shown)
        if len(told) > SHOWN:
            stdout().print(f"… and {len(told) - SHOWN} more; --json shows them all")
        listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "nothing"
        stdout().print(f"{'would be' if dry_run else 'done'}: {listed}")
    if left:
        raise typer.Exit(1)
