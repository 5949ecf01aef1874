"""What delivers events to subscribers, put together for one node."""

import asyncio
import contextlib
import random
import secrets
from dataclasses import dataclass
from functools import partial

from wxgate.clock import Clock
from wxgate.custody.ports import LabelStore
from wxgate.events.asking import SubscriberReplier
from wxgate.events.delivery import Deliverer, DeliveryListener
from wxgate.events.outcomes import Outcomes
from wxgate.events.subscribers import SubscriberList
from wxgate.events.subscribing import Subscriptions
from wxgate.server.outgoing import Outgoing
from wxgate.settings import Settings
from wxgate.store import Store


@dataclass(frozen=True, slots=True)
class Delivering:
    """The live list of subscribers, the verbs of operators, and the one who sends."""

    subscribers: SubscriberList
    subscriptions: Subscriptions
    deliverer: Deliverer
    outcomes: Outcomes
    outgoing: Outgoing
    store: Store
    clock: Clock

    @classmethod
    def make(
        cls, settings: Settings, store: Store, clock: Clock, *, holder: str, listener: DeliveryListener
    ) -> "Delivering":
        """Build the parts; `open` makes them ready."""
        subscribers = SubscriberList(store.subscribers, partial(load_tags, store.labels))
        outgoing = Outgoing(settings.allowed_networks)
        outcomes = Outcomes(
            store.deliveries,
            store.subscribers,
            clock,
            random=random.SystemRandom().random,
            on_change=subscribers.refresh,
        )
        deliverer = Deliverer(
            deliveries=store.deliveries,
            subscribers=store.subscribers,
            events=store.event_log,
            outcomes=outcomes,
            poster=outgoing,
            clock=clock,
            holder=holder,
            at_once=settings.deliveries_at_once,
            listener=listener,
            random_bytes=secrets.token_bytes,
        )

        async def changed() -> None:
            await subscribers.refresh()
            deliverer.kick()

        subscriptions = Subscriptions(
            store.subscribers, outgoing, clock, allowed=settings.allowed_networks, changed=changed
        )
        return cls(subscribers, subscriptions, deliverer, outcomes, outgoing, store, clock)

    async def open(self) -> None:
        """Load the list, and queue the gateway's own news for those on it."""
        await self.subscribers.refresh()
        self.store.notices.deliver_to(self.subscribers.matching)

    def replier_of(self, subscriber_id: str) -> SubscriberReplier:
        """Make a subscriber the one who is asked for a reply."""
        return SubscriberReplier(
            subscriber_id,
            subscribers=self.store.subscribers,
            deliveries=self.store.deliveries,
            outcomes=self.outcomes,
            poster=self.outgoing,
            clock=self.clock,
            random_bytes=secrets.token_bytes,
        )

    async def close(self) -> None:
        """Give back what is in the air, and close the connections."""
        await self.deliverer.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self.outgoing.close()


async def load_tags(labels: LabelStore) -> dict[str, frozenset[str]]:
    """Load the tags of every account that has any."""
    return {appid: found.tags for appid, found in (await labels.list()).items() if found.tags}
