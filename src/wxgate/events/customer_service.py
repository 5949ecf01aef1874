"""Late replies as customer-service messages: sent once at most, whatever dies on the way.

A message is `sending` in the record before WeChat is called. Whoever finds it so after the sender's death
cannot know whether it arrived, and does not send it again. What certainly did not arrive, because WeChat
could not be called or was busy, goes back to wait for another try.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

import structlog

from wxgate.clock import Clock
from wxgate.errors import Busy, GatewayError, InvalidReply, RateLimited, UpstreamError
from wxgate.events.policies import Plan
from wxgate.events.ports import Answers, Inbox
from wxgate.events.records import Event, NewEvent, ReplyState
from wxgate.events.replying import Turn
from wxgate.protocol.custom_messages import custom_message
from wxgate.protocol.replies import parse_reply
from wxgate.secret import hide, trace_of

log = structlog.get_logger("wxgate.events")

SEND_SECONDS = 45.0
"""How long one message may take, with the renewal of a token on the way."""

SENDING_LEASE = timedelta(seconds=60)
"""When whoever is sending is believed dead."""

OLDEST = timedelta(hours=1)
"""How old a message may be and still be replied to; after a long outage nobody waits for it."""

SHORTEST_PAUSE = timedelta(seconds=5)

TRIED_FOR = timedelta(minutes=10)
"""How old a message may be for its reply to be tried once more."""

MINUTE_QUOTA = 45011

SENT = "the reply went out as a customer-service message"
TOO_OLD = "the reply was not sent: the message it answers is more than an hour old"
NOT_SENT = "the reply was not taken as a customer-service message"
UNKNOWN = "whether the customer-service message with the reply arrived is not known, so it is not sent again"

SendCustom: TypeAlias = Callable[[str, str, Mapping[str, Any]], Awaitable[object]]
"""Sends a customer-service message through an issuer for an account."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a message was not sent, in words; `passing` where it certainly was not, and may be in a while."""

    words: str
    passing: bool = False


class CustomListener(Protocol):
    """Hears what became of replies, for metrics."""

    def replied(self, way: str) -> None:
        """Note the way a reply took."""


class CustomerService:
    """Sends the replies that no attempt of WeChat's has carried."""

    def __init__(
        self,
        inbox: Inbox,
        answers: Answers,
        clock: Clock,
        *,
        send: SendCustom,
        plan_of: Callable[[NewEvent], Awaitable[Plan]],
        settled: timedelta,
        listener: CustomListener,
    ) -> None:
        self._inbox = inbox
        self._answers = answers
        self._clock = clock
        self._send = send
        self._plan_of = plan_of
        self._settled = settled
        self._listener = listener
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, event_id: int, *, found_until: datetime | None = None) -> None:
        """Begin to send the reply to an event that is to go this way.

        A sweep says until when what it found was put off: another node may have tried since.
        """
        if event_id in self._tasks:
            return
        work = self._deliver_quietly(event_id, found_until)
        task = asyncio.create_task(work, name=f"customer service {event_id}")
        self._tasks[event_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(event_id, None))

    async def sweep(self) -> int:
        """See to replies nobody came for and to what dead nodes left; return how many were found."""
        now = self._clock.now()
        found = await self._answers.unsent(now=now, received_before=now - self._settled)
        for event in found:
            if event.id not in self._tasks:
                await self._see_to(event)
        return len(found)

    async def close(self, seconds: float) -> None:
        """Give messages on their way so many seconds; the rest is taken up, or given up, by another node."""
        tasks = list(self._tasks.values())
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _see_to(self, event: Event) -> None:
        if event.reply_state is ReplyState.SENDING:
            if await self._advance(event.id, Turn.REFUSED, remark=UNKNOWN) is not None:
                self._listener.replied("custom_message_failed")
            return
        if event.reply_state is ReplyState.READY:
            plan = await self._plan_of(event)
            await self._answers.advance(event.id, Turn.LEAVE, now=self._clock.now(), fallback=plan.fallback)
        self.start(event.id, found_until=event.lease_until)

    async def _deliver_quietly(self, event_id: int, found_until: datetime | None) -> None:
        try:
            await self._deliver(event_id, found_until)
        except Exception as fault:  # noqa: BLE001 - what is recorded decides; the sweep sees to it again
            log.error("reply.delivery_interrupted", event_id=event_id, exception=trace_of(fault))

    async def _deliver(self, event_id: int, found_until: datetime | None) -> None:
        event = await self._inbox.load(event_id)
        if event is not None and self._clock.now() - event.received_at > OLDEST:
            await self._advance(event_id, Turn.EXPIRE, remark=TOO_OLD)
            return
        if event is None or event.reply is None:
            return
        plan = await self._plan_of(event)
        until = self._clock.now() + SENDING_LEASE
        sending = await self._advance(event_id, Turn.SEND, lease_until=until, found_until=found_until)
        if sending is not ReplyState.SENDING:
            return
        trouble = await self._try(event, event.reply, plan.mini_program)
        if trouble is None:
            await self._advance(event_id, Turn.ARRIVED, remark=SENT)
            self._listener.replied("custom_message")
            log.info("reply.sent_as_custom_message", event_id=event_id, appid=event.appid)
            return
        error, now = hide(trouble.words), self._clock.now()
        pause = pause_after(now - event.received_at) if trouble.passing else None
        if pause is not None:
            await self._advance(event_id, Turn.AGAIN, lease_until=now + pause)
            log.info("reply.put_off", event_id=event_id, appid=event.appid, error=error)
            return
        await self._advance(event_id, Turn.REFUSED, remark=error)
        self._listener.replied("custom_message_failed")
        log.warning("reply.not_sent", event_id=event_id, appid=event.appid, error=error)

    async def _try(self, event: Event, reply: str, mini_program: bool) -> Trouble | None:
        """Send a reply; return what went wrong."""
        try:
            message = custom_message(parse_reply(reply).reply, event.openid, mini_program=mini_program)
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(event.issuer, event.appid, message)
        except InvalidReply as fault:
            return Trouble(f"{NOT_SENT}: {fault}")
        except (TimeoutError, UpstreamError) as fault:
            if isinstance(fault, UpstreamError) and not fault.sent:
                return Trouble(f"{NOT_SENT}: {fault}", passing=True)
            return Trouble(f"{UNKNOWN} ({type(fault).__name__}: {fault})")
        except RateLimited as fault:
            return Trouble(f"{NOT_SENT}: {fault}", passing=fault.errcode == MINUTE_QUOTA)
        except GatewayError as fault:
            return Trouble(f"{NOT_SENT}: {fault}", passing=isinstance(fault, Busy))
        return None

    async def _advance(self, event_id: int, turn: Turn, **how: Any) -> ReplyState | None:
        return await self._answers.advance(event_id, turn, now=self._clock.now(), **how)


def pause_after(age: timedelta) -> timedelta | None:
    """Say how long to wait when a try came to nothing, None to give up.

    A pause is as long as the message is old, so that tries are few, on whatever node, and none are counted.
    """
    return max(age, SHORTEST_PAUSE) if age < TRIED_FOR else None
