"""Delivery: what is queued for subscribers is claimed, sent and finished, by any node and many at a time.

    due ──claim──> sending ──2xx──────────────> delivered
     ^                │├───410 or paused──────> waits, and the subscriber is paused
     └──not_before────┴┴──anything else, or nothing──> again by the schedule, at the end dead

A node that dies leaves claims whose leases end, and another node sends again: at least once. Each subscriber
has a lane of its own; one that is slow or failing gets two places from a part that the quick ones do not
use, so that it delays nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from wxgate.clock import Clock
from wxgate.errors import ConfigError, GatewayError, InvalidReply, Undeliverable
from wxgate.events.forms import RANDOM_BYTES, make_posting, read_reply
from wxgate.events.ports import Deliveries, EventLog, Subscribers
from wxgate.events.records import Delivery, DeliveryState, Event, Form, Sent, Subscriber
from wxgate.events.schedule import FAILURES, next_attempt, open_for, read_retry_after
from wxgate.events.sending import Answered, Poster
from wxgate.events.subscribing import refusal_of
from wxgate.secret import hide, trace_of

log = structlog.get_logger("wxgate.delivery")

SEND_SECONDS = 10.0
"""How long one attempt may take, from the name lookup to the end of the answer."""

LEASE = timedelta(seconds=30)
"""How long a claim holds: well over the time an attempt and the writing of its outcome may take."""

HEADROOM = timedelta(seconds=SEND_SECONDS + 5)
"""What has to be left of a lease for an attempt to begin; what waited too long is claimed anew."""

SUCCESS_EVERY = timedelta(minutes=1)
"""How often it is written down that a subscriber that had no trouble takes what it gets."""

GATHER_SECONDS = 0.005
"""How long more is waited for before the queue is looked into again."""

POLL_SECONDS = 1.0
"""How often the queue is looked into when nobody has said that there is something new."""

QUICK_SECONDS = 1.0
"""A subscriber that takes longer to answer is slow."""

QUICK_PLACES = 16
SLOW_PLACES = 2
"""How many deliveries of one subscriber are in the air at once, by what it is like."""


class DeliveryListener(Protocol):
    """Hears how deliveries end, for metrics."""

    def sent(self, subscriber: str, outcome: str, seconds: float) -> None:
        """Note an attempt: delivered, failed, dead or gone."""


@dataclass(slots=True)
class _Lane:
    """What this node does for one subscriber.

    `again` is set when something came while the lane was looking, `slow` when the last answer was or failed,
    `failed` when a failure was counted since the last success was.
    """

    task: asyncio.Task[None] | None = None
    again: bool = False
    slow: bool = False
    failed: bool = False
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    noted_at: datetime | None = None
    in_air: set[asyncio.Task[None]] = field(default_factory=set)


class Deliverer:
    """Delivers for one node."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        subscribers: Subscribers,
        events: EventLog,
        poster: Poster,
        clock: Clock,
        holder: str,
        at_once: int,
        listener: DeliveryListener,
        random: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        on_change: Callable[[], Awaitable[object]],
    ) -> None:
        self._deliveries = deliveries
        self._subscribers = subscribers
        self._events = events
        self._poster = poster
        self._clock = clock
        self._holder = holder
        self._listener = listener
        self._random = random
        self._random_bytes = random_bytes
        self._on_change = on_change
        self._quick = asyncio.Semaphore(at_once)
        self._slow = asyncio.Semaphore(max(SLOW_PLACES, at_once // 2))
        self._lanes: dict[str, _Lane] = {}
        self._kicked = asyncio.Event()
        self._closing = False

    def kick(self) -> None:
        """Say that something was queued, so that it goes out at once."""
        self._kicked.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.exception("delivery.look_failed", exc_info=False, exception=trace_of(error))
                await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._kicked.wait(), POLL_SECONDS)
            self._kicked.clear()
            await asyncio.sleep(GATHER_SECONDS)

    async def look(self) -> None:
        """Begin to deliver what is due; returns before it is delivered."""
        for subscriber_id in await self._deliveries.due(now=self._clock.now()):
            if self._closing:
                return
            lane = self._lanes.setdefault(subscriber_id, _Lane())
            if lane.task is not None and not lane.task.done():
                lane.again = True
                continue
            lane.task = asyncio.create_task(self._work(subscriber_id, lane), name=f"lane {subscriber_id}")

    async def drain(self) -> None:
        """Wait until what is under way has been sent."""
        while tasks := [
            lane.task for lane in self._lanes.values() if lane.task is not None and not lane.task.done()
        ]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Give back what is in the air after a short wait; another node sends it again."""
        self._closing = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        flying = [task for lane in self._lanes.values() for task in lane.in_air]
        if flying:
            await asyncio.wait(flying, timeout=QUICK_SECONDS)
        for task in [*tasks, *flying]:
            task.cancel()
        await asyncio.gather(*tasks, *flying, return_exceptions=True)

    async def _work(self, subscriber_id: str, lane: _Lane) -> None:
        """Claim and send for one subscriber until nothing is due."""
        try:
            while not self._closing:
                lane.again = False
                subscriber = await self._subscribers.load(subscriber_id)
                if subscriber is None or subscriber.paused:
                    return
                claimed = await self._claim(subscriber, lane)
                if claimed:
                    await self._launch(subscriber, lane, claimed)
                elif lane.in_air:
                    await asyncio.wait(lane.in_air, return_when=asyncio.FIRST_COMPLETED)
                elif not lane.again:
                    return
        except GatewayError as error:
            log.warning("delivery.interrupted", subscriber=subscriber_id, error=str(error))
        finally:
            if lane.in_air and not self._closing:
                await asyncio.wait(lane.in_air)

    async def _claim(self, subscriber: Subscriber, lane: _Lane) -> Sequence[Delivery]:
        now = self._clock.now()
        if subscriber.open_until is not None and subscriber.open_until > now:
            return ()
        trial = subscriber.failures >= FAILURES
        places = 1 if trial else SLOW_PLACES if lane.slow else QUICK_PLACES
        free = places - len(lane.in_air)
        if free <= 0:
            return ()
        return await self._deliveries.claim(
            subscriber.id, holder=self._holder, now=now, lease_until=now + LEASE, limit=free
        )

    async def _launch(self, subscriber: Subscriber, lane: _Lane, claimed: Sequence[Delivery]) -> None:
        events = {
            event.id: event for event in await self._events.load_many([one.event_id for one in claimed])
        }
        for delivery in claimed:
            event = events.get(delivery.event_id)
            coming = self._deliver(subscriber, delivery, event, lane)
            task = asyncio.create_task(coming, name=f"delivery {delivery.id}")
            lane.in_air.add(task)
            task.add_done_callback(lane.in_air.discard)

    async def _deliver(
        self, subscriber: Subscriber, delivery: Delivery, event: Event | None, lane: _Lane
    ) -> None:
        try:
            if event is None:
                # It was forgotten, or its time to be kept is over.
                gone = Sent(DeliveryState.SKIPPED, None, "the event is no longer there")
                await self._deliveries.finish(delivery, gone, now=self._clock.now())
                return
            async with self._place(lane):
                if delivery.lease_until is None or delivery.lease_until > self._clock.now() + HEADROOM:
                    await self._attempt(subscriber, delivery, event, lane)
        except asyncio.CancelledError:
            stopped = Sent(DeliveryState.PENDING, None, "the node was stopped", self._clock.now())
            with contextlib.suppress(GatewayError):
                await self._deliveries.finish(delivery, stopped, now=self._clock.now())
            raise
        except GatewayError as error:
            # The lease ends, and it is sent again.
            log.warning("delivery.not_finished", subscriber=subscriber.name, error=str(error))
        except Exception as error:
            log.exception("delivery.failed", exc_info=False, exception=trace_of(error))

    @contextlib.asynccontextmanager
    async def _place(self, lane: _Lane) -> AsyncIterator[None]:
        """Take a place among those in the air; a quick one is given back when the answer takes long."""
        places = self._slow if lane.slow else self._quick
        await places.acquire()
        returned = False

        def give_back() -> None:
            nonlocal returned
            if not returned:
                returned = True
                places.release()

        overdue = asyncio.get_running_loop().call_later(QUICK_SECONDS, give_back)
        try:
            yield
        finally:
            overdue.cancel()
            give_back()

    async def _attempt(self, subscriber: Subscriber, delivery: Delivery, event: Event, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answered = await self._send(subscriber, delivery, event)
        except (Undeliverable, ConfigError) as error:
            status, error_text, retry_after = None, str(error), ""
        else:
            status, retry_after = answered.status, answered.retry_after
            error_text = "" if answered.accepted else refusal_of(answered)
        seconds = loop.time() - began
        lane.slow = bool(error_text) or seconds > QUICK_SECONDS
        if not error_text:
            await self._took(subscriber, delivery, event, answered, lane)
            outcome = "delivered"
        elif status == 410:
            await self._gone(subscriber, delivery, error_text)
            outcome = "gone"
        else:
            outcome = await self._refused(subscriber, delivery, status, error_text, retry_after)
            lane.failed = True
            async with lane.counting:
                await self._count_failure(subscriber, hide(error_text))
        self._listener.sent(subscriber.name, outcome, seconds)

    async def _send(self, subscriber: Subscriber, delivery: Delivery, event: Event) -> Answered:
        posting = make_posting(
            subscriber,
            event,
            now=self._clock.now(),
            random=self._random_bytes(RANDOM_BYTES),
            replay=delivery.replays > 0,
        )
        return await self._poster.post(posting, seconds=SEND_SECONDS)

    async def _took(
        self, subscriber: Subscriber, delivery: Delivery, event: Event, answered: Answered, lane: _Lane
    ) -> None:
        """Finish a delivery; what an SDK server answers besides is told, not held against it."""
        now = self._clock.now()
        note = _note(subscriber, event, answered) if subscriber.form is Form.WECHAT else ""
        sent = Sent(DeliveryState.DELIVERED, answered.status, note)
        await self._deliveries.finish(delivery, sent, now=now)
        if (
            subscriber.failures
            or lane.failed
            or lane.noted_at is None
            or now >= lane.noted_at + SUCCESS_EVERY
        ):
            lane.noted_at, lane.failed = now, False
            await self._subscribers.note_success(subscriber.id, now=now)

    async def _gone(self, subscriber: Subscriber, delivery: Delivery, error: str) -> None:
        """Pause a subscriber that has said it wants no more; what is queued waits for its return."""
        now = self._clock.now()
        await self._deliveries.finish(
            delivery, Sent(DeliveryState.PENDING, 410, error, not_before=now), now=now
        )
        log.warning("subscriber.paused", subscriber=subscriber.name, reason=error)
        await self._subscribers.pause(subscriber.id, reason=error, now=now)
        await self._on_change()

    async def _refused(
        self, subscriber: Subscriber, delivery: Delivery, status: int | None, error: str, retry_after: str
    ) -> str:
        now = self._clock.now()
        again = next_attempt(
            delivery.attempts,
            first_at=delivery.first_at,
            now=now,
            random=self._random(),
            retry_after=read_retry_after(retry_after, now) if retry_after else None,
        )
        state = DeliveryState.DEAD if again is None else DeliveryState.PENDING
        shown = hide(error)
        await self._deliveries.finish(delivery, Sent(state, status, shown, not_before=again), now=now)
        if again is None:
            log.error("delivery.dead", subscriber=subscriber.name, event_id=delivery.event_id, error=shown)
        return "dead" if again is None else "failed"

    async def _count_failure(self, subscriber: Subscriber, error: str) -> None:
        """Count one more failure in a row, on top of what other nodes have counted."""
        now = self._clock.now()
        current = await self._subscribers.load(subscriber.id)
        if current is None:
            return
        # What was in the air when the circuit opened says nothing new.
        cut_off = current.open_until is not None and current.open_until > now
        failures = current.failures if cut_off else current.failures + 1
        wait = open_for(failures)
        until = current.open_until if cut_off else None if wait is None else now + wait
        if until is not None and not cut_off:
            log.warning("subscriber.cut_off", subscriber=subscriber.name, failures=failures, until=until)
        await self._subscribers.note_failure(
            subscriber.id, error=error, failures=failures, open_until=until, now=now
        )


def _note(subscriber: Subscriber, event: Event, answered: Answered) -> str:
    try:
        read_reply(subscriber, event, answered)
    except InvalidReply as error:
        return hide(f"taken, but WeChat would not understand the answer: {error}")
    return ""
