"""The servers that are measured, each one worker in a process of its own on a free loopback port."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLATFORM = "wxbenchplatform001"
ACCOUNT = "wxbenchaccount0001"
USER_NAME = "gh_bench0000001"
TOKEN = "benchtoken"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@dataclass(slots=True)
class Contestant:
    """One server under test."""

    name: str
    path: str
    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    async def start(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the server and wait until it takes connections."""
        log = (folder / f"{self.name.replace(' ', '-').replace('/', '-')}.log").open("wb")
        self.process = subprocess.Popen(
            self.command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **environment}
        )
        for _ in range(200):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at once: {Path(log.name).read_text()[-2000:]}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
        raise RuntimeError(f"{self.name} did not start within 20 s")

    def stop(self) -> None:
        """End the server and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def contestants() -> list[Contestant]:
    """List the servers: ours, the same server with a constant answer, and wechatpy on Flask and gunicorn."""
    ours, constant, peer = free_port(), free_port(), free_port()
    return [
        Contestant(
            "wxgate",
            f"/wechat/{PLATFORM}/messages/{ACCOUNT}",
            [sys.executable, "-m", "wxgate", "serve", "--port", str(ours), "--app", "bench.apps:gateway"],
            ours,
        ),
        Contestant(
            "constant answer",
            "/",
            [
                sys.executable, "-m", "uvicorn", "bench.apps:constant", "--port", str(constant),
                "--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools",
            ],
            constant,
        ),
        Contestant(
            "wechatpy + Flask + gunicorn",
            "/",
            [
                sys.executable, "-m", "gunicorn", "bench.apps:peer()", "--bind", f"127.0.0.1:{peer}",
                "--workers", "1", "--threads", "8", "--log-level", "warning",
            ],
            peer,
        ),
    ]  # fmt: skip


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
