"""What becomes of a delivery after an attempt, and what the attempt says about the subscriber."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from wxgate.clock import Clock
from wxgate.errors import InvalidReply
from wxgate.events.forms import read_reply
from wxgate.events.ports import Deliveries, Subscribers
from wxgate.events.records import Delivery, DeliveryState, Event, Form, Sent, Subscriber
from wxgate.events.schedule import next_attempt, open_for, read_retry_after
from wxgate.events.sending import Answered
from wxgate.secret import hide, trace_of

log = structlog.get_logger("wxgate.delivery")

SUCCESS_EVERY = timedelta(minutes=1)
"""How often it is written down that a subscriber that had no trouble takes what it gets."""

GONE = 410


@dataclass(slots=True)
class _Record:
    """What this node saw of one subscriber: when it last noted a success, and whether one failed since."""

    noted_at: datetime | None = None
    failed: bool = False
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class Outcomes:
    """Writes down how attempts ended."""

    def __init__(
        self,
        deliveries: Deliveries,
        subscribers: Subscribers,
        clock: Clock,
        *,
        random: Callable[[], float],
        on_change: Callable[[], Awaitable[object]],
    ) -> None:
        self._deliveries = deliveries
        self._subscribers = subscribers
        self._clock = clock
        self._random = random
        self._on_change = on_change
        self._records: dict[str, _Record] = {}

    async def took(
        self, subscriber: Subscriber, delivery: Delivery | None, event: Event, answered: Answered
    ) -> None:
        """Finish a delivery that was taken; nonsense that an SDK server answers besides is only told."""
        now = self._clock.now()
        if delivery is not None:
            sent = Sent(DeliveryState.DELIVERED, answered.status, _remark(subscriber, event, answered))
            await self._deliveries.finish(delivery, sent, now=now)
        record = self._records.setdefault(subscriber.id, _Record())
        recently = record.noted_at is not None and now < record.noted_at + SUCCESS_EVERY
        if subscriber.failures or record.failed or not recently:
            record.noted_at, record.failed = now, False
            await self._subscribers.note_success(subscriber.id, now=now)

    async def failed(
        self,
        subscriber: Subscriber,
        delivery: Delivery | None,
        error: str,
        *,
        status: int | None = None,
        retry_after: str = "",
    ) -> str:
        """Put a delivery off, or give it up; return `failed`, `dead` or `gone`."""
        shown = hide(error)
        if status == GONE:
            return await self._gone(subscriber, delivery, shown)
        over = delivery is not None and await self._put_off(delivery, shown, status, retry_after)
        await self._count_failure(subscriber, shown)
        if over and delivery is not None:
            log.error("delivery.dead", subscriber=subscriber.name, event_id=delivery.event_id, error=shown)
        return "dead" if over else "failed"

    async def give_back(self, delivery: Delivery, reason: str) -> None:
        """Leave a delivery to whoever comes next."""
        now = self._clock.now()
        await self._deliveries.finish(delivery, Sent(DeliveryState.PENDING, None, reason, now), now=now)

    async def skip(self, delivery: Delivery, reason: str) -> None:
        """End a delivery that there is nothing to deliver of."""
        sent = Sent(DeliveryState.SKIPPED, None, reason)
        await self._deliveries.finish(delivery, sent, now=self._clock.now())

    async def _put_off(self, delivery: Delivery, error: str, status: int | None, retry_after: str) -> bool:
        """Write when it is tried again; return whether it is given up."""
        now = self._clock.now()
        again = next_attempt(
            delivery.attempts,
            first_at=delivery.first_at,
            now=now,
            random=self._random(),
            retry_after=read_retry_after(retry_after, now),
        )
        state = DeliveryState.DEAD if again is None else DeliveryState.PENDING
        await self._deliveries.finish(delivery, Sent(state, status, error, again), now=now)
        return again is None

    async def _gone(self, subscriber: Subscriber, delivery: Delivery | None, error: str) -> str:
        """Pause a subscriber that has said it wants no more; what is queued waits for its return."""
        now = self._clock.now()
        log.warning("subscriber.paused", subscriber=subscriber.name, reason=error)
        await self._subscribers.pause(subscriber.id, reason=error, now=now)
        if delivery is not None:
            await self._deliveries.finish(delivery, Sent(DeliveryState.PENDING, GONE, error, now), now=now)
        await self._on_change()
        return "gone"

    async def _count_failure(self, subscriber: Subscriber, error: str) -> None:
        """Count one more failure in a row, on top of what other nodes have counted."""
        record = self._records.setdefault(subscriber.id, _Record())
        record.failed = True
        async with record.counting:
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
                log.warning("subscriber.cut_off", subscriber=subscriber.name, failures=failures)
            await self._subscribers.note_failure(
                subscriber.id, error=error, failures=failures, open_until=until, now=now
            )


def _remark(subscriber: Subscriber, event: Event, answered: Answered) -> str:
    if subscriber.form is not Form.WECHAT:
        return ""
    try:
        read_reply(subscriber, event, answered)
    except InvalidReply as error:
        return hide(f"taken, but WeChat would not understand the answer: {error}")
    except Exception as error:
        # It was taken, whatever it answered; sending it again would answer the same.
        log.exception("delivery.answer_broke", exc_info=False, exception=trace_of(error))
        return f"taken, but its answer could not be read: {type(error).__name__}"
    return ""
