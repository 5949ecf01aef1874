"""Replays: events that are in the log, queued again for a subscriber under the same ids."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TypeAlias

from wxgate.clock import Clock
from wxgate.errors import ConfigError
from wxgate.events.filters import Matcher
from wxgate.events.ports import Deliveries, EventLog
from wxgate.events.records import DeliveryState, Event, EventQuery, Subscriber
from wxgate.events.searching import Keep, search
from wxgate.events.subscribers import can_be_told
from wxgate.events.subscribing import Subscriptions

CHUNK = 500

Progress: TypeAlias = Callable[[int, int | None], None]
"""Hears how many are queued, and of how many once that is known."""


def _silent(_done: int, _total: int | None) -> None:
    pass


class Replays:
    """Queues what was recorded once more; the deliveries' own rules decide when it goes out."""

    def __init__(
        self,
        log: EventLog,
        deliveries: Deliveries,
        subscriptions: Subscriptions,
        clock: Clock,
        *,
        tags_of: Callable[[str], Awaitable[Set[str]]],
        kick: Callable[[], None],
    ) -> None:
        self._log = log
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._clock = clock
        self._tags_of = tags_of
        self._kick = kick

    async def event(self, event: Event, which: Sequence[str] = ()) -> Mapping[str, int]:
        """Queue one event for these subscribers, whatever their filters say, or for all it fits.

        Returns how often it was queued for whom; raises NotFound for a subscriber there is none of, and
        ConfigError for an event that nobody is to be told.
        """
        if event.noted:
            raise ConfigError(f"this event is told to nobody: {event.error}")
        if which:
            chosen = [await self._subscriptions.require(each) for each in which]
        else:
            every = await self._subscriptions.list_subscribers()
            chosen = [each for each in every if await self._fits(each, Matcher(each.filter), event)]
        queued = {
            each.id: await self._deliveries.replay(each.id, [event.id], now=self._clock.now())
            for each in chosen
        }
        self._kick()
        return queued

    async def search(self, which: str, query: EventQuery, keep: Keep, progress: Progress = _silent) -> int:
        """Queue all events of a search that fit a subscriber's filter, oldest first; return how many."""
        subscriber = await self._subscriptions.require(which)
        matcher = Matcher(subscriber.filter)

        async def fits(event: Event) -> bool:
            return await keep(event) and await self._fits(subscriber, matcher, event)

        ids: list[int] = []
        before: int | None = query.before
        while True:
            found = await search(self._log, replace(query, before=before, limit=CHUNK), fits)
            ids += [event.id for event in found.events]
            progress(0, len(ids))
            before = found.next
            if before is None:
                break
        return await self._queue({subscriber.id: ids[::-1]}, progress)

    async def dead(self, which: str | None = None, progress: Progress = _silent) -> int:
        """Queue everything that was given up, for one subscriber or for all; return how many."""
        subscriber_id = None if which is None else (await self._subscriptions.require(which)).id
        ids: dict[str, list[int]] = defaultdict(list)
        before: int | None = None
        while True:
            page = await self._deliveries.find(
                subscriber_id=subscriber_id, state=DeliveryState.DEAD, before=before, limit=CHUNK
            )
            for one in page:
                ids[one.subscriber].append(one.event_id)
            if len(page) < CHUNK:
                break
            before = page[-1].id
        return await self._queue(
            {each: sorted(given_up) for each, given_up in ids.items()}, progress, only_dead=True
        )

    async def _queue(
        self, ids: Mapping[str, Sequence[int]], progress: Progress, *, only_dead: bool = False
    ) -> int:
        total, done, queued = sum(map(len, ids.values())), 0, 0
        for subscriber_id, wanted in ids.items():
            for start in range(0, len(wanted), CHUNK):
                chunk = wanted[start : start + CHUNK]
                queued += await self._deliveries.replay(
                    subscriber_id, chunk, now=self._clock.now(), only_dead=only_dead
                )
                done += len(chunk)
                progress(done, total)
                self._kick()
        return queued

    async def _fits(self, subscriber: Subscriber, matcher: Matcher, event: Event) -> bool:
        if event.noted or not can_be_told(subscriber.form, event.kind, by_name=matcher.names_events):
            return False
        tags = await self._tags_of(event.appid) if subscriber.filter.tags else frozenset()
        return matcher.matches(event, tags)
