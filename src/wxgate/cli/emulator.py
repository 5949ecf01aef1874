"""`wxgate emulator`: WeChat in a box, as a server."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.options import Json, UntilStdinEnds
from wxgate.cli.output import emit, facts, stdout
from wxgate.logs import configure_logs

if TYPE_CHECKING:
    from wxgate.server.asgi import ASGIApp


def emulator(
    host: Annotated[str, typer.Option(help="Address to listen on; it has no password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8001,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 1,
    scenario: Annotated[str | None, typer.Option(help="A ready-made world to begin with: demo.")] = None,
    as_json: Json = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Run WeChat in a box, to develop and test against. Ctrl-C ends it.

    [dim]Example:[/dim] wxgate emulator --port 8001 --scenario demo
    """
    from wxgate.cli import listening

    listener = listening.listen(host, port)
    url = listening.url_of(listener)
    configure_logs("warning")
    if until_stdin_ends:
        listening.stop_when_stdin_ends()
    listening.run(Emulated(seed, scenario), listener, lambda: _announce(url, as_json))


@dataclass(frozen=True, slots=True)
class Emulated:
    """Makes the emulator's application."""

    seed: int
    scenario: str | None

    def __call__(self) -> "ASGIApp":
        """Make the application."""
        from wxgate.emulator.app import create_app

        return create_app(seed=self.seed, scenario=self.scenario)


def _announce(url: str, as_json: bool) -> None:
    if as_json:
        emit({"url": url, "state": f"{url}/_emulator/state"})
        return
    stdout().print(f"WeChat in a box is ready at {url}  (Ctrl-C ends it)", markup=False)
    stdout().print(
        facts(
            {
                "state": f"{url}/_emulator/state",
                "calls": f"{url}/_emulator/calls",
                "pushes": f"{url}/_emulator/pushes",
                "for the gateway": f"WXGATE_API_BASE_URL={url} WXGATE_MP_BASE_URL={url} "
                f"WXGATE_OPEN_BASE_URL={url} WXGATE_RES_BASE_URL={url} "
                f"WXGATE_DEVELOPMENT_CLOCK_URL={url}",
            }
        )
    )
    sys.stdout.flush()
