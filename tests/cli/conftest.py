"""The real command line, as processes of their own, in a folder of their own."""

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from tests.harness import World
from wxgate.cli.main import app


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


class Cli:
    """Runs `wxgate` in a folder, with the settings it is given and none of the machine's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, str] = {}

    def use(self, world: World) -> "Cli":
        """Take the settings of a world that a test has started."""
        wechat = world.emulator.url
        self.settings = {
            "WXGATE_PUBLIC_BASE_URL": world.gateway_url,
            "WXGATE_API_BASE_URL": wechat,
            "WXGATE_MP_BASE_URL": wechat,
            "WXGATE_OPEN_BASE_URL": wechat,
            "WXGATE_RES_BASE_URL": wechat,
        }
        return self

    def environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        """Make the environment of a command."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WXGATE_")}
        return {**inherited, "COLUMNS": "200", "TMPDIR": str(self.folder), **self.settings, **(extra or {})}

    async def start(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start a command that does not end by itself."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wxgate", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(env),
        )

    async def __call__(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end; whatever happens, nobody is shown a trace."""
        process = await self.start(*arguments, env=env)
        out, err = await process.communicate(stdin.encode())
        assert b"Traceback" not in err + out, err.decode()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())


class Within(Cli):
    """Runs commands in the test's own process, which spares each the start of one.

    What ends a process, and how failures are told there, is tested with `Cli`.
    """

    async def __call__(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end, in a thread: it makes an event loop of its own."""
        given = {
            "WXGATE_DATABASE_URL": f"sqlite:///{self.folder / 'wxgate.db'}",
            "WXGATE_KEY_FILE": str(self.folder / "wxgate.key"),
            **self.settings,
            **(env or {}),
        }
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=stdin, env=given)
        structlog.reset_defaults()  # a command sets up logs for its process
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)


async def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait for the end of processes that are no children of the test; fail when they live on."""
    async with asyncio.timeout(30):
        for pid in pids:
            while _is_running(pid):  # noqa: ASYNC110 - there is nothing to await
                await asyncio.sleep(0.02)


def _is_running(pid: int) -> bool:
    """Tell whether a process is alive; one that nobody has buried yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line."""
    return Cli(tmp_path)


@pytest.fixture
def within(tmp_path: Path) -> Within:
    """The command line in the test's own process."""
    return Within(tmp_path)
