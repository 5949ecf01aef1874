"""`wxgate demo`: the whole cycle, live, between two processes."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from wxgate.cli.failures import DEBUG, Failure, describe
from wxgate.cli.options import Json
from wxgate.cli.output import emit, stderr
from wxgate.cli.teller import Silent, Teller
from wxgate.settings import PREFIX

if TYPE_CHECKING:
    from wxgate.cli.children import Child
    from wxgate.cli.stage import Stage
    from wxgate.cli.story import Result

APP = "wxgate.cli.demo_app:gateway"


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story instead of staying up.")] = False,
    as_json: Json = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The gateway's port; 0 takes a free one.")] = 0,
    emulator_port: Annotated[
        int, typer.Option(min=0, max=65535, help="The emulator's port; 0 takes a free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The seed of the emulator's world.")] = 1,
    fault: Annotated[
        str | None, typer.Option(metavar="JSON", help="A fault for the emulator, to watch a step fail.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with database and logs.")] = False,
) -> None:
    """Play the whole story between WeChat in a box and a gateway, live, and stay up to look around.

    Ticket, tokens, a merchant's authorization through the real pages, a message answered, a customer-service
    message, renewal two hours later, logins, and the end. Only a temporary folder is touched; it needs no
    account.

    [dim]Example:[/dim] wxgate demo --once
    """
    folder = Path(tempfile.mkdtemp(prefix="wxgate-demo-"))
    teller = Silent() if as_json else Teller()
    try:
        # The story's own world: nothing of the operator's settings or files takes part in it.
        forget_settings()
        with contextlib.chdir(folder):
            show = _Show(folder, teller, Plan(once, as_json, port, emulator_port, seed, fault))
            code = asyncio.run(show.run())
    finally:
        if keep:
            stderr().print(f"database and logs are kept in {folder}", style="dim", markup=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    once: bool
    as_json: bool
    port: int
    emulator_port: int
    seed: int
    fault: str | None


class _Show:
    """Starts the two processes, plays the story and stays up; whatever happens, the processes end with it."""

    def __init__(self, folder: Path, teller: Teller, plan: Plan) -> None:
        self._folder = folder
        self._teller = teller
        self._plan = plan
        self._children: list[Child] = []
        self._results: list[Result] = []

    async def run(self) -> int:
        """Run the show and return the exit code; a signal ends it in order."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        failure: Failure | None = None
        try:
            async with self._open_stage() as stage:
                await self._play(stage)
                if self._plan.once:
                    return self._finish(None)
                self._invite_to_look(stage)
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            # Ctrl-C is how a show that stays up ends; before the end of the story it is an interruption.
            return (
                self._code() if self._results_complete() else self._finish(Failure("Interrupted", "stopped"))
            )
        except Exception as error:  # a machine that reads us gets its one object, whatever it is
            if os.environ.get(DEBUG):
                raise
            failure = describe(error)
        return self._finish(failure)

    async def _play(self, stage: "Stage") -> None:
        from wxgate.cli.story import play

        async for result in play(stage, self._teller.begin):
            self._results.append(result)
            self._teller.end(result)

    @asynccontextmanager
    async def _open_stage(self) -> AsyncIterator["Stage"]:
        import aiohttp

        from wxgate.cli.children import Child
        from wxgate.cli.stage import Stage, post
        from wxgate.emulator import scenarios

        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            self._teller.note("starting WeChat in a box")
            emulator = await self._start(
                stack,
                Child(
                    "emulator", "--scenario", "demo", "--seed", str(self._plan.seed),
                    "--port", str(self._plan.emulator_port), log=self._folder / "emulator.log",
                ),
            )  # fmt: skip
            set_environment(self._folder, emulator.url)
            self._teller.note("starting the gateway")
            arguments = ("serve", "--app", APP, "--port", str(self._plan.port))
            gateway = await self._start(stack, Child(*arguments, log=self._folder / "gateway.log"))
            os.environ[f"{PREFIX}PUBLIC_BASE_URL"] = gateway.url
            self._teller.start(emulator.url, gateway.url)
            platform = await post(
                session,
                f"{emulator.url}/_emulator/platforms",
                {
                    "appid": scenarios.DEMO_PLATFORM,
                    "events_url": f"{gateway.url}/wechat/{scenarios.DEMO_PLATFORM}/events",
                    "messages_url": f"{gateway.url}/wechat/{scenarios.DEMO_PLATFORM}/messages/$APPID$",
                    "authorize_domain": [urlsplit(gateway.url).netloc],
                },
            )
            if self._plan.fault:
                await post(session, f"{emulator.url}/_emulator/faults", json.loads(self._plan.fault))
            async with session.get(f"{emulator.url}/_emulator/state") as answer:
                state = await answer.json()
            account = next(
                one for one in state["accounts"] if one["appid"] == scenarios.DEMO_OFFICIAL_ACCOUNT
            )
            follower = next(user for user in state["users"] if account["appid"] in user["followed_at"])
            yield Stage(
                session=session,
                emulator=emulator.url,
                gateway=gateway.url,
                node=await self._open_node(stack, platform),
                platform=platform["appid"],
                account=account["appid"],
                account_name=account["nick_name"],
                openid=follower["openids"][account["appid"]],
                follower=follower["nickname"],
            )

    async def _start(self, stack: AsyncExitStack, child: "Child") -> "Child":
        self._children.append(child)
        return await stack.enter_async_context(child)

    async def _open_node(self, stack: AsyncExitStack, platform: dict[str, Any]) -> Any:
        """Look into the gateway's database with the gateway's own code, and enter the platform there."""
        from wxgate.cli.credentials import Given
        from wxgate.cli.platform import put_platform
        from wxgate.logs import configure_logs
        from wxgate.server.node import Node
        from wxgate.settings import load_settings

        configure_logs("error")
        node = await stack.enter_async_context(await Node.open(load_settings()))
        names = ("secret", "token", "aes_key")
        given = Given.read(*((platform[name], None) for name in names), generate=False)
        await put_platform(node, platform["appid"], platform["name"], given)
        return node

    def _finish(self, failure: Failure | None) -> int:
        """Say how it went; return the exit code."""
        self._teller.pause()
        if self._plan.as_json:
            emit(self._document(failure))
        elif failure is not None:
            stderr().print(f"✗ {failure.message}", style="red", markup=False)
        if self._code() and (failure is None or failure.kind != "Interrupted"):
            self._show_logs()
        return 130 if failure is not None and failure.kind == "Interrupted" else self._code()

    def _document(self, failure: Failure | None) -> dict[str, object]:
        from wxgate.cli.story import STEPS, Result

        played = {result.step.name: result for result in self._results}
        steps = {step.name: played.get(step.name, Result(step, None, [])).as_dict() for step in STEPS}
        document: dict[str, object] = {"ok": self._code() == 0 and failure is None, "steps": steps}
        if failure is not None:
            document["error"] = failure.as_dict()
        return document

    def _code(self) -> int:
        return 0 if self._results_complete() and all(result.ok for result in self._results) else 1

    def _results_complete(self) -> bool:
        from wxgate.cli.story import STEPS

        return len(self._results) == len(STEPS)

    def _show_logs(self) -> None:
        for child in self._children:
            if lines := child.tail():
                stderr().print(f"\n--- the end of {child.log.name}", style="dim")
                for line in lines:
                    stderr().print(line, style="dim", markup=False)

    def _invite_to_look(self, stage: "Stage") -> None:
        addresses = {
            "authorize": f"{stage.gateway}/authorize/{stage.platform}",
            "readyz": f"{stage.gateway}/readyz",
            "metrics": f"{stage.gateway}/metrics",
            "emulator_state": f"{stage.emulator}/_emulator/state",
            "emulator_pushes": f"{stage.emulator}/_emulator/pushes",
        }
        if any(result.step.name == "login_qr" and result.ok for result in self._results):
            addresses["log_in"] = f"{stage.gateway}/login/wechat/site?mode=qr&return_to=/healthz"
        if self._plan.as_json:
            processes = {"emulator": self._children[0].pid, "gateway": self._children[1].pid}
            emit({**self._document(None), "addresses": addresses, "processes": processes})
        else:
            self._teller.invite(addresses, self._folder)
        if self._code():
            self._show_logs()


def forget_settings() -> None:
    """Take every setting out of the environment."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() != DEBUG:
            del os.environ[name]


def set_environment(folder: Path, emulator: str) -> None:
    """Set what both our own node and the gateway process read."""
    values = {
        "DATABASE_URL": f"sqlite:///{folder / 'wxgate.db'}",
        "KEY_FILE": str(folder / "wxgate.key"),
        "API_BASE_URL": emulator,
        "MP_BASE_URL": emulator,
        "OPEN_BASE_URL": emulator,
        "RES_BASE_URL": emulator,
        "DEVELOPMENT_CLOCK_URL": emulator,
    }
    os.environ.update({PREFIX + name: value for name, value in values.items()})
