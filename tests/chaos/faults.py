"""The faults: what may go wrong, how often, and how it is done to a scene.

The plan of a run follows from its seed alone. How the nodes come through it depends on the machine, so the
same seed repeats the plan and not each interleaving.
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from tests.chaos.links import Link, Wire
from tests.chaos.scene import FOLLOWED_WITHIN, Member, Scene
from wxgate.emulator.world.tokens import Origin

FUNC_IDS = [1, 2, 3, 4, 11, 15]
"""What merchants grant; 1 and 2 are what a message and the call it sets off need."""

API_PATHS = (
    "/cgi-bin/component/api_authorizer_token",
    "/cgi-bin/component/api_component_token",
    "/cgi-bin/component/api_query_auth",
    "/cgi-bin/component/api_get_authorizer_info",
    "/cgi-bin/stable_token",
    "/cgi-bin/user/info",
)

PUSH_KINDS = ("ticket", "message", "event", "authorized", "updateauthorized", "unauthorized")

GIVEN_UP_WITHIN = 12.0
"""Seconds until a node must have given up what hangs on a connection that was forgotten."""

BETWEEN_SECONDS = (0.2, 1.3)
"""The pause between two faults of a plan."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is to go wrong at a moment of the run."""

    at: float
    kind: str
    number: int
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)


Injector: TypeAlias = Callable[["Injection"], Awaitable[None]]


@dataclass(slots=True)
class Injection:
    """A fault, and the scene it is done to."""

    scene: Scene
    fault: Fault

    @property
    def node(self) -> Member:
        """The node it strikes."""
        return self.scene.nodes[self.fault.number % len(self.scene.nodes)]

    @property
    def platform(self) -> str:
        """The platform it strikes."""
        return self.scene.platforms[self.fault.number % len(self.scene.platforms)]

    @property
    def pair(self) -> tuple[str, str]:
        """The authorization it strikes."""
        pairs = [pair for pair in self.scene.pairs if pair[0] != "direct"]
        return pairs[self.fault.number % len(pairs)]


async def kill(injection: Injection) -> None:
    """Kill a node; its supervisor starts it again a little later."""
    node = injection.node
    async with node.lock:
        with injection.scene.disturbing("kill", node):
            node.wanted = False
            await asyncio.to_thread(node.process.kill)
            await asyncio.sleep(injection.fault.seconds / 4)
            node.wanted = True


async def pause(injection: Injection) -> None:
    """Stop a node and let it go on, in half of the cases after its leases have ended."""
    node, scene = injection.node, injection.scene
    async with node.lock:
        with scene.disturbing("pause", node):
            node.process.pause()
            try:
                await asyncio.sleep(injection.fault.seconds / 3)
                if injection.fault.details["overslept"]:
                    scene.advance(20)
                    await asyncio.sleep(injection.fault.seconds / 3)
            finally:
                node.process.resume()


async def database_restart(injection: Injection) -> None:
    """Stop the database at once and start it again; with SQLite, hold its write lock meanwhile."""
    scene = injection.scene
    async with scene.database_lock:
        with scene.disturbing("database"):
            if scene.postgres is None:
                assert scene.database_file is not None
                await _hold_lock(str(scene.database_file), injection.fault.seconds / 2)
            else:
                await asyncio.to_thread(scene.postgres.stop)
                try:
                    await asyncio.sleep(injection.fault.seconds / 4)
                finally:
                    await asyncio.to_thread(scene.postgres.start)


async def _hold_lock(path: str, seconds: float) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        await asyncio.sleep(0)
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(seconds)
    finally:
        connection.close()


async def database_cut(injection: Injection) -> None:
    """Cut, silence or slow a node's wire to the database."""
    if injection.node.database is not None:
        await _break(injection, "database", injection.node.database)


async def wechat_cut(injection: Injection) -> None:
    """Cut, silence or slow a node's wire to WeChat."""
    await _break(injection, "wechat", injection.node.wechat)


async def _break(injection: Injection, what: str, link: Link) -> None:
    if injection.fault.details["wire"] == "forgotten":
        with injection.scene.disturbing(f"{what} forgotten", injection.node):
            link.forget()
            # What hangs on a forgotten connection is given up after a while.
            await asyncio.sleep(GIVEN_UP_WITHIN)
        return
    wire = Wire(injection.fault.details["wire"])
    with injection.scene.disturbing(f"{what} {wire}", injection.node):
        link.set(wire)
        try:
            await asyncio.sleep(injection.fault.seconds)
        finally:
            link.set(Wire.OPEN)


async def api_fault(injection: Injection) -> None:
    """Let some calls of one path go wrong."""
    faults, details = injection.scene.emulator.emulator.faults, injection.fault.details
    fault = faults.add({"path": details["path"], "times": details["times"], **details["strike"]})
    await asyncio.sleep(injection.fault.seconds)
    faults.remove(fault.id)


async def push_fault(injection: Injection) -> None:
    """Lose, double, delay or reorder a push."""
    faults, details = injection.scene.emulator.emulator.faults, injection.fault.details
    fault = faults.add({"push": details["push"], "action": details["action"], "seconds": 1.0, "times": 1})
    await asyncio.sleep(injection.fault.seconds)
    faults.remove(fault.id)


async def blind_front(injection: Injection) -> None:
    """Let the load balancer send pushes to the dead as well."""
    injection.scene.front.blind = True
    await asyncio.sleep(injection.fault.seconds)
    injection.scene.front.blind = False


async def invalidate(injection: Injection) -> None:
    """End the tokens of an account, or of a platform, before their time, as WeChat sometimes does."""
    world = injection.scene.emulator.world
    if injection.fault.details["component"]:
        world.tokens.expire(appid=injection.platform, origin=Origin.COMPONENT)
    else:
        world.tokens.expire(appid=injection.pair[1], origin=Origin.AUTHORIZER)


async def reauthorize(injection: Injection) -> None:
    """Let a merchant authorise again with other permission sets, which makes a new refresh token."""
    sets = [*FUNC_IDS[:2], *injection.fault.details["sets"]]
    await injection.scene.authorize(injection.pair, sets)


async def rejoin(injection: Injection) -> None:
    """Let a merchant take the authorization back and give it again."""
    scene, (platform, appid) = injection.scene, injection.pair
    if scene.emulator.world.authorizations.get(platform, appid) is None:
        return
    await scene.act("unauthorize", platform=platform, appid=appid, wait=False)
    try:
        await asyncio.sleep(2.5)  # WeChat tells the moment of an event in whole seconds
    finally:
        sets = [*FUNC_IDS[:2], *injection.fault.details["sets"]]
        await scene.authorize(injection.pair, sets)


async def clock(injection: Injection) -> None:
    """Move every clock forward; when all nodes have noticed, let many want the quiet accounts' tokens."""
    scene = injection.scene
    scene.advance(injection.fault.details["advance"])
    await asyncio.sleep(FOLLOWED_WITHIN + 1.5)
    await scene.rush(scene.quiet)


async def late_tickets(injection: Injection) -> None:
    """Stop a platform's tickets, and let an hour go by without one."""
    platform = injection.scene.emulator.world.platforms[injection.platform]
    platform.pushing = False
    try:
        injection.scene.advance(3700)
        await asyncio.sleep(injection.fault.seconds)
    finally:
        platform.pushing = True
        injection.scene.emulator.emulator.schedule.wake()


KINDS: Mapping[str, tuple[Injector, int]] = {
    "kill": (kill, 10),
    "pause": (pause, 8),
    "database restart": (database_restart, 4),
    "database cut": (database_cut, 8),
    "wechat cut": (wechat_cut, 8),
    "api fault": (api_fault, 20),
    "push fault": (push_fault, 12),
    "blind front": (blind_front, 5),
    "invalidated token": (invalidate, 12),
    "re-authorization": (reauthorize, 10),
    "authorization taken back and given again": (rejoin, 5),
    "clock": (clock, 8),
    "late tickets": (late_tickets, 3),
}
"""Each kind of fault, how it is done, and how often it comes beside the others."""

STRIKES: Sequence[Mapping[str, Any]] = (
    {"action": "hang", "stage": "before"},
    {"action": "hang", "stage": "after"},
    {"action": "cut", "stage": "before"},
    {"action": "cut", "stage": "after"},
    {"action": "cut", "stage": "middle"},
    {"action": "delay", "stage": "before", "seconds": 0.7},
    {"action": "delay", "stage": "after", "seconds": 0.7},
    {"action": "status", "stage": "before", "status": 502},
    {"action": "errcode", "stage": "before", "errcode": -1},
    {"action": "errcode", "stage": "before", "errcode": 45009},
)


def plan(seed: int, seconds: float, *, without: Collection[str] = ()) -> list[Fault]:
    """Draw the faults of a run from its seed."""
    random = Random(seed)
    names = [name for name in KINDS if name not in without]
    weights = [KINDS[name][1] for name in names]
    # Each kind once, so that a short run has seen them all; then by weight.
    first = random.sample(names, len(names))
    faults: list[Fault] = []
    at = random.uniform(*BETWEEN_SECONDS)
    while at < seconds:
        kind = first.pop() if first else random.choices(names, weights)[0]
        number, lasting = random.randrange(1000), random.uniform(0.4, 4.0)
        faults.append(Fault(at, kind, number, lasting, _details(kind, random)))
        at += random.uniform(*BETWEEN_SECONDS)
    return faults


def _details(kind: str, random: Random) -> Mapping[str, Any]:
    # The same number of draws for every kind would keep plans alike, but nobody needs that.
    match kind:
        case "pause":
            return {"overslept": random.random() < 0.5}
        case "database cut" | "wechat cut":
            return {"wire": random.choice(["cut", "silent", "slow", "forgotten"])}
        case "api fault":
            strike = random.choice(STRIKES)
            return {"path": random.choice(API_PATHS), "times": random.choice([1, 1, 2, 5]), "strike": strike}
        case "push fault":
            action = random.choice(["lose", "duplicate", "delay", "out_of_order"])
            return {"push": random.choice(PUSH_KINDS), "action": action}
        case "invalidated token":
            return {"component": random.random() < 0.3}
        case "re-authorization" | "authorization taken back and given again":
            return {"sets": sorted(random.sample(FUNC_IDS[2:], random.randrange(4)))}
        case "clock":
            return {"advance": random.choice([20, 600, 6700, 7300, 15_000])}
        case _:
            return {}


async def inject(scene: Scene, faults: Sequence[Fault], counts: Counter[str]) -> None:
    """Do what the plan says, when it says so; return when the last fault is over."""
    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - asyncio.get_running_loop().time()))
            counts[fault.kind] += 1
            group.create_task(_inject(Injection(scene, fault)), name=fault.kind)


async def _inject(injection: Injection) -> None:
    await KINDS[injection.fault.kind][0](injection)
