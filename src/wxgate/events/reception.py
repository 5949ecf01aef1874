"""Reception: a message is recorded, handled once, and every attempt of the same push gets the same answer.

    record ──fresh──────────────> handle ──commit the reply──> answer
       │                             ^
       └─duplicate── done ───────────┼───────────────────────> answer as before
                └─── being handled ──┤ wait for it
                └─── holder died ────┘ take over

WeChat waits five seconds and asks three times. A handler that outlives the deadline is answered `success`;
it runs on, and what it returns is kept in the record as too late.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError, InvalidReply
from wxgate.events.handlers import Handlers, call_handler
from wxgate.events.notices import Notice
from wxgate.events.ports import Inbox
from wxgate.events.records import Event, EventKind, EventState, Fanout, NewEvent, Recorded
from wxgate.events.replying import Turn
from wxgate.events.replymaker import ReplyMaker
from wxgate.events.subscribers import FanoutOf
from wxgate.events.teaching import Teacher, subject_names
from wxgate.protocol.messages import Message
from wxgate.protocol.pushes import ComponentEvent
from wxgate.protocol.replies import check, from_handler, render
from wxgate.secret import hide, trace_of

log = structlog.get_logger("wxgate.events")

LEASE = timedelta(seconds=6)
"""How long a handler's node is believed to be alive: just over the five seconds WeChat waits."""

HANDLER_LIMIT = 300.0
"""Seconds after which a handler is stopped; far past any reply, it only frees what it holds."""

ATTEMPTS = 3
"""How many nodes may die over one event before it is left alone: the next would die as well."""

POLL_SECONDS = 0.1

SETTLED = timedelta(seconds=20)
"""When WeChat's three attempts of five seconds are over, so that nobody will bring the message again."""


Subject: TypeAlias = Message | ComponentEvent | Notice
"""What a handler is called with; only a message is replied to."""


class ReceptionListener(Protocol):
    """Hears how messages end, for metrics."""

    def handled(self, event: NewEvent | Event, outcome: str, seconds: float) -> None:
        """Note an outcome: reply, silent, too_late, failed or invalid_reply."""


@dataclass(slots=True)
class _Handling:
    """A handler under way.

    It is called when `after` has returned. `too_late` is set when nobody waits for its reply any more,
    `replying` when the reply is being committed: so what is recorded as a reply is what was sent.
    """

    too_late: bool = False
    after: Callable[[], Awaitable[object]] | None = None
    replying: bool = False
    task: asyncio.Task[str | None] = field(init=False)


class Reception:
    """Sees every recorded message through to one answer."""

    def __init__(
        self,
        inbox: Inbox,
        handlers: Handlers,
        clock: Clock,
        *,
        holder: str,
        deadline: float,
        listener: ReceptionListener,
        context: Callable[[str, str], Mapping[str, Any]],
        fanout_of: FanoutOf = lambda new: (),
        queued: Callable[[], object] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._teacher = Teacher(handlers)
        self._clock = clock
        self._holder = holder
        self._deadline = deadline
        self._listener = listener
        self._context = context
        self._fanout_of = fanout_of
        self._queued = queued
        self._running: dict[int, _Handling] = {}

    async def answer(self, new: NewEvent, message: Message) -> str | None:
        """Record a message and return the plain reply to seal, or None for `success`.

        When this returns, the message and the answer are durable.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._deadline
        recorded = await self._record(new, self._fanout_of(new))
        event = recorded.event
        if recorded.fresh:
            return await self._in_time(self._start(event, message), end)
        while event.state is EventState.HANDLING and (left := end - loop.time()) > 0:
            if (handling := self._running.get(event.id)) is not None:
                return await self._in_time(handling, end)
            now = self._clock.now()
            if event.lease_until <= now:
                claimed = await self._inbox.claim(
                    event.id, holder=self._holder, now=now, lease_until=now + LEASE
                )
                if claimed is not None:
                    log.warning("event.taken_over", event_id=event.id, appid=event.appid)
                    if await self._is_deadly(claimed):
                        return None
                    return await self._in_time(self._start(claimed, message), end)
            await asyncio.sleep(min(POLL_SECONDS, left))
            event = await self._inbox.load(event.id) or event
        return event.reply

    async def announce(
        self, new: NewEvent, subject: ComponentEvent, *, after: Callable[[], Awaitable[object]] | None = None
    ) -> bool:
        """Record a component-level event and start its handler, if any; return whether it was new.

        The handler is called when `after` has returned.
        """
        recorded = await self._record(new, self._fanout_of(new))
        if recorded.fresh:
            self._start(recorded.event, subject, after=after)
        return recorded.fresh

    async def note(self, new: NewEvent, error: str) -> bool:
        """Record an event that is not to be handled or delivered, and why; return whether it was new."""
        recorded = await self._record(new)
        if recorded.fresh:
            await self._finish(recorded.event, EventState.DONE, None, error)
        return recorded.fresh

    async def sweep(self, revive: Callable[[Event], Subject]) -> int:
        """Handle events whose node died and which WeChat will not bring again, and the gateway's own.

        There is nobody left to reply to, so a reply is kept in the record as too late. Returns how many.
        """
        now = self._clock.now()
        count = 0
        for event in await self._inbox.abandoned(now=now):
            settled = event.kind is EventKind.GATEWAY or event.received_at + SETTLED <= now
            if not settled or event.id in self._running:
                continue
            claimed = await self._inbox.claim(event.id, holder=self._holder, now=now, lease_until=now + LEASE)
            if claimed is None:
                continue
            count += 1
            if not await self._is_deadly(claimed):
                if event.holder:
                    log.warning("event.handled_after_crash", event_id=event.id, appid=event.appid)
                self._start(claimed, revive(claimed), too_late=True)
        return count

    async def close(self) -> None:
        """Give handlers under way until the deadline; what is left is taken over at the next start."""
        running = [handling.task for handling in self._running.values()]
        if running:
            _, pending = await asyncio.wait(running, timeout=self._deadline)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _record(self, new: NewEvent, fanout: Sequence[Fanout] = ()) -> Recorded:
        until = self._clock.now() + LEASE
        recorded = await self._inbox.record(new, holder=self._holder, lease_until=until, fanout=fanout)
        if fanout and recorded.fresh:
            self._queued()
        return recorded

    def _start(
        self,
        event: Event,
        subject: Subject,
        *,
        too_late: bool = False,
        after: Callable[[], Awaitable[object]] | None = None,
    ) -> _Handling:
        handling = self._running[event.id] = _Handling(too_late, after)
        handling.task = asyncio.create_task(self._handle(event, subject, handling), name=f"event {event.id}")
        handling.task.add_done_callback(partial(self._ended, event.id))
        return handling

    def _ended(self, event_id: int, task: asyncio.Task[str | None]) -> None:
        self._running.pop(event_id, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            # The event is open in the record, and is taken over when the lease has ended.
            log.error("event.interrupted", event_id=event_id, exception=trace_of(fault))

    async def _in_time(self, handling: _Handling, end: float) -> str | None:
        """Wait for a handler until the deadline; a slow one runs on and WeChat gets `success`."""
        task = handling.task
        await asyncio.wait([task], timeout=max(0.0, end - asyncio.get_running_loop().time()))
        if not task.done() and not handling.replying:
            handling.too_late = True
            return None
        await asyncio.wait([task])
        return task.result()

    async def _handle(self, event: Event, subject: Subject, handling: _Handling) -> str | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        registered = self._handlers.find(subject_names(subject), event.appid)
        reply, state, error, outcome = None, EventState.DONE, "", "silent"
        if registered is None:
            self._teacher.unhandled(subject, event.appid)
        else:
            renewing = asyncio.create_task(self._keep_lease(event))
            try:
                arguments = {
                    **self._context(event.issuer, event.appid),
                    "message": subject,
                    "event": event,
                    "reply": ReplyMaker(),
                }
                if handling.after is not None:
                    with contextlib.suppress(GatewayError):  # the handler is called all the same, only sooner
                        await handling.after()
                async with asyncio.timeout(HANDLER_LIMIT):
                    reply = self._render(await call_handler(registered, arguments), subject)
                outcome = "reply" if reply is not None else "silent"
            except InvalidReply as fault:
                state, error, outcome = EventState.FAILED, str(fault), "invalid_reply"
                log.error("reply.invalid", event_id=event.id, appid=event.appid, error=error)
            except (Exception, SystemExit, asyncio.CancelledError) as fault:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise  # It is us who are being stopped; the event is taken over later.
                state, error, outcome = EventState.FAILED, f"{type(fault).__name__}: {fault}", "failed"
                trace = trace_of(fault)
                log.error("handler.failed", event_id=event.id, appid=event.appid, exception=trace)
            finally:
                renewing.cancel()
        if reply is not None and handling.too_late:
            error, outcome, reply = "the reply came after the deadline and was not sent", "too_late", None
            log.warning("reply.too_late", event_id=event.id, appid=event.appid, seconds=loop.time() - began)
        handling.replying = reply is not None
        if not await self._finish(event, state, reply, error):
            return None  # Somebody else holds the event by now, and answers.
        self._listener.handled(event, outcome, loop.time() - began)
        return reply

    async def _is_deadly(self, event: Event) -> bool:
        """Give up an event that has ended every node that touched it."""
        if event.attempts <= ATTEMPTS:
            return False
        log.error("event.given_up", event_id=event.id, appid=event.appid, attempts=event.attempts)
        await self._finish(event, EventState.FAILED, None, "every node that handled this died over it")
        return True

    async def _finish(self, event: Event, state: EventState, reply: str | None, error: str) -> bool:
        ended = await self._inbox.finish(
            event.id,
            holder=self._holder,
            state=state,
            reply=reply,
            error=hide(error),
            now=self._clock.now(),
            turn=Turn.CARRY if reply is not None else Turn.NOTHING,
        )
        return ended is not None

    async def _keep_lease(self, event: Event) -> None:
        """Say again and again that this node lives, while its handler runs."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 2)
            try:
                await self._inbox.extend(event.id, holder=self._holder, lease_until=self._clock.now() + LEASE)
            except GatewayError as error:
                log.warning("event.lease_not_extended", event_id=event.id, error=str(error))

    def _render(self, value: Any, subject: Subject) -> str | None:
        reply = from_handler(value) if isinstance(subject, Message) else None
        if reply is None or not isinstance(subject, Message):
            return None
        check(reply)
        return render(
            reply,
            to_user=subject.openid,
            from_user=subject.account,
            created_at=int(self._clock.now().timestamp()),
        )
