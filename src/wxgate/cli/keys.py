"""`wxgate keys`: the sealing keys, changed while everything runs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stderr, stdout, table
from wxgate.cli.progress import progress

if TYPE_CHECKING:
    from wxgate.server.node import Node
    from wxgate.store.rotation import Progress

app = typer.Typer(help="The keys that seal secrets in the database.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The id of a key, as `wxgate keys list` shows it.")]


@app.command("list")
def list_keys(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """List the sealing keys: how many values are under each, and which running nodes lack it.

    [dim]Example:[/dim] wxgate keys list
    """

    async def work(node: "Node") -> None:
        keys = await node.keys.status()
        if as_json:
            emit([asdict(key) for key in keys])
            return
        shown = table("id", "role", "values", "lacked by")
        for key in keys:
            role = "current" if key.current else "opens" if key.in_ring else "[red]not in the ring[/]"
            shown.add_row(key.name, role, str(key.values), ", ".join(key.lacked_by) or "nobody")
        stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def add(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """Make a new key and add it to the key file. It opens at once and seals once it is current.

    Back the key file up before you go on.

    [dim]Example:[/dim] wxgate keys add
    """

    async def work(node: "Node") -> None:
        name = node.keys.add()
        if as_json:
            emit({"added": name})
        else:
            stdout().print(
                f"key {name} is added. Back the key file up and copy it to your other machines, "
                f"then: wxgate keys rotate --to {name}"
            )

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def rotate(
    to: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="Make this key the current one first.")
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Seal everything anew under the current key, while servers run. Stopped, it goes on when run again.

    [dim]Example:[/dim] wxgate keys rotate
    """

    async def work(node: "Node") -> None:
        if to is not None:
            await node.keys.lead(to)
        last: Progress | None = None
        with progress("sealing anew", quiet=as_json) as advance:
            async for last in node.keys.reseal():
                advance(last.done, last.total)
        assert last is not None
        keys = await node.keys.status()
        left = sum(key.values for key in keys if not key.current)
        if as_json:
            emit({"current": keys[0].name, "sealed": last.sealed, "left": left, "shut": last.shut})
        else:
            stdout().print(f"{last.sealed} values sealed anew under key {keys[0].name}, {left} left")
            for name in last.shut:
                stderr().print(f"  {name} does not open with any key", style="red", markup=False)
        if left:
            raise typer.Exit(1)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def retire(
    key: KeyId, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Take an old key out of the key file; refused while anything needs it.

    Invites signed with it stop working, and backups made before the rotation need it: keep a copy with them.

    [dim]Example:[/dim] wxgate keys retire 1f2e3d4c
    """

    async def work(node: "Node") -> None:
        await node.keys.retire(key)
        if as_json:
            emit({"retired": key})
        else:
            stdout().print(
                f"key {key} is retired. Copy the key file to your other machines; keep the old one with the "
                "backups that need it. Invites made before it was replaced no longer work."
            )

    with_node(work, database_url=database_url, key_file=key_file)
