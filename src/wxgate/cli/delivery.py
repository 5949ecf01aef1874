"""`wxgate delivery`: what is on its way to subscribers, and what was given up."""

from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.event import print_deliveries
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout
from wxgate.cli.progress import progress
from wxgate.errors import ConfigError
from wxgate.events.describing import describe_delivery
from wxgate.events.records import DeliveryState

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="What is on its way to subscribers.", no_args_is_help=True)


@app.command("list")
def list_deliveries(
    subscriber: Annotated[
        str | None, typer.Option(help="Only to this subscriber.", show_default=False)
    ] = None,
    state: Annotated[
        DeliveryState | None,
        typer.Option(help="Only in this state: `dead` is what was given up.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 50,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List deliveries, newest first.

    [dim]Example:[/dim] wxgate delivery list --state dead
    """

    async def work(node: "Node") -> None:
        found = await node.store.deliveries.find(subscriber_id=subscriber, state=state, limit=limit)
        if as_json:
            emit([describe_delivery(one) for one in found])
        elif not found:
            stdout().print("no delivery like that")
        else:
            print_deliveries(found)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def retry(
    subscriber: Annotated[
        str | None, typer.Argument(metavar="SUBSCRIBER", help="The subscriber's id.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="For all subscribers.")] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Try again what was given up.

    [dim]Example:[/dim] wxgate delivery retry sub_0123456789ab
    """
    if (subscriber is None) is not everything:
        raise ConfigError("name one subscriber, or say --all; `wxgate subscriber list` shows them")

    async def work(node: "Node") -> None:
        with progress("queueing", quiet=as_json) as advance:
            queued = await node.replays.dead(subscriber, advance)
        if as_json:
            emit({"queued": queued})
        else:
            stdout().print(f"{queued} queued again; a running node delivers")

    with_node(work, database_url=database_url, key_file=key_file)
