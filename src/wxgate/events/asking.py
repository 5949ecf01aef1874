"""A subscriber as the replier: it is asked for the reply with the very delivery it would get anyway."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import structlog

from wxgate.clock import Clock
from wxgate.errors import ConfigError, GatewayError, ReplierFailed, Undeliverable
from wxgate.events.forms import RANDOM_BYTES, make_posting, read_reply
from wxgate.events.outcomes import Outcomes
from wxgate.events.ports import Deliveries, Subscribers
from wxgate.events.records import Delivery, DeliveryState, Event, Subscriber
from wxgate.events.sending import Poster, unforeseen
from wxgate.events.subscribing import refusal_of
from wxgate.protocol.replies import Reply
from wxgate.secret import trace_of

log = structlog.get_logger("wxgate.delivery")

AFTERWARDS = timedelta(seconds=10)
"""How long after the deadline the delivery is still kept, for writing how it ended."""


class SubscriberReplier:
    """Asks one subscriber for replies.

    The event's delivery to it is held by this node while it is asked. When it answers, the delivery is done;
    when it does not, the delivery goes back to the queue, and the event comes to it again like any other.
    """

    def __init__(
        self,
        subscriber_id: str,
        *,
        subscribers: Subscribers,
        deliveries: Deliveries,
        outcomes: Outcomes,
        poster: Poster,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._subscriber_id = subscriber_id
        self._subscribers = subscribers
        self._deliveries = deliveries
        self._outcomes = outcomes
        self._poster = poster
        self._clock = clock
        self._random_bytes = random_bytes

    async def reply(self, event: Event, deadline_seconds: float) -> Reply | None:
        """Ask for the reply to an event; None is silence."""
        subscriber = await self._subscribers.load(self._subscriber_id)
        if subscriber is None:
            raise ReplierFailed(
                f"the subscriber {self._subscriber_id} that replies for this account was removed; "
                "name another with `wxgate replies set`"
            )
        delivery = await self._held(event, timedelta(seconds=deadline_seconds) + AFTERWARDS)
        await self._check_ready(subscriber, delivery)
        try:
            posting = make_posting(
                subscriber,
                event,
                now=self._clock.now(),
                random=self._random_bytes(RANDOM_BYTES),
                reply_expected=True,
            )
            answered = await self._poster.post(posting, seconds=deadline_seconds)
        except (Undeliverable, ConfigError) as error:
            await self._fail(subscriber, delivery, str(error))
        except GatewayError:
            raise
        except Exception as error:
            log.exception(
                "replier.broke", subscriber=subscriber.name, exc_info=False, exception=trace_of(error)
            )
            await self._fail(subscriber, delivery, unforeseen(error))
        if not answered.accepted:
            await self._fail(
                subscriber,
                delivery,
                refusal_of(answered),
                status=answered.status,
                retry_after=answered.retry_after,
            )
        await self._outcomes.took(subscriber, delivery, event, answered)
        return read_reply(subscriber, event, answered)

    async def _held(self, event: Event, lease: timedelta) -> Delivery | None:
        """Keep the delivery that was queued with the event from everybody else, if it is ours to end."""
        found = await self._deliveries.held(event.id, self._subscriber_id)
        if found is None or found.state is not DeliveryState.SENDING:
            return None
        kept = await self._deliveries.extend(found, lease_until=self._clock.now() + lease)
        return found if kept else None

    async def _check_ready(self, subscriber: Subscriber, delivery: Delivery | None) -> None:
        """Ask nobody who is paused or cut off; the event waits for it in the queue."""
        reason = ""
        if subscriber.paused:
            reason = f"{subscriber.name} is paused: {subscriber.paused_reason}"
        elif subscriber.open_until is not None and subscriber.open_until > self._clock.now():
            reason = f"{subscriber.name} is left alone after many failures: {subscriber.last_error}"
        if reason:
            if delivery is not None:
                await self._outcomes.give_back(delivery, reason)
            raise ReplierFailed(reason)

    async def _fail(
        self,
        subscriber: Subscriber,
        delivery: Delivery | None,
        error: str,
        *,
        status: int | None = None,
        retry_after: str = "",
    ) -> NoReturn:
        with contextlib.suppress(GatewayError):  # the lease ends, and the queue has it again
            await self._outcomes.failed(subscriber, delivery, error, status=status, retry_after=retry_after)
        raise ReplierFailed(f"{subscriber.name}: {error}")
