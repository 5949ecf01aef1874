"""`wxgate push`: every push as it arrived, with what was made of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.event import print_pushes
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout
from wxgate.events.describing import describe_push

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="The log of pushes, those that were refused among them.", no_args_is_help=True)


@app.command("list")
def list_pushes(
    account: Annotated[str | None, typer.Option(help="Only of this account.", show_default=False)] = None,
    event: Annotated[
        str | None,
        typer.Option(help="Only those that brought this event, such as evt_42.", show_default=False),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            help="Only with this verdict: accepted, duplicate, bad_signature, …", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 50,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List pushes, newest first: when they came, from where, what was wrong, what was answered.

    [dim]Example:[/dim] wxgate push list --verdict bad_signature
    """

    async def work(node: "Node") -> None:
        from wxgate.cli.event import require_event

        event_id = None if event is None else (await require_event(node, event)).id
        found = await node.store.push_log.find_pushes(
            appid=account, event_id=event_id, verdict=verdict, limit=limit
        )
        if as_json:
            emit([describe_push(id, line) for id, line in found])
        elif not found:
            stdout().print("no push like that is in the log")
        else:
            print_pushes(found)

    with_node(work, database_url=database_url, key_file=key_file)
