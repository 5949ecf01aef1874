"""`wxgate token`: an access token that is good now."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile, Reveal
from wxgate.cli.output import emit, expiry, facts, mask, moment, stdout

if TYPE_CHECKING:
    from wxgate.custody.guarding import Standing
    from wxgate.server.node import Node


def fetches(standing: "Standing") -> str:
    """Write how often tokens of a kind were fetched today, and whether they are at present."""
    text = f"{standing.fetched} of {standing.limit}" if standing.limit else str(standing.fetched)
    if standing.state == "closed":
        return text
    return f"{text}, [red]stopped[/] until {moment(standing.until)}: {escape(standing.reason)}"


def token(
    appid: Annotated[str, typer.Argument(help="The account's appid, or with --platform the platform's.")],
    issuer: Annotated[
        str | None,
        typer.Option(help="Whose token: a platform's appid, or `direct`. Needed where several may act."),
    ] = None,
    platform: Annotated[bool, typer.Option("--platform", help="The platform's own component token.")] = False,
    reveal: Reveal = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Get an access token, fetching or renewing it where needed. Masked unless --reveal.

    [dim]Example:[/dim] TOKEN=$(wxgate token wx0123456789abcdef --reveal)
    """

    async def work(node: "Node") -> None:
        if platform:
            await node.registry.require_platform(appid)
            caller = node.calls.platform(appid)
        else:
            caller = await node.calls.caller(appid, issuer)
        kept = await node.keeper.get(caller.key)
        standing = await node.guarded.look(caller.key)
        if as_json:
            document = {
                "appid": appid,
                "issuer": kept.key.issuer,
                "kind": kept.key.kind,
                "access_token": mask(kept.token, reveal),
                "expires_at": kept.expires_at,
                "expires_in": round((kept.expires_at - node.clock.now()).total_seconds()),
                "version": kept.version,
                "fetches": {
                    "circuit": standing.state,
                    "today": standing.fetched,
                    "limit": standing.limit or None,
                },
            }
            emit(document)
        elif reveal:
            stdout().print(kept.token.reveal(), markup=False, soft_wrap=True)
        else:
            stdout().print(
                facts(
                    {
                        "access token": mask(kept.token),
                        "issuer": kept.key.issuer,
                        "fetched today": fetches(standing),
                        "state": f"{expiry(kept, node.clock.now())}, until {moment(kept.expires_at)}",
                    }
                )
            )

    with_node(work, database_url=database_url, key_file=key_file)
