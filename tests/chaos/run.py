"""One chaos run: start, break under load, let it settle, judge."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.callers import Callers
from tests.chaos.checker import MERCHANT_PUSHES, Verdict, check
from tests.chaos.evidence import Evidence, Key, Probe, read_log
from tests.chaos.faults import FUNC_IDS, inject, plan
from tests.chaos.links import Wire
from tests.chaos.load import Load
from tests.chaos.scene import FOLLOWED_WITHIN, Scene, open_scene
from wxgate.custody.token_memory import RECHECK

SETTLE_SECONDS = 60.0
"""How long the gateway may take to come to rest after the faults, on the machine's clock."""

RENEWAL_INTERVAL = 7200.0
"""How far our clock may move until every account must be usable: the life of one token."""

CONTEST_SECONDS = 1.0
CONTEST_SECONDS_MOST = 8.0
"""How long nodes that want the same token are given to ask WeChat for it all at once: a moment, if they are
sound, and if not, less than their calls wait for an answer."""

STEP = 30.0
"""How far the clock is moved at a time while we wait for leases to end and jobs to be taken up."""


@dataclass(frozen=True, slots=True)
class Options:
    """What kind of run."""

    seconds: float = 120.0
    seed: int = 1
    engine: str = "postgres"
    nodes: int = 3
    users: int = 4
    sabotage: str | None = None


@dataclass(slots=True)
class Report:
    """What was done and what came of it."""

    options: Options
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    folder: Path = Path()

    def as_json(self) -> dict[str, Any]:
        """Return the report for a machine."""
        return {
            "seed": self.options.seed,
            "seconds": self.options.seconds,
            "database": self.options.engine,
            "nodes": self.options.nodes,
            "faults": dict(self.faults),
            "counts": dict(self.counts),
            "violations": self.violations,
            "logs": str(self.folder),
        }


async def run(options: Options, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Run once."""
    report = Report(options, folder=folder)
    evidence = Evidence()
    async with open_scene(
        folder,
        engine=options.engine,
        nodes=options.nodes,
        seed=options.seed,
        sabotage=options.sabotage,
    ) as scene:
        tell("starting the nodes")
        async with _supervised(scene):
            if late := await scene.until_ready():
                raise RuntimeError(f"{', '.join(late)} did not start:\n{scene.nodes[0].process.output()}")
            await _authorize_all(scene)
            load = Load(scene, options.seed, report.counts)
            async with Callers(scene, options.seed, report.counts) as callers:
                tell(f"{options.seconds:.0f} seconds of faults")
                await _break(scene, load, callers, options, report.faults)
                tell("settling")
                await _settle(scene, evidence)
                tell("trying every account through every node")
                evidence.probes = await _probe(scene, load, callers)
                if len(scene.nodes) > 1:
                    tell("letting all nodes want the same token")
                    for pair in scene.pairs[:2]:
                        await _contest(scene, callers, pair, sound=options.sabotage is None)
        tell("judging")
        for node in scene.nodes:
            report.counts["node starts"] += node.starts
            node.process.kill()
        read_log(scene.emulator.emulator, {node.address: node.name for node in scene.nodes}, evidence)
        evidence.disturbances = scene.disturbances
        await scene.rows.read(evidence)
    verdict: Verdict = check(evidence)
    report.counts.update(verdict.counts)
    report.violations = verdict.violations
    return report


@contextlib.asynccontextmanager
async def _supervised(scene: Scene) -> AsyncIterator[None]:
    supervisor = asyncio.create_task(scene.supervise(), name="supervisor")
    try:
        yield
    finally:
        supervisor.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervisor


async def _authorize_all(scene: Scene) -> None:
    for platform in scene.platforms:
        await scene.act("ticket", platform=platform)
    for pair in scene.pairs:
        if pair[0] != "direct":
            await scene.authorize(pair, FUNC_IDS, wait=True)
    async with asyncio.timeout(60):
        wanted = sum(platform != "direct" for platform, _ in scene.pairs)
        while await scene.rows.count("authorizations", "state = 'active'") < wanted:  # noqa: ASYNC110 (comes true elsewhere)
            await asyncio.sleep(0.05)


async def _break(scene: Scene, load: Load, callers: Callers, options: Options, counts: Counter[str]) -> None:
    loads = [
        asyncio.create_task(load.run(options.users), name="users"),
        asyncio.create_task(callers.run(options.users), name="callers"),
    ]
    try:
        without = () if scene.postgres else ("database cut",)  # a file has no wire
        await inject(scene, plan(options.seed, options.seconds, without=without), counts)
    finally:
        for task in loads:
            task.cancel()
        for task in loads:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _settle(scene: Scene, evidence: Evidence) -> None:
    """Take all faults away, and wait until everybody is back and nothing is open."""
    scene.emulator.emulator.faults.remove()
    scene.front.blind = False
    for node in scene.nodes:
        for link in (node.wechat, node.database):
            if link is not None and link.wire is not Wire.OPEN:
                link.set(Wire.OPEN)
    evidence.troubles += [f"{name} did not come back" for name in await scene.until_ready()]
    for platform in scene.platforms:
        await scene.act("ticket", platform=platform)
    for pair in await _believed_gone(scene):
        # WeChat does not repeat this push: the merchant sees that nothing works, and authorises once more.
        await scene.authorize(pair, FUNC_IDS[:2], wait=True)
        await scene.authorize(pair, FUNC_IDS, wait=True)
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    moved = 0.0
    while open_work := await _open_work(scene):
        if asyncio.get_running_loop().time() > deadline or moved > RENEWAL_INTERVAL:
            evidence.troubles.append(f"work is not done {SETTLE_SECONDS:.0f} s after the faults: {open_work}")
            break
        await asyncio.sleep(1.0)
        scene.advance(STEP)
        moved += STEP


async def _believed_gone(scene: Scene) -> list[Key]:
    """Find the authorizations that were taken back, and given again in a push that did not reach us.

    Any other push that was lost has to be made up for by the gateway itself.
    """
    latest = {}
    for push in scene.emulator.emulator.pusher.log:
        if push.kind in MERCHANT_PUSHES:
            latest[push.receiver.sender, push.appid or ""] = push
    lost = [key for key, push in latest.items() if not any(each.outcome.well for each in push.attempts)]
    where = "platform = '{}' AND appid = '{}' AND state = 'revoked'"
    return [key for key in lost if await scene.rows.count("authorizations", where.format(*key))]


async def _open_work(scene: Scene) -> str:
    counts = {
        "exchanges": await scene.rows.count("exchanges", "state IN ('pending', 'exchanging')"),
        "events": await scene.rows.count("events", "state = 'handling'"),
        "pushes": sum(push.outcome == "waiting" for push in scene.emulator.emulator.pusher.log),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


async def _probe(scene: Scene, load: Load, callers: Callers) -> list[Probe]:
    """After every token has expired, let every account be used through every node."""
    scene.advance(RENEWAL_INTERVAL)
    for platform in scene.platforms:
        await scene.act("ticket", platform=platform)
    await asyncio.sleep(FOLLOWED_WITHIN + 1.5)  # from here on nothing excuses a token fetched twice
    await scene.rush(list(scene.openids))
    # The rows are looked at once more, so that what is tried is not only what each node fetched itself.
    await asyncio.sleep(RECHECK.total_seconds() + 0.2)
    probes = []
    for number, node in enumerate(scene.nodes):
        scene.front.only = number
        for appid in scene.openids:
            probes += await _probe_account(scene, load, node.name, appid)
        for pair in scene.pairs:
            trouble = await callers.call(pair, node)
            probes.append(Probe(node.name, pair, not trouble, trouble))
    scene.front.only = None
    return probes


async def _probe_account(scene: Scene, load: Load, node: str, appid: str) -> list[Probe]:
    """Write to an account: of the platforms it has authorised one answers, the others say `success`."""
    wanted = [pair for pair in scene.pairs if pair[1] == appid]
    outcomes: dict[str, str] = {}
    for _ in range(3):
        outcomes = await load.ask(appid)
        if sorted(outcomes.get(issuer, "no push") for issuer, _ in wanted) == _one_answer(len(wanted)):
            break
        await asyncio.sleep(0.5)
    replied = sum(outcomes.get(issuer) == "" for issuer, _ in wanted)
    fine = ("", "success") if replied == 1 else ()
    seen = {issuer: outcomes.get(issuer, "no push") for issuer, _ in wanted}
    return [
        Probe(node, pair, seen[pair[0]] in fine, f"{seen[pair[0]] or 'reply'}, {replied} replied")
        for pair in wanted
    ]


def _one_answer(parties: int) -> list[str]:
    return ["", *["success"] * (parties - 1)]


async def _contest(scene: Scene, callers: Callers, pair: Key, *, sound: bool) -> None:
    """Let all nodes want a new token of one account at the same time: only one of them may fetch it.

    What they say to WeChat is held meanwhile, so none can be done before the others have begun. Nodes that
    keep their promise never all ask, so these are waited for no longer than a moment.
    """
    token = await callers.find_refused(pair)
    for node in scene.nodes:
        node.wechat.set(Wire.HELD)
    wanting = [asyncio.create_task(callers.replace(pair, token, node)) for node in scene.nodes]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONTEST_SECONDS if sound else CONTEST_SECONDS_MOST):
            while not all(node.wechat.holds for node in scene.nodes):  # noqa: ASYNC110 (comes true elsewhere)
                await asyncio.sleep(0.02)
    for node in scene.nodes:
        node.wechat.set(Wire.OPEN)
    await asyncio.gather(*wanting)
