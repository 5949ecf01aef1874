"""Server processes that tests start, watch, kill and start again."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

_POLL_SECONDS = 0.05


def free_port() -> int:
    """Find a TCP port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dying_with_parent(signal_name: str) -> list[str]:
    """Make a command prefix that has the kernel signal the child when the tests are killed themselves."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", signal_name, "--"] if setpriv else []


class ServerProcess:
    """One server in a process group of its own, with its output in a file.

    `{port}` in the command, in the environment and in `ready` stands for the port, which stays the
    same over restarts. The log file is appended to, so it tells the story of all the lives.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log_file: Path,
        ready: str = "http://127.0.0.1:{port}/healthz",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = log_file
        self._ready = self._fill(ready)
        self._command = [self._fill(str(word)) for word in command]
        self._env = {name: self._fill(value) for name, value in (env or {}).items()}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def wxgate(
        cls,
        *arguments: str | Path,
        log_file: Path,
        ready: str = "http://127.0.0.1:{port}/healthz",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        port: int | None = None,
    ) -> "ServerProcess":
        """Make a process that runs the installed `wxgate` command."""
        command = [Path(sys.executable).with_name("wxgate"), *arguments]
        return cls(command, log_file=log_file, ready=ready, env=env, cwd=cwd, port=port)

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the last life ended: an exit code, or minus the signal's number; None while it runs."""
        return self._process.poll() if self._process else None

    def output(self) -> str:
        """Return everything the process has written so far."""
        return self.log_file.read_text("utf-8", errors="replace") if self.log_file.exists() else ""

    async def start(self, within: float = 60.0) -> None:
        """Start the process and wait until its readiness URL answers 200."""
        self.spawn()
        await self.wait_until_ready(within)

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        if self.running:
            raise RuntimeError(f"{self._command[0]} is running already")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*dying_with_parent("KILL"), *self._command],
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env},
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def wait_until_ready(self, within: float = 60.0) -> None:
        """Wait until the readiness URL answers 200; fail with the log when it does not in time."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            try:
                async with asyncio.timeout(within):
                    while not await self._answers(session):
                        if not self.running:
                            raise AssertionError(f"ended with {self.exit_code} at once:\n{self.output()}")
                        await asyncio.sleep(_POLL_SECONDS)
            except TimeoutError:
                message = f"{self._ready} did not answer 200 within {within} s:\n{self.output()}"
                raise AssertionError(message) from None

    async def terminate(self, within: float = 30.0) -> int:
        """Ask the process to end (SIGTERM), wait for it and return its exit code."""
        return await self._end(signal.SIGTERM, within)

    async def interrupt(self, within: float = 30.0) -> int:
        """Press Ctrl-C, wait for the end and return the exit code."""
        return await self._end(signal.SIGINT, within)

    def kill(self) -> None:
        """End the whole process group at once (SIGKILL), as a power cut would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """Stop the process group without its knowing (SIGSTOP), as a machine that swaps or sleeps would."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process group go on (SIGCONT)."""
        self._signal_group(signal.SIGCONT)

    async def restart(self, within: float = 60.0) -> None:
        """Kill the process, start it again on the same port and wait until it is ready."""
        self.kill()
        await self.start(within)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _end(self, number: signal.Signals, within: float) -> int:
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} was never started")
        self._process.send_signal(number)
        try:
            return await asyncio.to_thread(self._process.wait, within)
        except subprocess.TimeoutExpired:
            self.kill()
            message = f"did not end within {within} s of {number.name}:\n{self.output()}"
            raise AssertionError(message) from None

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self._ready) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _fill(self, text: str) -> str:
        return text.replace("{port}", str(self.port))
