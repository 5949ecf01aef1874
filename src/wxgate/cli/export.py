"""`wxgate export`: everything that cannot be fetched anew, in one file sealed with a passphrase."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.arguments import read_file
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile, PassphraseFile
from wxgate.cli.output import emit, stderr, stdout
from wxgate.cli.progress import progress
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxgate.custody.sealed_file import Passphrase
    from wxgate.server.node import Node

VARIABLE = "WXGATE_PASSPHRASE"

EVERY = 500
"""After how many records the progress moves."""


def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Export platforms, direct accounts, labels and authorizations with their refresh tokens, sealed.

    The passphrase comes from --passphrase-file, from WXGATE_PASSPHRASE, or is asked for. API keys, tickets,
    access tokens and events are not in it.

    [dim]Example:[/dim] wxgate export backup.wxgate --passphrase-file passphrase.txt
    """
    if file.exists():
        raise ConfigError(f"{file} is there already; name another file, an export overwrites none")
    passphrase = read_passphrase(passphrase_file, new=True)

    async def work(node: "Node") -> None:
        counts = await _write(node, file, passphrase, as_json)
        if as_json:
            emit({"file": str(file), "counts": counts, "left_out": node.transfer.shut})
            return
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing"
        stdout().print(f"{file}: {listed}. Keep the passphrase apart from it", markup=False)
        for name in node.transfer.shut:
            stderr().print(f"  left out, since it does not open: {name}", style="red", markup=False)

    with_node(work, database_url=database_url, key_file=key_file)


async def _write(node: "Node", file: Path, passphrase: "Passphrase", quiet: bool) -> "Mapping[str, int]":
    from wxgate.custody.package import End, pack
    from wxgate.custody.sealed_file import SealedWriter

    total, done = await node.transfer.count(), 0
    counts: Mapping[str, int] = {}
    # Whole or not at all: written under another name, for its owner only, and linked when it is complete.
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as raw, progress("exporting", quiet=quiet) as advance:
            writer = SealedWriter(raw, passphrase)
            async for record in node.transfer.export():
                writer.write(pack(record))
                counts = record.counts if isinstance(record, End) else counts
                done += 1
                if done % EVERY == 0:
                    advance(min(done, total), total)
            writer.finish()
            raw.flush()
            os.fsync(raw.fileno())
        os.link(draft, file)
    finally:
        os.unlink(draft)
    return counts


def read_passphrase(file: Path | None, *, new: bool = False) -> "Passphrase":
    """Take the passphrase from a file, the environment or a hidden prompt; never from an argument."""
    from wxgate.custody.sealed_file import check_passphrase

    text = read_file(file).strip("\r\n") if file else os.environ.get(VARIABLE, "")
    if not text:
        if not os.isatty(0):
            raise ConfigError(f"the passphrase is missing; give --passphrase-file PATH or set {VARIABLE}")
        text = typer.prompt("passphrase", hide_input=True, confirmation_prompt=new)
    return check_passphrase(text)
