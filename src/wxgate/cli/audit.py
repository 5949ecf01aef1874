"""`wxgate audit`: audits of mini programs' code, and those whose result never came."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, moment, stdout, table
from wxgate.errors import ConfigError

if TYPE_CHECKING:
    from wxgate.events.audit_records import AuditState, CodeAudit
    from wxgate.server.node import Node

app = typer.Typer(help="Audits of mini programs' code (代码审核).", no_args_is_help=True)

STATES = ("waiting", "delayed", "passed", "rejected", "withdrawn", "unknown")
COLOURS = {"passed": "green", "rejected": "red", "delayed": "yellow", "unknown": "yellow"}


@app.command("list")
def list_audits(
    appid: Annotated[
        str | None, typer.Argument(help="A mini program; without it all.", show_default=False)
    ] = None,
    state: Annotated[str | None, typer.Option(help=f"Only those in one state: {', '.join(STATES)}.")] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List audits, newest first, with how their state became known.

    Versions that are submitted through the gateway are noted by themselves. A result that WeChat does not
    push is asked for, after an hour at the earliest, and becomes an event like a pushed one.

    [dim]Example:[/dim] wxgate audit list --state waiting
    """
    wanted = _state(state)

    async def work(node: "Node") -> None:
        found = await node.code_audits.find(appid=appid, state=wanted)
        if as_json:
            emit([_as_dict(one) for one in found])
        elif not found:
            stdout().print("no audit is known; `wxgate audit watch` notes one that was submitted elsewhere")
        else:
            shown = table("appid", "audit", "submitted", "state", "known by", "asked next", "reason")
            for one in found:
                colour = COLOURS.get(one.state, "none")
                shown.add_row(
                    one.appid, one.audit_id, moment(one.submitted_at), f"[{colour}]{one.state}[/]",
                    one.source, moment(one.next_check_at) if one.next_check_at else "", escape(one.reason),
                )  # fmt: skip
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def watch(
    appid: Annotated[str, typer.Argument(help="The mini program's appid.")],
    audit_id: Annotated[
        str | None, typer.Argument(help="The auditid; without it the newest one.", show_default=False)
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="Which platform asks, where several may.", show_default=False)
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Watch an audit that was submitted without the gateway, so that its result cannot be lost.

    A running server asks WeChat about it within a minute, and then again until there is a result.

    [dim]Example:[/dim] wxgate audit watch wx0123456789abcdef 1234567
    """

    async def work(node: "Node") -> None:
        platform = issuer or await node.calls.acting_platform(appid)
        noted = await node.code_audits.watch(platform, appid, audit_id)
        if as_json:
            emit(_as_dict(noted))
        else:
            stdout().print(f"audit {noted.audit_id} of {noted.appid} is {noted.state}, and is watched")

    with_node(work, database_url=database_url, key_file=key_file)


def _state(given: str | None) -> "AuditState | None":
    from wxgate.events.audit_records import AuditState

    if given is None:
        return None
    if given not in STATES:
        raise ConfigError(f"there is no state {given!r}; there are {', '.join(STATES)}")
    return AuditState(given)


def _as_dict(audit: "CodeAudit") -> dict[str, object]:
    return {name: value for name, value in asdict(audit).items() if name != "told"}
