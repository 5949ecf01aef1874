"""Reception: a message is recorded, handled once, and every attempt of the same push gets the same answer.

    record ──fresh──────────────> handle ──commit the reply──> answer
       │                             ^
       └─duplicate── replied to ─────┼───────────────────────> answer as before
                └─── being handled ──┤ wait for it
                └─── holder died ────┘ take over

WeChat waits five seconds and asks three times. An attempt whose deadline comes before the reply is held
until WeChat hangs up and asks again, or is answered `success`, as the account's policy says and
`events/attempts.py` draws; what becomes of the reply then, `events/replying.py` says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from wxgate.clock import Clock
from wxgate.errors import StorageError
from wxgate.events.attempts import Attempt, Gone, Patience
from wxgate.events.customer_service import CustomerService
from wxgate.events.handling import LEASE, Handling, Handlings, ReceptionListener, Subject, render_to
from wxgate.events.planning import Planner
from wxgate.events.policies import NO_REPLY, Plan
from wxgate.events.ports import Answers, Inbox
from wxgate.events.records import Event, EventKind, EventState, Fanout, NewEvent, Recorded, ReplyState
from wxgate.events.replying import Turn
from wxgate.events.subscribers import FanoutOf
from wxgate.protocol.messages import Message
from wxgate.protocol.pushes import ComponentEvent
from wxgate.protocol.replies import Reply, Text
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.events")

DEATHS = 3
"""How many nodes may die over one event before it is left alone: the next would die as well."""

POLL_SECONDS = 0.1

SETTLED = Patience().settled
"""When WeChat's three attempts of five seconds are over, so that nobody will bring the message again."""

CLAIMS_KEPT = timedelta(days=1)
"""How long it is remembered which event of a message was replied to."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one attempt of WeChat's gets: a plain reply to seal, `success` for None, or nothing when held."""

    event_id: int
    fresh: bool
    reply: str | None = None
    held: bool = False


class Reception:
    """Sees every recorded message through to one answer."""

    def __init__(
        self,
        inbox: Inbox,
        answers: Answers,
        handlings: Handlings,
        planner: Planner,
        customer_service: CustomerService,
        clock: Clock,
        *,
        holder: str,
        patience: Patience,
        listener: ReceptionListener,
        fanout_of: FanoutOf = lambda new: (),
        queued: Callable[[], object] = lambda: None,
        heard: Callable[[], object] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._answers = answers
        self._handlings = handlings
        self._planner = planner
        self._customer_service = customer_service
        self._clock = clock
        self._holder = holder
        self._patience = patience
        self._listener = listener
        self._fanout_of = fanout_of
        self._queued = queued
        self._heard = heard

    async def answer(
        self, new: NewEvent, message: Message, *, gone: Gone | None = None, given: Reply | None = None
    ) -> Answered:
        """Record a message and see one attempt of WeChat's through; `gone` tells when it has hung up.

        When this returns, the message and the answer are durable. Raises where WeChat had better come again;
        a message that is recorded never leaves the user with WeChat's word that the account is out of order.
        `given` is the gateway's own reply, which takes the place of everybody else's.
        """
        attempt = Attempt(self._patience, new.received_at, gone)
        plan = await self._planner.plan(new)
        if given is not None:
            plan = plan.saying(given)
        recorded = await self._record(new, _with_replier(self._fanout_of(new), plan), plan.subscriber)
        if recorded.fresh:
            self._handlings.start(recorded.event, message, plan)
        try:
            reply = await self._attend(recorded.event, message, plan, attempt)
        except Exception as fault:
            if not self._is_last(recorded.event, attempt):
                raise
            # What is recorded is handled again by the sweep; nobody else would come for an answer now.
            log.error("event.not_attended", event_id=recorded.event.id, exception=trace_of(fault))
            reply = None
        finally:
            attempt.close()
        if reply is not None:
            way = "first_attempt" if recorded.event.arrivals == 1 else "later_attempt"
            self._listener.replied("default_text" if attempt.default else way)
        held = attempt.held and reply is None
        return Answered(recorded.event.id, recorded.fresh, reply, held)

    async def announce(
        self, new: NewEvent, subject: ComponentEvent, *, after: Callable[[], Awaitable[object]] | None = None
    ) -> Recorded:
        """Record a component-level event and start its handler, if any.

        The handler is called when `after` has returned.
        """
        recorded = await self._record(new, self._fanout_of(new))
        if recorded.fresh:
            self._handlings.start(recorded.event, subject, NO_REPLY, after=after)
        return recorded

    async def note(self, new: NewEvent, error: str) -> Recorded:
        """Record an event that is not to be handled, nor told to anybody in any way, and why."""
        return await self._record(replace(new, noted=True), remark=error)

    async def sweep(self, revive: Callable[[Event], Subject]) -> int:
        """Handle events whose node died and which WeChat will not bring again, and the gateway's own.

        No attempt is left to carry a reply, so it goes out as a customer-service message, if at all. Returns
        how many.
        """
        now = self._clock.now()
        count = 0
        for event in await self._inbox.abandoned(now=now):
            settled = event.kind is EventKind.GATEWAY or event.received_at + self._patience.settled <= now
            if not settled or self._handlings.get(event.id) is not None:
                continue
            claimed = await self._claim(event)
            if claimed is None:
                continue
            count += 1
            if not await self._is_deadly(claimed):
                if event.holder:
                    log.warning("event.handled_after_crash", event_id=event.id, appid=event.appid)
                plan = await self._plan_again(claimed)
                self._handlings.start(claimed, revive(claimed), plan)
        return count

    async def forget_claims(self) -> None:
        """Forget which events of old messages were replied to."""
        await self._answers.forget_claims(before=self._clock.now() - CLAIMS_KEPT)

    async def close(self) -> None:
        """Give handlers under way until the deadline; what is left is taken over at the next start."""
        await self._handlings.close(self._patience.deadline)
        await self._customer_service.close(self._patience.deadline)

    async def _record(
        self, new: NewEvent, fanout: Sequence[Fanout] = (), replier: str = "", *, remark: str = ""
    ) -> Recorded:
        until = self._clock.now() + LEASE
        recorded = await self._inbox.record(
            new, holder=self._holder, lease_until=until, fanout=fanout, replier=replier, remark=remark
        )
        if recorded.fresh:
            self._heard()
            if fanout:
                self._queued()
        return recorded

    async def _plan_again(self, event: Event) -> Plan:
        if event.kind in (EventKind.GATEWAY, EventKind.COMPONENT):
            return NO_REPLY
        return await self._planner.plan(event)

    async def _attend(self, event: Event, message: Message, plan: Plan, attempt: Attempt) -> str | None:
        """Wait with an attempt for the reply; None is `success`, or nothing for an attempt that is held."""
        while True:
            match event.reply_state:
                case ReplyState.CARRIED:
                    return event.reply
                case ReplyState.READY:
                    taken = await self._answers.advance(event.id, Turn.TAKE, now=self._clock.now())
                    event = await self._reload(event)
                    if taken is None and event.reply_state is ReplyState.READY:
                        return None
                case ReplyState.OPEN if event.state is EventState.HANDLING and plan.speaks:
                    if not attempt.over:
                        event = await self._wait(event, message, plan, attempt)
                    elif attempt.held:
                        return None
                    elif plan.hold and not self._is_last(event, attempt):
                        attempt.hold()
                    else:
                        event = await self._close(event, message, plan, attempt)
                case _:
                    return None

    def _is_last(self, event: Event, attempt: Attempt) -> bool:
        """Tell whether WeChat will not come again when this attempt is not answered.

        `arrivals` is what it was when this attempt arrived, or later: more than that would be the next one.
        """
        return self._patience.is_last(event.arrivals, attempt.at - event.received_at)

    async def _wait(self, event: Event, message: Message, plan: Plan, attempt: Attempt) -> Event:
        """Wait for what happens next to an event that is being handled, here or elsewhere."""
        if (handling := self._handlings.get(event.id)) is not None:
            return await self._wait_here(handling, event, attempt)
        if event.lease_until <= self._clock.now() and (claimed := await self._claim(event)) is not None:
            log.warning("event.taken_over", event_id=event.id, appid=event.appid)
            if await self._is_deadly(claimed):
                return await self._reload(event)
            handling = self._handlings.start(claimed, message, plan)
            return await self._wait_here(handling, claimed, attempt)
        await attempt.wait(most=POLL_SECONDS)
        return await self._reload(event)

    async def _wait_here(self, handling: Handling, event: Event, attempt: Attempt) -> Event:
        handling.waiting += 1
        try:
            await attempt.wait(handling.settled)
        finally:
            handling.waiting -= 1
        if handling.settling and not handling.settled.done():
            # It is being written that somebody carries the reply, and that is us.
            await asyncio.wait([handling.settled])
        if not handling.settled.done():
            return event
        became = handling.settled.result()
        if became is None:
            # Another node has the event now, or nobody: look from time to time.
            await attempt.wait(most=POLL_SECONDS)
        if became is None or became is ReplyState.DROPPED:
            return await self._reload(event)
        attempt.default = handling.default and became is ReplyState.CARRIED
        return replace(event, reply_state=became, reply=handling.reply)

    async def _close(self, event: Event, message: Message, plan: Plan, attempt: Attempt) -> Event:
        """At the last deadline say the default text, or nothing; return the event as it is then."""
        turn, reply = Turn.CLOSE, None
        if plan.default_text:
            turn = Turn.LATE if plan.mini_program else Turn.DEFAULT
            reply = render_to(message, Text(plan.default_text), self._clock)
        try:
            became = await self._answers.advance(
                event.id, turn, now=self._clock.now(), reply=reply, fallback=plan.fallback
            )
        except StorageError as trouble:
            # Unwritten, `success` is right all the same: the reply then waits for an attempt in vain.
            log.warning("event.not_closed", event_id=event.id, error=str(trouble))
            return replace(event, reply_state=ReplyState.CLOSED)
        attempt.default = reply is not None and became is ReplyState.CARRIED
        if became is ReplyState.CUSTOM:
            self._customer_service.start(event.id)
        if became is None or became is ReplyState.DROPPED:
            event = await self._reload(event)
            return (
                event
                if event.reply_state is not ReplyState.OPEN
                else replace(event, reply_state=became or ReplyState.CLOSED)
            )
        return replace(event, reply_state=became, reply=reply)

    async def _reload(self, event: Event) -> Event:
        """Load an event as it is now, but with the number of this attempt."""
        now = await self._inbox.load(event.id)
        return event if now is None else replace(now, arrivals=event.arrivals)

    async def _claim(self, event: Event) -> Event | None:
        now = self._clock.now()
        claimed = await self._inbox.claim(event.id, holder=self._holder, now=now, lease_until=now + LEASE)
        return None if claimed is None else replace(claimed, arrivals=event.arrivals)

    async def _is_deadly(self, event: Event) -> bool:
        """Give up an event that has ended every node that touched it."""
        if event.attempts <= DEATHS:
            return False
        log.error("event.given_up", event_id=event.id, appid=event.appid, attempts=event.attempts)
        await self._handlings.end(event, EventState.FAILED, "every node that handled this died over it")
        return True


def _with_replier(fanout: Sequence[Fanout], plan: Plan) -> Sequence[Fanout]:
    """Let this node send to the replier itself, whether its filter asks for the event or not."""
    if not plan.subscriber:
        return fanout
    others = [each for each in fanout if each.subscriber != plan.subscriber]
    own = next((each for each in fanout if each.subscriber == plan.subscriber), Fanout(plan.subscriber))
    return (*others, replace(own, held=True))
