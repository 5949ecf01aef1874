"""Takes WeChat's release test (全网发布检测) for a platform, ahead of handlers, and keeps a record.

A text is answered at once. A code is answered with nothing; what follows is a job of its own, durable
before the answer and bounded:

    exchange the code ──61009, 61010──> exchange the code of the last `authorized` push
            └──────────── token ───────────┴──> send the customer-service message with that token

Nothing of it touches custody: the accounts are WeChat's own, and are nobody's merchants.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import structlog

from wxgate.client.component import Granted
from wxgate.clock import Clock
from wxgate.errors import Busy, CodeRejected, GatewayError, UpstreamError, told
from wxgate.events.ports import ReleaseTests
from wxgate.events.records import NewEvent
from wxgate.events.release_remarks import Remark
from wxgate.events.release_test import (
    Question,
    ReleaseLine,
    ReleaseRun,
    ReleaseStep,
    recognise,
    runs,
    without_code,
)
from wxgate.protocol.messages import Message
from wxgate.protocol.official_tests import TEST_ACCOUNTS, api_answer
from wxgate.protocol.pushes import Authorized, ComponentEvent, Unauthorized
from wxgate.protocol.replies import Text, render
from wxgate.secret import HIDDEN, AccessToken, AuthorizationCode, trace_of

T = TypeVar("T")

log = structlog.get_logger("wxgate.release_test")

NOTE = "WeChat's release test (全网发布检测), answered ahead of handlers and subscribers"
"""What the record of such an event says."""

JOB_SECONDS = 30.0
"""How long the work after a code may take; WeChat's checker does not wait for ever either."""

LEASE = timedelta(seconds=60)
"""After how long another node may take a job over: longer than it may take."""

STALE = timedelta(minutes=10)
"""A job that has been left for so long is left alone: the checker has gone."""

CODE_LIVES = timedelta(hours=1)

PAUSES = (0.5, 1.5)
"""Seconds before a call that failed for passing reasons is made again."""

JOBS_AT_ONCE = 10
"""How many codes one node works on at the same time; others wait for their turn."""


class ReleaseListener(Protocol):
    """Hears how steps end, for metrics."""

    def release_step(self, platform: str, step: str, ok: bool) -> None:
        """Note the outcome of a step."""


@dataclass(frozen=True, slots=True)
class TicketNews:
    """How a platform's newest ticket stands."""

    good: bool
    remark: Remark


@dataclass(slots=True)
class _Transcript:
    """What was called after a code, with secrets hidden, and what there is to say about it."""

    code: AuthorizationCode
    lines: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def call(self, path: str, body: dict[str, Any], outcome: str) -> None:
        shown = json.dumps(body, ensure_ascii=False)
        self.lines.append(without_code(f"POST {path} {shown} -> {outcome}", self.code))

    def remark(self, code: str, **values: object) -> None:
        hidden = {name: without_code(str(value), self.code) for name, value in values.items()}
        self.remarks.append(Remark(code, hidden))


class ReleaseTesting:
    """Answers what WeChat's checker asks."""

    def __init__(
        self,
        store: ReleaseTests,
        *,
        exchange: Callable[[str, AuthorizationCode], Awaitable[Granted]],
        send: Callable[[AccessToken, dict[str, Any]], Awaitable[object]],
        ticket: Callable[[str], Awaitable[TicketNews]],
        listener: ReleaseListener,
        clock: Clock,
        enabled: bool = True,
    ) -> None:
        self._store = store
        self._exchange = exchange
        self._send = send
        self._ticket = ticket
        self._listener = listener
        self._clock = clock
        self._enabled = enabled
        self._turn = asyncio.Semaphore(JOBS_AT_ONCE)
        self._running: dict[int, asyncio.Task[None]] = {}

    def recognise(self, appid: str, message: Message) -> Question | None:
        """Tell what a message to one of WeChat's test accounts asks; None for everybody else's."""
        return recognise(appid, message) if self._enabled else None

    def concerns(self, event: ComponentEvent) -> bool:
        """Tell whether a component event is about one of WeChat's test accounts."""
        return self._enabled and isinstance(event, Authorized | Unauthorized) and event.appid in TEST_ACCOUNTS

    def cleaned(self, new: NewEvent, question: Question) -> NewEvent:
        """Take the code out of an event that is about to be recorded."""
        if question.code is None:
            return new
        fields = {
            name: without_code(value, question.code) if isinstance(value, str) else value
            for name, value in new.fields.items()
        }
        return replace(new, fields=fields, plain=None)

    async def note(self, event: ComponentEvent, new: NewEvent) -> None:
        """Keep a step that only had to be acknowledged; its code is kept as well, in case it is needed."""
        received = json.dumps(new.fields, ensure_ascii=False)
        line = ReleaseLine(
            platform=new.issuer,
            appid=new.appid,
            step=ReleaseStep.UNAUTHORIZED,
            at=new.received_at,
            ok=True,
            received=received,
            answered="success",
            remarks=(Remark("acknowledged"),),
            event_key=new.dedup_key,
        )
        if isinstance(event, Authorized):
            news = await self._ticket(new.issuer)
            ticket = replace(
                line, step=ReleaseStep.TICKET, ok=news.good, received="", answered="", remarks=(news.remark,)
            )
            await self._begin(ticket)
            line = replace(line, step=ReleaseStep.AUTHORIZED, code=event.code)
        # Of several authorizations only the last one's code can still be of use, after its end none.
        await self._store.drop_codes(new.issuer, new.appid)
        await self._begin(line)

    async def answer(self, question: Question, new: NewEvent, message: Message) -> str | None:
        """Return the plain reply to a question, None for an empty answer; what has to follow is durable."""
        now = self._clock.now()
        line = ReleaseLine(
            platform=new.issuer,
            appid=new.appid,
            step=question.step,
            at=new.received_at,
            ok=True,
            received=json.dumps(self.cleaned(new, question).fields, ensure_ascii=False),
            answered=question.text,
            remarks=(Remark("answered"),),
            event_key=new.dedup_key,
            openid=message.openid,
        )
        if question.code is None:
            await self._begin(line)
            return render(
                Text(question.text),
                to_user=message.openid,
                from_user=message.account,
                created_at=int(now.timestamp()),
            )
        job = replace(
            line, ok=None, answered="", remarks=(Remark("under_way"),), code=question.code, due_at=now + LEASE
        )
        if (begun := await self._begin(job)) is not None:
            self._start(begun)
        return None

    async def runs(self, platform: str | None = None) -> list[ReleaseRun]:
        """List the runs that are kept, the newest first."""
        return runs(await self._store.find_lines(platform))

    async def sweep(self) -> int:
        """Take over jobs whose node died, unless that was long ago; return how many."""
        now, count = self._clock.now(), 0
        for line_id in await self._store.due_lines(now=now):
            if line_id in self._running:
                continue
            line = await self._store.claim(line_id, now=now, due_at=now + LEASE)
            if line is None:
                continue
            if line.code is None or line.at < now - STALE:
                await self._store.finish(line, ok=False, answered="(empty)", remarks=(Remark("abandoned"),))
                self._tell(line, ok=False)
                continue
            log.warning("release_test.taken_over", platform=line.platform, appid=line.appid)
            self._start(line)
            count += 1
        return count

    async def close(self) -> None:
        """Give jobs under way a moment; what is left is taken over by another node, or at the next start."""
        running = list(self._running.values())
        if running:
            _, pending = await asyncio.wait(running, timeout=JOB_SECONDS / 10)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until every job under way has ended."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _begin(self, line: ReleaseLine) -> ReleaseLine | None:
        begun = await self._store.begin(line)
        if begun is not None and begun.ok is not None:
            self._tell(begun, begun.ok)
        return begun

    def _tell(self, line: ReleaseLine, ok: bool) -> None:
        self._listener.release_step(line.platform, line.step, ok)
        level = log.info if ok else log.warning
        level("release_test.step", platform=line.platform, appid=line.appid, step=line.step, ok=ok)

    def _start(self, line: ReleaseLine) -> None:
        task = self._running[line.id] = asyncio.create_task(self._work(line), name=f"release test {line.id}")
        task.add_done_callback(lambda _: self._running.pop(line.id, None))

    async def _work(self, line: ReleaseLine) -> None:
        assert line.code is not None
        transcript = _Transcript(line.code)
        try:
            async with self._turn, asyncio.timeout(JOB_SECONDS):
                token = await self._token(line, transcript)
                ok = token is not None and await self._write(line, token, transcript)
        except TimeoutError:
            ok = False
            transcript.remark("too_long", seconds=round(JOB_SECONDS))
        except asyncio.CancelledError:
            raise  # We are being stopped; the job is taken over.
        except Exception as error:
            ok = False
            transcript.remark("unexpected", error=f"{type(error).__name__}: {error}")
            trace = trace_of(error)
            log.exception("release_test.failed", platform=line.platform, exc_info=False, exception=trace)
        answered = "\n".join(("(empty)", *transcript.lines))
        try:
            if await self._store.finish(line, ok=ok, answered=answered, remarks=transcript.remarks):
                self._tell(line, ok)
        except GatewayError as error:
            log.error("release_test.not_recorded", platform=line.platform, **told(error))

    async def _token(self, line: ReleaseLine, transcript: _Transcript) -> AccessToken | None:
        """Exchange the message's code; where WeChat refuses it, that of the last `authorized` push."""
        code = transcript.code
        try:
            return await self._try_code(line, code, "message", transcript)
        except CodeRejected:
            other = await self._store.newest_code(line.platform, line.appid, since=line.at - CODE_LIVES)
        if other is None or other == code:
            transcript.remark("no_other_code")
            return None
        try:
            return await self._try_code(line, other, "authorized", transcript)
        except CodeRejected:
            return None

    async def _try_code(
        self, line: ReleaseLine, code: AuthorizationCode, origin: str, transcript: _Transcript
    ) -> AccessToken | None:
        """Exchange one code; raises CodeRejected."""
        body = {"component_appid": line.platform, "authorization_code": HIDDEN}
        path = "/cgi-bin/component/api_query_auth"
        try:
            # Asked again when the answer was lost: a code that is spent by then leads to the other one.
            granted = await _patiently(lambda: self._exchange(line.platform, code), although_sent=True)
        except CodeRejected as refused:
            transcript.call(path, body, f"{refused.errcode} {refused.errmsg}")
            transcript.remark("code_refused", origin=origin, errcode=refused.errcode)
            raise
        except GatewayError as error:
            transcript.call(path, body, str(error))
            transcript.remark("not_exchanged", origin=origin, error=error)
            return None
        if granted.access is None:
            transcript.call(path, body, "no authorizer_access_token")
            transcript.remark("no_token", origin=origin)
            return None
        transcript.call(path, body, f"authorizer_access_token {HIDDEN}")
        transcript.remark("exchanged", origin=origin)
        return granted.access.value

    async def _write(self, line: ReleaseLine, token: AccessToken, transcript: _Transcript) -> bool:
        text = api_answer(transcript.code.reveal())
        body = {"touser": line.openid, "msgtype": "text", "text": {"content": text}}
        path = "/cgi-bin/message/custom/send"
        try:
            await _patiently(lambda: self._send(token, body))
        except GatewayError as error:
            transcript.call(path, body, str(error))
            transcript.remark("not_sent", error=error)
            return False
        transcript.call(path, body, "errcode 0")
        transcript.remark("sent")
        return True


async def _patiently(call: Callable[[], Awaitable[T]], *, although_sent: bool = False) -> T:
    """Make a call again where it did nothing, or where that does no harm, and may well work the next time."""
    for pause in PAUSES:
        try:
            return await call()
        except (Busy, UpstreamError) as trouble:
            if isinstance(trouble, UpstreamError) and trouble.sent and not although_sent:
                raise
            await asyncio.sleep(pause)
    return await call()
