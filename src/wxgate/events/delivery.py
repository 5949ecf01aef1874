"""Delivery: what is queued for subscribers is claimed, sent and finished, by any node and many at a time.

    due ──claim──> sending ──2xx────────> delivered
     ^                │├─────410────────> waits, and the subscriber is paused
     └───not_before───┴┴─anything else──> again by the schedule, at the end dead

A node that dies leaves claims whose leases end, and another node sends again: at least once. Each subscriber
has a lane of its own; one that is slow or failing gets two places from a part that the quick ones do not
use, so that it delays nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from wxgate.clock import Clock
from wxgate.errors import ConfigError, GatewayError, Undeliverable
from wxgate.events.forms import RANDOM_BYTES, make_posting
from wxgate.events.outcomes import Outcomes
from wxgate.events.ports import Deliveries, EventLog, Subscribers
from wxgate.events.records import Delivery, Event, Subscriber
from wxgate.events.schedule import FAILURES
from wxgate.events.sending import Answered, Poster, unforeseen
from wxgate.events.subscribing import refusal_of
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.delivery")

SEND_SECONDS = 10.0
"""How long one attempt may take, from the name lookup to the end of the answer."""

LEASE = timedelta(seconds=30)
"""How long a claim holds: well over the time an attempt and the writing of its outcome may take."""

HEADROOM = timedelta(seconds=SEND_SECONDS + 5)
"""What has to be left of a lease for an attempt to begin; what waited too long is claimed anew."""

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
    """Hears how attempts end, for metrics."""

    def sent(self, subscriber: str, outcome: str, seconds: float) -> None:
        """Note an attempt: delivered, failed, dead or gone."""


@dataclass(slots=True)
class _Lane:
    """What this node does for one subscriber.

    `again` wakes the lane to look for more: something came, or a place is free. `slow` is set when the last
    answer was or failed.
    """

    task: asyncio.Task[None] | None = None
    again: asyncio.Event = field(default_factory=asyncio.Event)
    slow: bool = False
    in_air: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def launch(self, task: asyncio.Task[None]) -> None:
        """Keep a delivery among those in the air until it has ended."""
        self.in_air.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.in_air.discard(task)
        self.again.set()


class Deliverer:
    """Delivers for one node."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        subscribers: Subscribers,
        events: EventLog,
        outcomes: Outcomes,
        poster: Poster,
        clock: Clock,
        holder: str,
        at_once: int,
        listener: DeliveryListener,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._deliveries = deliveries
        self._subscribers = subscribers
        self._events = events
        self._outcomes = outcomes
        self._poster = poster
        self._clock = clock
        self._holder = holder
        self._listener = listener
        self._random_bytes = random_bytes
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
                await asyncio.sleep(GATHER_SECONDS)
            self._kicked.clear()

    async def look(self) -> None:
        """Begin to deliver what is due; returns before it is delivered."""
        for subscriber_id in await self._deliveries.due(now=self._clock.now()):
            if self._closing:
                return
            lane = self._lanes.setdefault(subscriber_id, _Lane())
            lane.again.set()
            if not lane.running:
                lane.task = asyncio.create_task(self._work(subscriber_id, lane), name=f"lane {subscriber_id}")

    async def drain(self) -> None:
        """Wait until every lane has come to its end."""
        while running := [lane.task for lane in self._lanes.values() if lane.task and lane.running]:
            await asyncio.wait(running)

    async def close(self) -> None:
        """Give back what is in the air after a short wait, so that another node sends it."""
        self._closing = True
        flying = [task for lane in self._lanes.values() for task in lane.in_air]
        if flying:
            await asyncio.wait(flying, timeout=QUICK_SECONDS)
        tasks = [*flying, *(lane.task for lane in self._lanes.values() if lane.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, subscriber_id: str, lane: _Lane) -> None:
        """Claim and send for one subscriber until nothing is due."""
        try:
            while not self._closing and (lane.again.is_set() or lane.in_air):
                await lane.again.wait()
                lane.again.clear()
                subscriber = await self._subscribers.load(subscriber_id)
                if subscriber is None or subscriber.paused:
                    return
                if claimed := await self._claim(subscriber, lane):
                    await self._launch(subscriber, lane, claimed)
                    lane.again.set()
        except GatewayError as error:
            log.warning("delivery.interrupted", subscriber=subscriber_id, error=str(error))
        except Exception as error:
            log.exception("delivery.lane_broke", exc_info=False, exception=trace_of(error))

    async def _claim(self, subscriber: Subscriber, lane: _Lane) -> Sequence[Delivery]:
        """Take as much as may be in the air; after many failures in a row one event, as a trial."""
        now = self._clock.now()
        if subscriber.open_until is not None and subscriber.open_until > now:
            return ()
        places = SLOW_PLACES if lane.slow else QUICK_PLACES
        if subscriber.failures >= FAILURES:
            places = 1
        free = places - len(lane.in_air)
        if free <= 0:
            return ()
        return await self._deliveries.claim(
            subscriber.id, holder=self._holder, now=now, lease_until=now + LEASE, limit=free
        )

    async def _launch(self, subscriber: Subscriber, lane: _Lane, claimed: Sequence[Delivery]) -> None:
        try:
            found = await self._events.load_many([delivery.event_id for delivery in claimed])
            events = {event.id: event for event in found}
        except GatewayError:
            raise
        except Exception as error:
            log.exception("delivery.load_broke", exc_info=False, exception=trace_of(error))
            events = None  # each is loaded for itself, so that the others are sent
        for delivery in claimed:
            coming = self._deliver(subscriber, delivery, events, lane)
            lane.launch(asyncio.create_task(coming, name=f"delivery {delivery.id}"))

    async def _deliver(
        self, subscriber: Subscriber, delivery: Delivery, events: Mapping[int, Event] | None, lane: _Lane
    ) -> None:
        try:
            if events is None:
                events = {event.id: event for event in await self._events.load_many([delivery.event_id])}
            if (event := events.get(delivery.event_id)) is None:
                await self._outcomes.skip(delivery, "the event is no longer there")
                return
            async with self._place(lane):
                if delivery.lease_until is None or delivery.lease_until > self._clock.now() + HEADROOM:
                    await self._attempt(subscriber, delivery, event, lane)
        except asyncio.CancelledError:
            with contextlib.suppress(GatewayError):
                await self._outcomes.give_back(delivery, "the node was stopped")
            raise
        except GatewayError as error:
            # The lease ends, and it is sent again.
            log.warning("delivery.not_finished", subscriber=subscriber.name, error=str(error))
        except Exception as error:
            log.exception(
                "delivery.broke",
                subscriber=subscriber.name,
                event_id=delivery.event_id,
                exc_info=False,
                exception=trace_of(error),
            )
            await self._broke(subscriber, delivery, error)

    async def _broke(self, subscriber: Subscriber, delivery: Delivery, error: Exception) -> None:
        """Count what nobody foresaw as a failed attempt: left alone, it would be claimed again for ever."""
        with contextlib.suppress(GatewayError):  # the lease ends, and it is tried again
            outcome = await self._outcomes.failed(subscriber, delivery, unforeseen(error))
            self._listener.sent(subscriber.name, outcome, 0.0)

    @contextlib.asynccontextmanager
    async def _place(self, lane: _Lane) -> AsyncIterator[None]:
        """Take a place among those in the air, which is given back when the answer takes long."""
        places = self._slow if lane.slow else self._quick
        await places.acquire()
        held = [places]

        def give_back() -> None:
            if held:
                held.pop().release()

        overdue = asyncio.get_running_loop().call_later(QUICK_SECONDS, give_back)
        try:
            yield
        finally:
            overdue.cancel()
            give_back()

    async def _attempt(self, subscriber: Subscriber, delivery: Delivery, event: Event, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answered, error = await self._send(subscriber, delivery, event)
        seconds = loop.time() - began
        lane.slow = bool(error) or seconds > QUICK_SECONDS
        if answered is not None and not error:
            outcome = "delivered"
            await self._outcomes.took(subscriber, delivery, event, answered)
        else:
            outcome = await self._outcomes.failed(
                subscriber,
                delivery,
                error,
                status=answered.status if answered else None,
                retry_after=answered.retry_after if answered else "",
            )
        self._listener.sent(subscriber.name, outcome, seconds)

    async def _send(
        self, subscriber: Subscriber, delivery: Delivery, event: Event
    ) -> tuple[Answered | None, str]:
        """Send once; return the answer, if there was one, and what is wrong with it."""
        try:
            posting = make_posting(
                subscriber,
                event,
                now=self._clock.now(),
                random=self._random_bytes(RANDOM_BYTES),
                replay=delivery.replays > 0,
            )
            answered = await self._poster.post(posting, seconds=SEND_SECONDS)
        except (Undeliverable, ConfigError) as error:
            return None, str(error)
        return answered, "" if answered.accepted else refusal_of(answered)
