"""What the emulator sends: every push sealed, tried, judged and logged.

WeChat waits five seconds, tries a message three times, and takes `success` or nothing for "received".
Anything it cannot use makes the user see an apology (接收普通消息, 被动回复用户消息).
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
from yarl import URL

from wxgate.emulator.faults import Action, Fault, Faults
from wxgate.emulator.outcomes import Outcome as Outcome  # noqa: PLC0414 - whoever reads a push needs it
from wxgate.emulator.outcomes import judge
from wxgate.emulator.world import World
from wxgate.errors import GatewayError
from wxgate.protocol.envelope import Format, PushKeys, seal_push
from wxgate.protocol.replies import ParsedReply

MARK_FAIL_PAUSE = 60.0  # MarkFail: no pushes for one minute
MAX_REPLY = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Attempt:
    """One try and what came back; `url` and `sent` are what went out, which the log does not show."""

    at: float
    outcome: Outcome = Outcome.WAITING
    status: int | None = None
    body: str = ""
    reply_plain: str | None = None
    problem: str | None = None
    ms: float = 0.0
    url: str = ""
    sent: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the attempt as the log shows it."""
        unseen = ("url", "sent")
        return {name: getattr(self, name) for name in Attempt.__slots__ if name not in unseen}


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a push goes and how it is sealed; `sender` is the platform's appid, or `direct`."""

    url: str
    keys: PushKeys
    sender: str
    element: tuple[str, str]
    format: Format = Format.XML
    openid: str | None = None


@dataclass(slots=True)
class Push:
    """One push and everything that became of it.

    `message` names what all its receivers were told of; `shown` says that the user saw this reply.
    """

    n: int
    id: str
    at: float
    kind: str
    receiver: Receiver
    plain: str
    attempts_allowed: int
    appid: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome = Outcome.WAITING
    reply: ParsedReply | None = None
    fault: str | None = None
    message: str | None = None
    shown: bool = False

    @property
    def of_component(self) -> bool:
        """Tell whether this is a component event rather than a message."""
        return self.receiver.element[0] == "AppId"

    @property
    def reply_plain(self) -> str:
        """Return the reply that was accepted, "" when there is none."""
        accepted = (each.reply_plain for each in self.attempts if each.outcome is Outcome.REPLY)
        return next(accepted, None) or ""

    def as_json(self) -> dict[str, Any]:
        """Return the push as the log shows it."""
        return {
            "n": self.n,
            "id": self.id,
            "at": self.at,
            "kind": self.kind,
            "url": self.receiver.url,
            "platform": None if self.receiver.sender == "direct" else self.receiver.sender,
            "appid": self.appid,
            "plain": self.plain,
            "attempts": [each.as_json() for each in self.attempts],
            "outcome": self.outcome,
            "fault": self.fault,
            "message": self.message,
            "shown": self.shown,
        }


class Pusher:
    """Sends pushes over HTTP and keeps the log of them."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world, self._faults = world, faults
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.clear()

    def clear(self) -> None:
        """Forget the log and everything that is still under way."""
        for task in list(self._tasks):
            task.cancel()
        self.log: list[Push] = []
        self._numbers = count(1)
        self._failures: dict[str, int] = {}
        self._quiet_until: dict[str, float] = {}
        self._held: dict[str, asyncio.Event] = {}

    async def close(self) -> None:
        """Stop everything under way and close the connections."""
        tasks = list(self._tasks)
        self.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()
            self._session = None

    def make(self, kind: str, receiver: Receiver, plain: str, **options: Any) -> Push:
        """Enter a push into the log, to be delivered."""
        n = next(self._numbers)
        world = self._world
        component = receiver.element[0] == "AppId"
        allowed = world.switches.component_attempts if component else world.switches.message_attempts
        push = Push(n, f"push-{n}", world.clock.now(), kind, receiver, plain, allowed, **options)
        self.log.append(push)
        return push

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a delivery beside the caller; it ends with the emulator at the latest."""
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            _log.error("a delivery failed", exc_info=problem)

    async def deliver(self, push: Push) -> Push:
        """Send a push until it is received, given up or lost to a fault."""
        world = self._world
        url = push.receiver.url
        if world.clock.now() < self._quiet_until.get(url, 0.0):
            push.outcome = Outcome.MARKED_FAILED
            return push
        if fault := self._faults.for_push(push.kind):
            push.fault = fault.id
            if fault.action is Action.LOSE:
                push.outcome = Outcome.LOST
                return push
            await self._disturb(fault, push)
        await self._try_all(push)
        self._count_failures(url, push.outcome)
        if fault and fault.action is Action.DUPLICATE:
            outcome = push.outcome
            await self._try_all(push)
            push.outcome = outcome
        elif held := self._held.pop(url, None):
            held.set()
        return push

    async def _disturb(self, fault: Fault, push: Push) -> None:
        if fault.action is Action.DELAY:
            with suppress(TimeoutError):
                await asyncio.wait_for(fault.released.wait(), fault.seconds)
        elif fault.action is Action.OUT_OF_ORDER:
            # Held back until the next push to the same place is through, or the fault is withdrawn.
            overtaken = self._held[push.receiver.url] = asyncio.Event()
            waits = [asyncio.ensure_future(each.wait()) for each in (overtaken, fault.released)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _try_all(self, push: Push) -> None:
        switches = self._world.switches
        for number in range(push.attempts_allowed):
            if number and switches.retry_pause:
                await asyncio.sleep(switches.retry_pause)
            attempt = Attempt(self._world.clock.now())
            push.attempts.append(attempt)
            await self._try(push, attempt)
            push.outcome = attempt.outcome
            retried = {Outcome.TIMEOUT, Outcome.CONNECT_ERROR}
            if switches.retry_bad_status:
                retried.add(Outcome.BAD_STATUS)
            if attempt.outcome not in retried:
                return

    async def _try(self, push: Push, attempt: Attempt) -> None:
        started = time.perf_counter()
        try:
            keys, url, body = self._seal(push)
            attempt.url, attempt.sent = url, body.decode("utf-8", "replace")
            attempt.status, raw = await self._post(url, push.receiver.format, body)
            attempt.body = raw.decode("utf-8", "replace")
            self._judge(push, attempt, keys, raw)
        except TimeoutError:
            attempt.outcome, attempt.problem = Outcome.TIMEOUT, "no answer in time"
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            attempt.outcome, attempt.problem = Outcome.CONNECT_ERROR, f"{type(problem).__name__}: {problem}"
        except GatewayError as problem:
            attempt.outcome, attempt.problem = Outcome.UNSEALABLE, str(problem)
        attempt.ms = round((time.perf_counter() - started) * 1000, 2)

    def _seal(self, push: Push) -> tuple[PushKeys, str, bytes]:
        """Seal one attempt: fresh timestamp, nonce and random each time; `overrides` spoil it for a test."""
        world, overrides, receiver = self._world, push.overrides, push.receiver
        keys = receiver.keys
        if {"token", "aes_key", "tail_appid"} & overrides.keys():
            token = overrides.get("token", keys.tokens[0])
            ciphers = (
                PushKeys.make("", [], [overrides["aes_key"]]).ciphers
                if "aes_key" in overrides
                else keys.ciphers
            )
            appid = overrides.get("tail_appid", keys.appid)
            keys = PushKeys(appid, PushKeys.make("", [token], []).tokens, ciphers, keys.mode, keys.format)
        query, body = seal_push(
            keys,
            push.plain.encode(),
            timestamp=int(overrides.get("timestamp", world.clock.seconds())),
            nonce=str(overrides.get("nonce") or world.wire_values.nonce()),
            random=world.wire_values.seal_random(),
            receiver=receiver.element,
            openid=receiver.openid,
            format=receiver.format,
        )
        query, body = tamper(query, body, overrides.get("tamper") or {})
        return keys, f"{receiver.url}{'&' if '?' in receiver.url else '?'}{query}", body

    async def _post(self, url: str, format: Format, body: bytes) -> tuple[int, bytes]:
        kind = "application/json" if format is Format.JSON else self._world.switches.push_content_type
        return await self._request("POST", url, data=body, headers={"Content-Type": kind})

    async def get(self, url: str) -> tuple[int, str]:
        """Fetch a URL as WeChat does when it verifies one."""
        status, body = await self._request("GET", url)
        return status, body.decode("utf-8", "replace")

    async def _request(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        if self._session is None:
            # A connection for each push: none is kept that a restarted server would not know.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        async with (
            asyncio.timeout(self._world.switches.push_timeout),
            self._session.request(method, URL(url, encoded=True), allow_redirects=False, **options) as answer,
        ):
            return answer.status, await answer.content.read(MAX_REPLY)

    def _judge(self, push: Push, attempt: Attempt, keys: PushKeys, raw: bytes) -> None:
        receiver = push.receiver
        judged = judge(keys, receiver.element, receiver.openid, attempt.status, raw)
        attempt.outcome, attempt.problem, attempt.reply_plain = judged.outcome, judged.problem, judged.plain
        push.reply = judged.reply or push.reply

    def _count_failures(self, url: str, outcome: Outcome) -> None:
        world = self._world
        self._failures[url] = 0 if outcome.well else self._failures.get(url, 0) + 1
        limit = world.switches.mark_fail_after
        if limit is not None and self._failures[url] >= limit:
            self._failures[url] = 0
            self._quiet_until[url] = world.clock.now() + MARK_FAIL_PAUSE


def tamper(query: str, body: bytes, wanted: Mapping[str, Any]) -> tuple[str, bytes]:
    """Spoil a push: `drop` or `set` query parameters; `body` instead, `append`, `truncate` or `flip` it."""
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&"))
    for name in wanted.get("drop", ()):
        pairs.pop(name, None)
    pairs |= {name: str(value) for name, value in wanted.get("set", {}).items()}
    if "body" in wanted:
        body = str(wanted["body"]).encode()
    if "flip" in wanted:
        at = int(wanted["flip"]) % len(body)
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    if "truncate" in wanted:
        body = body[: int(wanted["truncate"])]
    return "&".join(f"{name}={value}" for name, value in pairs.items()), body + wanted.get(
        "append", ""
    ).encode()
