"""What a crash test sees: the emulator, a process that may be killed, and its database from outside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.processes import ServerProcess
from wxgate.custody.links import FLOW_KEPT
from wxgate.custody.records import Flow
from wxgate.emulator.running import RunningEmulator
from wxgate.store import Store
from wxgate.store.keyfile import load_vault


@dataclass(slots=True)
class Scene:
    """The emulator, the process, and a look into its database from outside."""

    emulator: RunningEmulator
    process: ServerProcess
    folder: Path
    platform: str
    appid: str
    openid: str

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """Open the gateway's database beside it."""
        store = await Store.open(
            f"sqlite:///{self.folder / 'wxgate.db'}", load_vault("", self.folder / "wxgate.key")
        )
        try:
            yield store
        finally:
            await store.close()

    def now(self) -> datetime:
        """Tell the time in this world."""
        return datetime.fromtimestamp(self.emulator.clock.now(), UTC)

    async def act(self, what: str, **fields: Any) -> Any:
        """Let something happen in WeChat."""
        return await self.emulator.control("POST", f"act/{what}", fields)

    async def switch(self, **switches: Any) -> None:
        """Turn switches of the emulator."""
        await self.emulator.control("POST", "switches", switches)

    async def fault(self, path: str, stage: str) -> None:
        """Let the next call of a path hang at a stage: before or after its work is done, or in mid-answer."""
        action = "cut" if stage == "middle" else "hang"
        await self.emulator.control(
            "POST", "faults", {"path": path, "stage": stage, "action": action, "times": 1}
        )

    async def until_fault_hit(self) -> None:
        """Wait until the gateway has run into the fault."""

        async def hit() -> bool:
            faults = await self.emulator.control("GET", "faults")
            return any(fault["hits"] for fault in faults)

        await until(hit)

    async def crash(self) -> None:
        """Kill the gateway, clear the faults, start it again."""
        self.process.kill()
        await self.emulator.control("DELETE", "faults")
        await self.process.start()

    async def advance(self, seconds: float) -> None:
        """Move WeChat's clock, and wait until the gateway has followed."""
        await self.emulator.control("POST", "clock", {"advance": seconds})

        async def followed() -> bool:
            async with aiohttp.ClientSession() as http, http.get(f"{self.process.url}/healthz") as answer:
                now: float = (await answer.json())["now"]
            return abs(now - self.now().timestamp()) < 1

        await until(followed)

    async def calls(self, path: str) -> list[dict[str, Any]]:
        """List the calls of one API path that reached WeChat."""
        found: list[dict[str, Any]] = await self.emulator.control("GET", f"calls?path={path}")
        return found

    async def inbox(self) -> list[dict[str, Any]]:
        """List what the user saw."""
        seen: list[dict[str, Any]] = await self.emulator.control("GET", f"inbox?appid={self.appid}")
        return seen

    async def say(self, content: str) -> dict[str, Any]:
        """Let the user write a text; return its push when WeChat is through with it."""
        pushes = await self.act("message", appid=self.appid, openid=self.openid, type="text", content=content)
        push: dict[str, Any] = pushes[0]
        return push

    async def click(self) -> str:
        """Note a click as the start page does; return its flow."""
        flow = Flow(
            "a-click", self.platform, "fingerprint", None, "", None, self.now(), self.now() + FLOW_KEPT
        )
        async with self.store() as store:
            await store.links.put_flow(flow)
        return flow.id

    def handled(self, word: str) -> list[str]:
        """List the message ids that the handler began or ended with."""
        log = self.folder / "handled.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[1] for line in lines if line.split()[0] == word]


async def until(condition: Callable[[], Awaitable[bool]], within: float = 45.0) -> None:
    """Wait for a condition in another process."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - it comes true in another process
            await asyncio.sleep(0.03)
