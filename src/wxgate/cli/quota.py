"""`wxgate quota`: how many calls are left, clearing the counts, and what one request was."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stdout, table
from wxgate.custody.records import ClearWay

if TYPE_CHECKING:
    from wxgate.client.quota import Rate
    from wxgate.custody.quota import ClearsLeft, QuotaReport
    from wxgate.protocol.tokens import TokenKey
    from wxgate.server.node import Node

app = typer.Typer(help="Daily quotas of API calls, and the ten clears a month.", no_args_is_help=True)

Appid = Annotated[str, typer.Argument(help="A platform's or an account's appid.")]

Issuer = Annotated[
    str | None,
    typer.Option(help="Whose token: a platform's appid, or `direct`. Needed where several may act."),
]


@app.command()
def show(
    appid: Appid,
    paths: Annotated[
        list[str] | None, typer.Argument(help="API paths; without one the usual ones.", metavar="[PATH]...")
    ] = None,
    issuer: Issuer = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show how many calls of API paths are left today, and how many clears this month.

    [dim]Example:[/dim] wxgate quota show wx0123456789abcdef /cgi-bin/message/custom/send
    """

    async def work(node: "Node") -> None:
        report = await node.quotas.show(await _key(node, appid, issuer), paths or ())
        emit(_document(report)) if as_json else _print(report)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def clear(
    appid: Appid,
    issuer: Issuer = None,
    way: Annotated[
        ClearWay | None,
        typer.Option(
            "--by",
            help="Prove it by the access token, or by the AppSecret.",
            show_default="token, then secret",
        ),
    ] = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Begin the daily counts of an appid anew: ten times a month, in WeChat's console and here together.

    The AppSecret is used where the access token is itself out of quota.

    [dim]Example:[/dim] wxgate quota clear wx0123456789abcdef
    """

    async def work(node: "Node") -> None:
        cleared = await node.quotas.clear(await _key(node, appid, issuer), way)
        if as_json:
            emit({"appid": appid, "by": cleared.way, "clears": asdict(cleared.clears)})
        else:
            stdout().print(
                f"✓ the quota of {appid} is cleared (by {cleared.way}); {_left(cleared.clears)}", markup=False
            )

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def rid(
    appid: Appid,
    request_id: Annotated[str, typer.Argument(metavar="RID", help="The rid of an error, as in 6638c156-….")],
    issuer: Issuer = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Ask WeChat what one request was, by its rid. Tokens in it are hidden.

    [dim]Example:[/dim] wxgate quota rid wx0123456789abcdef 66277be0-02270739-5ff9c0e1
    """

    async def work(node: "Node") -> None:
        shown = await node.quotas.request(await _key(node, appid, issuer), request_id)
        if as_json:
            emit(shown)
        else:
            for name, value in shown.items():
                stdout().print(f"{name}: {value}", markup=False)

    with_node(work, database_url=database_url, key_file=key_file)


async def _key(node: "Node", appid: str, issuer: str | None) -> "TokenKey":
    """Settle on whose token asks: a platform's own, or the one that acts for an account."""
    if issuer is None and await node.registry.platform(appid) is not None:
        return node.calls.platform(appid).key
    return (await node.calls.caller(appid, issuer)).key


def _document(report: "QuotaReport") -> dict[str, object]:
    return {
        "appid": report.key.account,
        "issuer": report.key.issuer,
        "kind": report.key.kind,
        "paths": [asdict(reading) for reading in report.readings],
        "clears": asdict(report.clears),
        "resets_at": report.resets_at,
    }


def _print(report: "QuotaReport") -> None:
    from wxgate.client.quota import Reading

    shown = table("path", "used", "left", "a day", "rate")
    for reading in report.readings:
        if isinstance(reading, Reading):
            limit = str(reading.daily_limit) if reading.daily_limit else "no limit told"
            left = str(reading.remain) if reading.daily_limit else ""
            shown.add_row(reading.path, str(reading.used), left, limit, _rate(reading.rate))
        else:
            shown.add_row(reading.path, "", "", f"[yellow]{reading.errcode} {reading.message}[/]", "")
    stdout().print(shown)
    stdout().print(
        facts({"counts begin anew": moment(report.resets_at), "clears this month": _left(report.clears)})
    )


def _left(clears: "ClearsLeft") -> str:
    return f"{clears.left} of {clears.used + clears.left} left until {moment(clears.renews_at)}"


def _rate(rate: "Rate | None") -> str:
    return f"{rate.calls} in {rate.seconds} s" if rate else ""
