"""`wxgate release-test`: how WeChat's own tests of a platform (全网发布检测) went."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, moment, stdout

if TYPE_CHECKING:
    from wxgate.events.release_test import ReleaseRun
    from wxgate.server.node import Node

app = typer.Typer(help="WeChat's release test (全网发布检测) of your platforms.", no_args_is_help=True)

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("…", "yellow")}

NAME_WIDTH = 13


@app.callback()
def _group() -> None:
    """Stand before the commands, so that one of them is still a group."""


@app.command()
def show(
    platform: Annotated[
        str | None, typer.Argument(help="A platform's appid; without it every platform.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=100, help="How many runs to show.")] = 5,
    exchange: Annotated[
        bool, typer.Option("--exchange", help="Show what was received and answered, too.")
    ] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Show how WeChat's tests went, step by step, the newest first.

    `wxgate rehearse` plays the same test beforehand.

    [dim]Example:[/dim] wxgate release-test show wx0123456789abcdef --exchange
    """

    async def work(node: "Node") -> None:
        if platform is not None:
            await node.registry.require_platform(platform)
        runs = (await node.release_testing.runs(platform))[:most]
        if as_json:
            emit([run.as_document() for run in runs])
        elif runs:
            _print(runs, exchange)
        else:
            stdout().print("WeChat has tested no platform here yet; `wxgate rehearse` plays its test")

    with_node(work, database_url=database_url, key_file=key_file)


def _print(runs: Sequence["ReleaseRun"], exchange: bool) -> None:
    from wxgate.emulator.release_words import TITLES

    out = stdout()
    for run in runs:
        mark, colour = MARKS[run.ok]
        began = moment(run.lines[0].at)
        out.print(f"[{colour}]{mark}[/] [bold]{run.platform}[/]  {run.appid}  {began}")
        for line in run.lines:
            mark, colour = MARKS[line.ok]
            title_zh, title = TITLES[line.step]
            out.print(f"  [{colour}]{mark}[/] {line.step:{NAME_WIDTH}} {title_zh} · {title}")
            indent = " " * (NAME_WIDTH + 5)
            for text in (line.reason_zh, line.reason):
                out.print(f"{indent}{text}", style="dim" if line.ok else colour, markup=False)
            if exchange:
                for shown in (*_lines("< ", line.received), *_lines("> ", line.answered)):
                    out.print(indent + shown, style="dim", markup=False)


def _lines(mark: str, text: str) -> list[str]:
    return [mark + line for line in text.splitlines()]
