"""`wxgate apply`: platforms, direct accounts and labels as a file declares them."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.arguments import read_file
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stderr, stdout, table
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from wxgate.custody.changes import Outcome
    from wxgate.custody.edits import Difference
    from wxgate.server.node import Node


def apply(
    file: Annotated[Path, typer.Argument(help="The YAML file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; only show what would change.")
    ] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make platforms, direct accounts and labels as a file declares them, all together or not at all.

    What the file does not name stays as it is. Running servers take the changes up within two seconds.

    [dim]Example:[/dim] wxgate apply platform.yaml --dry-run
    """
    from wxgate.custody.declared import read_declaration

    declaration = read_declaration(read_file(file), resolver(file.parent), name=str(file))

    async def work(node: "Node") -> None:
        show(await node.configuration.apply(declaration, dry_run=dry_run), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


def resolver(folder: Path) -> Callable[[str], str]:
    """Look references up: `${NAME}` in the environment, `file:path` beside the file that names it."""

    def resolve(reference: str) -> str:
        if reference.startswith("file:"):
            try:
                return read_file(folder / reference.removeprefix("file:"))
            except OSError as error:
                raise ConfigError(f"{reference} cannot be read: {error.strerror}") from None
        name = reference[2:-1]
        if not (value := os.environ.get(name, "")):
            raise ConfigError(f"{reference} is not set in the environment")
        return value

    return resolve


def show(outcome: "Outcome", as_json: bool) -> None:
    """Tell what a change did; exits with 1 when WeChat did not take a new AppSecret."""
    if as_json:
        emit(as_document(outcome))
    else:
        shown = table("", "kind", "appid", "fields")
        for each in outcome.differences:
            shown.add_row(str(each.effect), str(each.kind), each.appid, "; ".join(_lines(each)))
        stdout().print(shown)
        if outcome.dry_run:
            stdout().print("nothing was changed; run it without --dry-run", style="dim")
        for renewal in outcome.renewals:
            if renewal.trouble:
                stderr().print(
                    f"✗ WeChat gave no token for the new AppSecret of {renewal.appid}: "
                    f"{renewal.trouble.rstrip('.')}. "
                    "The token fetched before stays in use until it expires; set the right secret by then",
                    style="red",
                    markup=False,
                )
            else:
                stdout().print(f"{renewal.appid}: WeChat takes the new AppSecret", markup=False)
    if any(renewal.trouble for renewal in outcome.renewals):
        raise typer.Exit(1)


def as_document(outcome: "Outcome") -> dict[str, object]:
    """Describe a change for machines; of a secret only that it changes."""
    return {
        "dry_run": outcome.dry_run,
        "changes": [
            {
                "effect": each.effect,
                "kind": each.kind,
                "appid": each.appid,
                "fields": {
                    name: "changed" if pair is None else {"before": pair[0], "after": pair[1]}
                    for name, pair in each.fields.items()
                },
            }
            for each in outcome.differences
        ],
        "renewals": [asdict(renewal) for renewal in outcome.renewals],
    }


def _lines(difference: "Difference") -> list[str]:
    return [
        f"{name} changed" if pair is None else f"{name}: {_plain(pair[0])} → {_plain(pair[1])}"
        for name, pair in difference.fields.items()
    ]


def _plain(value: object) -> str:
    return ", ".join(sorted(map(str, value))) or "none" if isinstance(value, frozenset) else str(value)
