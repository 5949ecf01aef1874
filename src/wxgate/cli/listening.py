"""Running an ASGI application under uvicorn: our own socket, a ready line, a quiet and quick end."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

import uvicorn
from uvicorn.supervisors import Multiprocess

from wxgate.errors import ConfigError
from wxgate.server.asgi import ASGIApp

BACKLOG = 2048

GRACE_SECONDS = 5
"""What a stopping server gives requests under way: the time WeChat itself waits."""

KEEP_ALIVE_SECONDS = 20
"""Longer than a load balancer's pause between two pushes, short enough to shed idle strangers."""

CONNECTIONS_AT_ONCE = 8192
"""More is an accident or an attack; who comes too late gets a 503 and, being WeChat, comes again."""

READY_WITHIN_SECONDS = 60.0

Ready = Callable[[], None]


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; raise ConfigError that says what to change."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Made as TCP by name: asyncio turns Nagle's delay off for no other socket.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        advice = "stop the program that listens there, or choose another --port (0 takes a free one)"
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}; {advice}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address at which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(make_app: Callable[[], ASGIApp], listener: socket.socket, ready: Ready, *, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM; with several workers `make_app` is pickled and sent to each."""
    config = uvicorn.Config(
        make_app,
        factory=True,
        workers=workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,  # believing X-Forwarded-For is the application's own, configured decision
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again when it is done; being asked to stop is no failure.
        signal.signal(number, _end)
    if workers > 1:
        _Workers(config, listener, ready).run()
    else:
        _Server(config, ready).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if stopping := getattr(self.config.loaded_app, "stopping", None):
            stopping()  # an application that makes callers wait lets go of them
        await super().shutdown(sockets)


class _Workers(Multiprocess):
    def __init__(self, config: uvicorn.Config, listener: socket.socket, ready: Ready) -> None:
        super().__init__(config, [listener])
        self._ready = ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(one.wait_until_ready(READY_WITHIN_SECONDS, self.should_exit) for one in self.processes):
            self._ready()


def stop_when_stdin_ends() -> None:
    """End this process when whoever holds the other end of its standard input is gone, however it went."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="until stdin ends", daemon=True).start()


def _end(*_: object) -> None:
    sys.exit(0)
