"""`wxgate serve`: the gateway as a server."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wxgate.cli.options import DatabaseUrl, Json, KeyFile, UntilStdinEnds
from wxgate.cli.output import emit, stdout
from wxgate.errors import ConfigError, GatewayError
from wxgate.logs import configure_logs
from wxgate.settings import Settings

if TYPE_CHECKING:
    from wxgate.gateway import Gateway
    from wxgate.server.asgi import ASGIApp, Receive, Scope, Send


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8000")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Server processes sharing the port.", show_default="1")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option("--app", metavar="MODULE:NAME", help="A Gateway with handlers, found from here."),
    ] = None,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
    public_base_url: Annotated[
        str | None, typer.Option(help="The address the world reaches this server at.", show_default=False)
    ] = None,
    development_clock_url: Annotated[
        str | None, typer.Option(help="Take the time from this emulator.", show_default=False)
    ] = None,
    as_json: Json = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Run the gateway; one line tells when it is ready. Ctrl-C ends it.

    [dim]Example:[/dim] wxgate serve --port 8000 --app examples.echo:gateway
    """
    from wxgate.cli import listening
    from wxgate.events.retention import read_retention

    flags: dict[str, Any] = {
        "host": host, "port": port, "workers": workers, "database_url": database_url, "key_file": key_file,
        "public_base_url": public_base_url, "development_clock_url": development_clock_url,
    }  # fmt: skip
    gateway = find_gateway(app)  # a mistake in --app shows here, before any process is started
    settings = gateway.settings(**flags)
    read_retention(settings.retention)
    listener = listening.listen(settings.host, settings.port)
    url = listening.url_of(listener)
    if "public_base_url" not in settings.model_fields_set:
        # Nobody said how the world reaches us, so links lead to where we do listen.
        flags["public_base_url"] = url
        settings = gateway.settings(**flags)
    configure_logs(settings.log_level, settings.log_format)
    if until_stdin_ends:
        listening.stop_when_stdin_ends()
    served = Served(settings, app)
    try:
        listening.run(served, listener, lambda: _announce(url, settings, as_json), workers=settings.workers)
    except SystemExit as end:
        if end.code and served.failure is not None:
            raise served.failure from None
        raise


@dataclass(slots=True)
class Served:
    """Makes the application in whichever process serves it, and remembers why it could not start."""

    settings: Settings
    app: str | None
    failure: GatewayError | None = None

    def __call__(self) -> "ASGIApp":
        """Make the application."""
        configure_logs(self.settings.log_level, self.settings.log_format)
        gateway = find_gateway(self.app)
        inner = gateway.asgi(self.settings)
        _when_told_to_stop(lambda: _end_streams(gateway))

        async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
            if scope["type"] != "lifespan":
                await inner(scope, receive, send)
                return
            try:
                await inner(scope, receive, send)
            except GatewayError as failure:
                self.failure = failure
                await send({"type": "lifespan.startup.failed", "message": str(failure)})

        return application


def _when_told_to_stop(end: Callable[[], None]) -> None:
    """Do something as soon as this process is told to stop; the server's own handler goes on after it.

    The server waits for requests under way before it tells the application anything, and a stream of events
    is a request that never ends by itself.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, before: Any = before) -> None:
            loop.call_soon_threadsafe(end)
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)


def _end_streams(gateway: "Gateway") -> None:
    with contextlib.suppress(ConfigError):  # it may not be open yet
        gateway.node.feed.end()


def find_gateway(app: str | None) -> "Gateway":
    """Import the Gateway that --app names, or make an empty one."""
    from wxgate.gateway import Gateway

    if app is None:
        return Gateway()
    module_name, _, name = app.partition(":")
    if not module_name or not name:
        raise ConfigError(f"--app {app}: write module:name, for example examples.echo:gateway")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--app {app}: {error}; it is looked for from {here}") from error
    if not isinstance(found, Gateway):
        raise ConfigError(f"--app {app}: that is a {type(found).__name__}, not a wxgate.Gateway")
    return found


def _announce(url: str, settings: Settings, as_json: bool) -> None:
    if as_json:
        emit({"url": url, "public_base_url": settings.public_base_url})
    else:
        public = settings.public_base_url
        elsewhere = "" if public == url else f", for the world at {public}"
        stdout().print(f"wxgate is ready at {url}{elsewhere}  (Ctrl-C ends it)", markup=False)
        sys.stdout.flush()
