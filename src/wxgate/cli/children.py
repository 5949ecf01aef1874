"""Child processes of the demo: started with a ready line, ended whatever happens."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wxgate.errors import ConfigError, GatewayError

READY_WITHIN_SECONDS = 30.0
END_WITHIN_SECONDS = 5.0


class Child:
    """One `wxgate` process that prints its URL as JSON when it is ready; its log goes to a file."""

    def __init__(self, *arguments: str, log: Path) -> None:
        self.log = log
        self.url = ""
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None, "not started"
        return self._process.pid

    async def __aenter__(self) -> Self:
        """Start, and wait for the ready line."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wxgate", *self._arguments, "--json", "--until-stdin-ends"),
                stdin=asyncio.subprocess.PIPE,  # its end tells the child that we are gone, even if killed
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is ours to pass on
            )
        try:
            await self._wait_until_ready(self._process)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        await asyncio.shield(self._end())

    def tail(self, lines: int = 15) -> Sequence[str]:
        """Return the end of the log."""
        return self.log.read_text("utf-8", errors="replace").splitlines()[-lines:]

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            raise ConfigError(f"`wxgate {self._arguments[0]}` does not become ready") from None
        with contextlib.suppress(ValueError, KeyError):
            self.url = json.loads(line)["url"]
        if not self.url:
            told = line.decode("utf-8", "replace").strip() or " ".join(self.tail(3))
            raise ConfigError(f"`wxgate {self._arguments[0]}` did not start: {told}")

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def run_command(*arguments: str) -> Any:
    """Run a `wxgate` command and return its JSON; raise GatewayError with what it says when it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wxgate", *arguments, "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    try:
        document = json.loads(out)
    except ValueError:
        raise GatewayError(
            f"`wxgate {arguments[0]}` printed no JSON: {err.decode('utf-8', 'replace')}"
        ) from None
    if process.returncode:
        raise GatewayError(document["error"]["message"])
    return document
