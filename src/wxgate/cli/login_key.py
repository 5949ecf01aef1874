"""`wxgate login key`: the keys that sign a realm's ID tokens."""

from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.login_options import RealmOption, realm_or_only
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, moment, stdout, table
from wxgate.login.describing import describe_key

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="The keys that sign ID tokens.", no_args_is_help=True)


@app.command("list")
def list_keys(
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List the keys that are published, and from when each signs.

    [dim]Example:[/dim] wxgate login key list
    """

    async def work(node: "Node") -> None:
        keys, now = await node.login.keys.keys(await realm_or_only(node, realm)), node.clock.now()
        if as_json:
            emit([describe_key(one) for one in keys])
            return
        shown = table("id", "algorithm", "made", "signs from")
        for one in keys:
            since = moment(one.signs_from)
            shown.add_row(
                one.kid, one.algorithm, moment(one.created_at),
                since if one.signs_from <= now else f"[yellow]{since}[/]",
            )  # fmt: skip
        stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def rotate(
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="The new keys sign now and the old ones go: for when a key may have leaked."
        ),
    ] = False,
    realm: RealmOption = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Publish new keys, which sign a day later. Servers do it by themselves every 90 days.

    [dim]Example:[/dim] wxgate login key rotate
    """

    async def work(node: "Node") -> None:
        made = await node.login.keys.rotate(await realm_or_only(node, realm), at_once=at_once)
        if as_json:
            emit([describe_key(one) for one in made])
            return
        for one in made:
            stdout().print(f"key {one.kid} ({one.algorithm}) signs from {moment(one.signs_from)}")

    with_node(work, database_url=database_url, key_file=key_file)
