"""The load: users who write all the time, some of them so that the gateway has to call WeChat."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count
from random import Random

from tests.chaos.scene import Scene

PAUSE_SECONDS = (0.05, 0.5)
"""How long one user waits between two messages."""


class Load:
    """Users with numbers of their own for everything they do."""

    def __init__(self, scene: Scene, seed: int, counts: Counter[str]) -> None:
        self._scene = scene
        self._random = Random(seed ^ 0x10AD)
        self._counts = counts
        self._numbers = count(1)

    async def run(self, users: int) -> None:
        """Let so many users write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(users):
                group.create_task(self._write())

    async def _write(self) -> None:
        appids = [appid for appid in self._scene.openids if appid not in self._scene.quiet]
        while True:
            appid, number = self._random.choice(appids), next(self._numbers)
            fields = {"appid": appid, "openid": self._scene.openids[appid], "wait": False}
            draw = self._random.random()
            if draw < 0.2:
                key = {"EventKey": f"key-{number}"}
                await self._scene.act("event", event="CLICK", fields=key, **fields)
            else:
                word = "call" if draw < 0.8 else "echo"
                await self._scene.act("message", type="text", content=f"{word} {number}", **fields)
            self._counts["written"] += 1
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))

    async def ask(self, appid: str) -> dict[str, str]:
        """Write once, and return for each issuer how its push ended."""
        number = next(self._numbers)
        pushes = await self._scene.act(
            "message",
            appid=appid,
            openid=self._scene.openids[appid],
            type="text",
            content=f"call {number}",
        )
        return {push["platform"] or "direct": _outcome(push, number) for push in pushes}


def _outcome(push: dict[str, object], number: int) -> str:
    attempts = push["attempts"]
    assert isinstance(attempts, Sequence)
    replied = any(f"done {number}" in (attempt["reply_plain"] or "") for attempt in attempts)
    return "" if replied else str(push["outcome"])
