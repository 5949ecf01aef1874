"""Handling: an event is given to whoever handles it, and what the replier says becomes its one reply.

Where the handlers reply, the reply and the end of the event are one commit. Where somebody else does, the
handlers run beside as observers: the reply is committed first, so that nobody's slowness delays it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError, InvalidReply, ReplierFailed
from wxgate.events.attempts import Patience
from wxgate.events.handlers import Handlers, Registered, call_handler
from wxgate.events.notices import Notice
from wxgate.events.policies import Plan
from wxgate.events.ports import Inbox
from wxgate.events.records import Event, EventState, NewEvent, ReplyState
from wxgate.events.replying import Replier, Turn
from wxgate.events.replymaker import ReplyMaker
from wxgate.events.teaching import Teacher, subject_names
from wxgate.protocol.messages import Message
from wxgate.protocol.pushes import ComponentEvent
from wxgate.protocol.replies import Reply, Text, TransferCustomerService, check, from_handler, render
from wxgate.secret import hide, trace_of

log = structlog.get_logger("wxgate.events")

LEASE = timedelta(seconds=6)
"""How long a handler's node is believed to be alive: just over the five seconds WeChat waits."""

HANDLER_LIMIT = 300.0
"""Seconds after which a handler is stopped; far past any reply, it only frees what it holds."""

REPLIER_LIMIT = 60.0
"""Seconds an application may take over a reply that can still go out as a customer-service message."""

Subject: TypeAlias = Message | ComponentEvent | Notice
"""What a handler is called with; only a message is replied to."""

ReplierOf: TypeAlias = Callable[[str], Replier | None]
"""Finds who replies by a subscriber's id; None when there is no such subscriber to ask."""


class ReceptionListener(Protocol):
    """Hears how messages end, for metrics."""

    def handled(self, event: NewEvent | Event, outcome: str, seconds: float) -> None:
        """Note an outcome: reply, kept, custom_message, not_sent, silent, failed or invalid_reply."""

    def replied(self, way: str) -> None:
        """Note the way a reply took: first_attempt, later_attempt, default_text, custom_message and so on."""


OUTCOMES: Mapping[ReplyState, str] = {
    ReplyState.CARRIED: "reply",
    ReplyState.READY: "kept",
    ReplyState.CUSTOM: "custom_message",
    ReplyState.DROPPED: "not_sent",
}
"""The word under which a reply is counted, by what became of it."""


@dataclass(slots=True, eq=False)
class Handling:
    """An event being handled here.

    `waiting` counts the attempts of WeChat's that wait for the reply. Once `settled`, that is what became of
    the reply; `settling` says that it is being committed, so that who waits had better wait on, and `default`
    that the reply is the default text.
    """

    event: Event
    subject: Subject
    plan: Plan
    after: Callable[[], Awaitable[object]] | None
    settled: "asyncio.Future[ReplyState | None]"
    waiting: int = 0
    settling: bool = False
    reply: str | None = None
    default: bool = False
    task: "asyncio.Task[None]" = field(init=False)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said to an event; `reply` is rendered, `passive` whether an attempt can carry it.

    `default` is the default text in the place of what nobody said.
    """

    reply: str | None = None
    state: EventState = EventState.DONE
    error: str = ""
    outcome: str = "silent"
    passive: bool = True
    default: bool = False


class Handlings:
    """Everything that is being handled on this node."""

    def __init__(
        self,
        inbox: Inbox,
        handlers: Handlers,
        clock: Clock,
        *,
        holder: str,
        patience: Patience,
        listener: ReceptionListener,
        context: Callable[[str, str], Mapping[str, Any]],
        replier_of: ReplierOf,
        on_custom: Callable[[int], None],
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._teacher = Teacher(handlers)
        self._clock = clock
        self._holder = holder
        self._patience = patience
        self._listener = listener
        self._context = context
        self._replier_of = replier_of
        self._on_custom = on_custom
        self._running: dict[int, Handling] = {}

    def get(self, event_id: int) -> Handling | None:
        """Return an event that is being handled here."""
        return self._running.get(event_id)

    def start(
        self,
        event: Event,
        subject: Subject,
        plan: Plan,
        *,
        after: Callable[[], Awaitable[object]] | None = None,
    ) -> Handling:
        """Begin to handle an event; its handler is called when `after` has returned."""
        settled = asyncio.get_running_loop().create_future()
        handling = self._running[event.id] = Handling(event, subject, plan, after, settled)
        handling.task = asyncio.create_task(self._handle(handling), name=f"event {event.id}")
        handling.task.add_done_callback(partial(self._ended, handling))
        return handling

    async def end(self, event: Event, state: EventState, error: str) -> None:
        """Write that an event is over without anybody having been called."""
        await self._inbox.finish(
            event.id, holder=self._holder, state=state, reply=None, error=error, now=self._clock.now()
        )

    def count(self) -> int:
        """Count what is being handled here."""
        return len(self._running)

    async def close(self, seconds: float) -> None:
        """Give handlers so many seconds; what is left is taken over at the next start."""
        running = [handling.task for handling in self._running.values()]
        if running:
            _, pending = await asyncio.wait(running, timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _ended(self, handling: Handling, task: "asyncio.Task[None]") -> None:
        self._running.pop(handling.event.id, None)
        fault = None if task.cancelled() else task.exception()
        # First of all, whoever waits; a log may fail.
        if not handling.settled.done():
            if fault is not None and handling.waiting:
                handling.settled.set_exception(fault)
            else:
                handling.settled.set_result(None)
        if fault is not None:
            # The event is open in the record, and is taken over when the lease has ended.
            log.error("event.interrupted", event_id=handling.event.id, exception=trace_of(fault))

    async def _handle(self, handling: Handling) -> None:
        plan, event = handling.plan, handling.event
        began = asyncio.get_running_loop().time()
        registered = None
        if plan.handled:
            registered = self._handlers.find(subject_names(handling.subject), event.appid)
            if registered is None and plan.given is None:
                self._teacher.unhandled(handling.subject, event.appid)
        works = registered is not None or plan.subscriber
        renewing = asyncio.create_task(self._keep_lease(event)) if works else None
        try:
            if registered is None:
                said = await self._ask(handling)
            elif plan.handlers:
                said = self._or_default(await self._call(registered, handling), handling)
            else:
                said = await self._ask_beside(registered, handling)
        finally:
            if renewing is not None:
                renewing.cancel()
        became = await self._commit(handling, said, said.state)
        if became is not None:
            outcome = OUTCOMES.get(became, "reply") if said.outcome == "reply" else said.outcome
            self._listener.handled(event, outcome, asyncio.get_running_loop().time() - began)

    async def _ask_beside(self, registered: Registered, handling: Handling) -> Said:
        """Call a handler that does not reply, while whoever does is asked."""
        observing = asyncio.create_task(self._call(registered, handling))
        try:
            said = await self._ask(handling)
            if handling.plan.speaks:
                await self._commit(handling, said, EventState.HANDLING)
            seen = await observing
        finally:
            observing.cancel()
        remark = handling.plan.remark if seen.reply is not None else ""
        state = EventState.FAILED if EventState.FAILED in (said.state, seen.state) else EventState.DONE
        outcome = seen.outcome if seen.state is EventState.FAILED or said.reply is None else said.outcome
        if outcome == "reply" and said.reply is None:
            outcome = "silent"
        return Said(state=state, error="; ".join(filter(None, (seen.error, remark))), outcome=outcome)

    async def _ask(self, handling: Handling) -> Said:
        """Ask whoever replies, where it is not the handlers."""
        plan, message = handling.plan, handling.subject
        if not plan.handled:
            return Said(error=plan.remark)
        if not isinstance(message, Message):
            return Said()
        if plan.given is not None:
            return self._say(plan.given, handling, message)
        if plan.transfer:
            return self._say(TransferCustomerService(), handling, message)
        if plan.subscriber and handling.event.reply_state in (ReplyState.OPEN, ReplyState.CLOSED):
            return self._or_default(await self._ask_subscriber(handling, message), handling)
        return self._or_default(Said(), handling) if plan.default_text and not plan.handlers else Said()

    async def _ask_subscriber(self, handling: Handling, message: Message) -> Said:
        plan, event = handling.plan, handling.event
        seconds = self._patience.deadline
        if plan.hold:
            seconds = self._patience.settled.total_seconds()
        if plan.fallback:
            seconds = REPLIER_LIMIT
        try:
            replier = self._replier_of(plan.subscriber)
            if replier is None:
                raise ReplierFailed(
                    f"{plan.subscriber} is to reply, but cannot be asked: is it removed or paused?"
                )
            async with asyncio.timeout(seconds):
                return self._say(await replier.reply(event, seconds), handling, message)
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - it is recorded
            return self._failed(fault, event, asked=True)

    async def _call(self, registered: Registered, handling: Handling) -> Said:
        """Call a handler; what it returns is its reply to a message."""
        event, subject = handling.event, handling.subject
        limit: asyncio.Timeout | None = None
        try:
            context = self._context(event.issuer, event.appid)
            arguments = {
                **context,
                "message": subject,
                "event": event,
                "reply": ReplyMaker(subject, context.get("account")),
            }
            if handling.after is not None:
                with contextlib.suppress(GatewayError):  # the handler is called all the same, only sooner
                    await handling.after()
            async with asyncio.timeout(HANDLER_LIMIT) as limit:
                value = await call_handler(registered, arguments)
            if not isinstance(subject, Message):
                return Said()
            return self._say(from_handler(value), handling, subject)
        except (Exception, SystemExit, asyncio.CancelledError) as fault:  # noqa: BLE001 - it is recorded
            if isinstance(fault, TimeoutError) and limit is not None and limit.expired():
                fault = TimeoutError(f"the handler took more than {HANDLER_LIMIT:g} s")
            return self._failed(fault, event)

    def _failed(self, fault: BaseException, event: Event, *, asked: bool = False) -> Said:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise fault  # It is us who are being stopped; the event is taken over later.
        if isinstance(fault, InvalidReply):
            log.error("reply.invalid", event_id=event.id, appid=event.appid, error=str(fault))
            return Said(state=EventState.FAILED, error=str(fault), outcome="invalid_reply")
        if asked:
            log.error("replier.failed", event_id=event.id, appid=event.appid, exception=trace_of(fault))
        else:
            log.error("handler.failed", event_id=event.id, appid=event.appid, exception=trace_of(fault))
        error = str(fault) if isinstance(fault, ReplierFailed) else f"{type(fault).__name__}: {fault}"
        return Said(state=EventState.FAILED, error=error, outcome="failed")

    def _say(self, reply: Reply | None, handling: Handling, message: Message) -> Said:
        if reply is None:
            return Said()
        check(reply)
        return Said(
            render_to(message, reply, self._clock),
            outcome="reply",
            # A mini program's users see no passive reply but the hand-over.
            passive=not handling.plan.mini_program or isinstance(reply, TransferCustomerService),
        )

    def _or_default(self, said: Said, handling: Handling) -> Said:
        """Put the default text in the place of what failed, or of what nobody was asked for."""
        plan, message = handling.plan, handling.subject
        asked = plan.handlers or plan.subscriber
        if (
            not plan.default_text
            or not isinstance(message, Message)
            or (asked and said.state is not EventState.FAILED)
        ):
            return said
        text = self._say(Text(plan.default_text), handling, message)
        outcome = said.outcome if asked else "reply"
        return replace(text, state=said.state, error=said.error, outcome=outcome, default=True)

    async def _commit(self, handling: Handling, said: Said, state: EventState) -> ReplyState | None:
        """Write what was said, and tell those who wait for it what became of it."""
        event = handling.event
        handling.settling = True
        became = await self._inbox.finish(
            event.id,
            holder=self._holder,
            state=state,
            reply=said.reply,
            error=hide(said.error),
            now=self._clock.now(),
            turn=self._turn(handling, said),
            fallback=handling.plan.fallback,
        )
        if not handling.settled.done():
            handling.reply, handling.default = said.reply, said.default
            handling.settled.set_result(became)
        if became is ReplyState.CUSTOM:
            self._on_custom(event.id)
        return became

    def _turn(self, handling: Handling, said: Said) -> Turn:
        if said.reply is None:
            return Turn.NOTHING
        if not said.passive:
            return Turn.LATE
        if handling.waiting:
            return Turn.CARRY
        expected = self._clock.now() < handling.event.received_at + self._patience.settled
        return Turn.KEEP if expected else Turn.LATE

    async def _keep_lease(self, event: Event) -> None:
        """Say again and again that this node lives, while its handler runs."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 2)
            try:
                await self._inbox.extend(event.id, holder=self._holder, lease_until=self._clock.now() + LEASE)
            except GatewayError as error:
                log.warning("event.lease_not_extended", event_id=event.id, error=str(error))


def render_to(message: Message, reply: Reply, clock: Clock) -> str:
    """Write a reply to a message, from its account to its user."""
    return render(
        reply,
        to_user=message.openid,
        from_user=message.account,
        created_at=int(clock.now().timestamp()),
    )
