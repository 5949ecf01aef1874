"""Storms: four processes with two hundred callers each want one expired token at the same moment."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import authorized_account, until
from tests.harness import Harness, World
from wxgate.custody.sources import authorizer_key
from wxgate.protocol.tokens import TokenKey
from wxgate.secret import fingerprint

PROCESSES = 4
CALLERS = 200
RENEWAL = "/cgi-bin/component/api_authorizer_token"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
LEASE = 1.5
"""Seconds: short, so that tests wait little, and longer than a busy machine stalls."""


@dataclass(slots=True)
class Process:
    """One process of callers."""

    running: asyncio.subprocess.Process

    async def write(self, line: str) -> None:
        """Send it a line."""
        assert self.running.stdin is not None
        self.running.stdin.write(f"{line}\n".encode())
        await self.running.stdin.drain()

    async def read(self) -> str:
        """Take a line of what it prints."""
        assert self.running.stdout is not None
        line = (await self.running.stdout.readline()).decode().strip()
        assert line, "the process ended"
        return line

    async def results(self) -> Any:
        """Wait for what its callers got."""
        return json.loads(await self.read())


@dataclass(frozen=True, slots=True)
class Storm:
    """Processes that wait for the signal, an account whose token has expired, and WeChat."""

    world: World
    key: TokenKey
    processes: list[Process]

    async def go(self, *processes: Process) -> None:
        """Let processes ask at once."""
        for process in processes:
            await process.write("go")

    async def calls(self, path: str = RENEWAL) -> int:
        """Count the calls that reached WeChat."""
        return len(await self.world.calls(path))

    async def struck(self) -> bool:
        """Tell whether the fault ordered has struck."""
        return any(fault["hits"] for fault in await self.world.control("GET", "faults"))

    async def check(self, *processes: Process, version: int) -> None:
        """All callers of these processes get one token: the one in custody, which WeChat accepts."""
        results = await asyncio.gather(*(process.results() for process in processes))
        assert [each["failures"] for each in results] == [{}] * len(processes)
        kept = await self.world.node.store.tokens.load(self.key)
        assert kept is not None
        got = sum((Counter(each["tokens"]) for each in results), Counter[str]())
        assert got == {f"{version}:{fingerprint(kept.token)}": len(processes) * CALLERS}
        assert self.world.emulator.world.tokens.check(kept.token.reveal()).appid == self.key.account


@contextlib.asynccontextmanager
async def gathering(directory: Path, database_url: str, **settings: Any) -> AsyncIterator[Storm]:
    """Make an account whose token has expired, and the processes that will want it."""
    async with Harness(directory, database_url=database_url, ticket=False) as world:
        await world.control("POST", "switches", {"ticket_interval": 1e9})
        await world.push_ticket()
        account = await authorized_account(world)
        await world.node.runner.stop()
        await world.node.keeper.close()
        await world.advance(timedelta(hours=2))
        key = authorizer_key(world.platform.appid, account["appid"])
        order = {
            "settings": {
                "database_url": database_url,
                "key_file": str(directory / "wxgate.key"),
                "api_base_url": world.emulator.url,
                "development_clock_url": world.emulator.url,
                **settings,
            },
            "issuer": key.issuer,
            "account": key.account,
            "kind": key.kind,
            "callers": CALLERS,
        }
        async with contextlib.AsyncExitStack() as stack:
            processes = [await stack.enter_async_context(caller(order)) for _ in range(PROCESSES)]
            assert [await each.read() for each in processes] == ["ready"] * PROCESSES
            yield Storm(world, key, processes)


@contextlib.asynccontextmanager
async def caller(order: dict[str, Any]) -> AsyncIterator[Process]:
    """Start a process of callers; it is gone at the end."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.storm.caller",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    process = Process(running)
    try:
        await process.write(json.dumps(order))
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.communicate()


@pytest.mark.slow
async def test_eight_hundred_callers_in_four_processes_cost_one_call(
    tmp_path: Path, database_url: str
) -> None:
    async with gathering(tmp_path, database_url) as storm:
        await storm.world.add_fault(RENEWAL, "delay", seconds=0.3)
        begun = await storm.calls(COMPONENT_TOKEN)
        await storm.go(*storm.processes)
        await storm.check(*storm.processes, version=2)
        assert await storm.calls() == 1
        assert await storm.calls(COMPONENT_TOKEN) - begun == 1


@pytest.mark.slow
async def test_a_holder_killed_in_the_middle_of_its_refresh_is_taken_over_from_once(
    tmp_path: Path, database_url: str
) -> None:
    async with gathering(tmp_path, database_url, renewal_lease_seconds=LEASE) as storm:
        await storm.world.add_fault(RENEWAL, "hang")
        holder, *others = storm.processes
        await storm.go(holder)
        await until(storm.struck)
        await storm.go(*others)
        await asyncio.sleep(0.05)
        holder.running.kill()
        await storm.check(*others, version=2)
        await storm.world.control("DELETE", "faults")
        # The dead one's, whose answer nobody read, and one of all the others together.
        assert await storm.calls() == 2


@pytest.mark.slow
async def test_an_answer_that_comes_after_the_lease_has_ended_does_not_win(
    tmp_path: Path, database_url: str
) -> None:
    async with gathering(tmp_path, database_url, renewal_lease_seconds=LEASE) as storm:
        # WeChat has made the token; the answer is on its way until well after another process took over.
        await storm.world.add_fault(RENEWAL, "delay", stage="after", seconds=4 * LEASE)
        await storm.go(*storm.processes)
        await storm.check(*storm.processes, version=2)
        assert await storm.calls() == 2
