"""`wxgate invite`: a signed authorization link for one merchant."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stdout

if TYPE_CHECKING:
    from wxgate.server.node import Node


def invite(
    platform: Annotated[str, typer.Argument(help="The platform's appid.")],
    reference: Annotated[
        str, typer.Option(help="Your own name for the tenant; it comes back with the result.")
    ],
    auth_type: Annotated[
        int, typer.Option(help="1 official accounts, 2 mini programs, 3 both, 4-6 and 8 as WeChat has them.")
    ] = 3,
    biz_appid: Annotated[str | None, typer.Option(help="Only this account may authorise.")] = None,
    category_ids: Annotated[
        list[int] | None, typer.Option(help="Permission sets to ask for; repeat it.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days it is valid.", show_default="7")] = None,
    uses: Annotated[int, typer.Option(min=0, help="How many merchants may use it; 0 for any number.")] = 1,
    return_url: Annotated[
        str | None, typer.Option(help="Where the merchant goes afterwards, signed.")
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Make an authorization link for a merchant, bound to your reference.

    [dim]Example:[/dim] wxgate invite wx0123456789abcdef --reference tenant-42 --days 3
    """

    async def work(node: "Node") -> None:
        from wxgate.custody.records import LinkChoices

        await node.registry.require_platform(platform)
        made, link = await node.links.invite(
            platform,
            reference=reference,
            choices=LinkChoices(auth_type, biz_appid, tuple(category_ids or ())),
            valid_for=timedelta(days=days or node.settings.invite_days),
            max_uses=uses,
            return_url=return_url,
        )
        if as_json:
            emit(
                {
                    "url": link,
                    "id": made.id,
                    "reference": reference,
                    "expires_at": made.expires_at,
                    "uses": uses,
                }
            )
            return
        stdout().print(link, markup=False)
        count = f"{uses} time" + "s" * (uses != 1) if uses else "any number of times"
        stdout().print(facts({"for": escape(reference), "good": f"until {moment(made.expires_at)}, {count}"}))

    with_node(work, database_url=database_url, key_file=key_file)
