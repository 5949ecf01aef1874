"""A private PostgreSQL that lives as long as a test session and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

from tests.servers.processes import dying_with_parent, free_port
from tests.servers.templates import migrate

_SYSTEM_USER = "postgres"  # PostgreSQL refuses to run as root; this user comes with its package
_START_SECONDS = 30.0

# Crashes of processes lose nothing with fsync off, only crashes of the machine do.
FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
}


def find_postgres() -> Path | None:
    """Find the folder with `initdb` and `postgres`, the newest version first; None when not installed."""
    folders = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if folder.parent.name.isdigit()]
    folders.sort(key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class PostgresServer:
    """A throw-away PostgreSQL on a free port of 127.0.0.1, with its data in a folder of its own."""

    def __init__(self, tools: Path, settings: Mapping[str, str] = FAST_SETTINGS) -> None:
        self._tools = tools
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="wxgate-pg-"))
        self._data = self._folder / "data"
        self._names = (f"test_{number}" for number in count(1))
        self._process: subprocess.Popen[bytes] | None = None
        self._has_template = False
        self.port = free_port()
        self.log_file = self._folder / "log"

    def __enter__(self) -> Self:
        self._initialise()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its address."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def create_migrated_database(self) -> str:
        """Create a database that has its schema and no rows, and return its address."""
        if not self._has_template:
            self.execute("CREATE DATABASE migrated TEMPLATE template0")
            migrate(self.url("migrated"))
            self._has_template = True
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its address, whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        """Execute one statement as the superuser."""
        self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-qXw", "-c", sql)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            # In the foreground, so that the kernel can shut it down when the tests are killed.
            self._process = subprocess.Popen(
                [*dying_with_parent("QUIT"), self._tools / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                **_as_server_user(),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop at once and drop every connection; the next start recovers."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill every process of the server (SIGKILL)."""
        children = self._children()
        self._end(signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start on the same port with the same data."""
        self.stop()
        self.start()

    def _children(self) -> list[int]:
        # Each is in a session of its own, so killing the process group would not reach them.
        if self._process is None or sys.platform != "linux":
            return []
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_START_SECONDS)
        self._process = None

    def _initialise(self) -> None:
        user = _as_server_user()
        if user:
            shutil.chown(self._folder, user["user"], user["group"])
        self._run(
            *("initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ready = subprocess.run(
                [self._tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
            )
            if ready.returncode == 0:
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log_file.read_text('utf-8', errors='replace')}")

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._tools / tool, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **_as_server_user(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{tool} failed:\n{done.stdout}{done.stderr}")


def _as_server_user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    return {"user": _SYSTEM_USER, "group": _SYSTEM_USER, "extra_groups": []}
