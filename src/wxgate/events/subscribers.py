"""The live list of subscribers: whom a new event goes to is decided in memory, before it is recorded."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from typing import TypeAlias

import structlog

from wxgate.errors import GatewayError
from wxgate.events.filters import Matcher
from wxgate.events.ports import Subscribers
from wxgate.events.records import EventKind, Fanout, Form, NewEvent, Subscriber

log = structlog.get_logger("wxgate.events")

FanoutOf: TypeAlias = Callable[[NewEvent], Sequence[Fanout]]
"""Says whom a new event is to be delivered to."""

TagsOf: TypeAlias = Callable[[], Awaitable[Mapping[str, Set[str]]]]
"""Loads the tags of every account that has any."""

_NO_TAGS: frozenset[str] = frozenset()


class SubscriberList:
    """All subscribers with their filters ready, loaded again every few seconds.

    A push never waits for it: while the database is away the last list goes on being used.
    """

    def __init__(self, store: Subscribers, tags_of: TagsOf) -> None:
        self._store = store
        self._tags_of = tags_of
        self._by_id: dict[str, Subscriber] = {}
        self._matchers: tuple[tuple[Fanout, Matcher, Form], ...] = ()
        self._tags: Mapping[str, Set[str]] = {}

    def matching(self, event: NewEvent) -> tuple[Fanout, ...]:
        """Say whom a new event goes to."""
        if not self._matchers:
            return ()
        tags = self._tags.get(event.appid, _NO_TAGS)
        return tuple(
            fanout
            for fanout, matcher, form in self._matchers
            if can_be_told(form, event.kind, by_name=matcher.names_events) and matcher.matches(event, tags)
        )

    def get(self, subscriber_id: str) -> Subscriber | None:
        """Return a subscriber as it was a moment ago."""
        return self._by_id.get(subscriber_id)

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(tuple(self._by_id.values()))

    async def refresh(self) -> None:
        """Load the list again; keep the last one when that fails."""
        try:
            found = await self._store.list_subscribers()
            wanted = any(subscriber.filter.tags for subscriber in found)
            tags = await self._tags_of() if wanted else {}
        except GatewayError as error:
            log.warning("subscribers.not_loaded", error=str(error))
            return
        self._by_id = {subscriber.id: subscriber for subscriber in found}
        self._tags = tags
        self._matchers = tuple(
            (Fanout(each.id, ordered=each.ordered), Matcher(each.filter), each.form) for each in found
        )


def can_be_told(form: Form, kind: EventKind, *, by_name: bool) -> bool:
    """Tell whether events of a kind go to a subscriber of this form.

    An SDK server that is fed WeChat's XML knows nothing of our own events, and would try to exchange the
    codes of component events, which it gets as `****`: those it has to ask for by name.
    """
    match kind:
        case EventKind.MESSAGE | EventKind.EVENT:
            return True
        case EventKind.COMPONENT:
            return form is Form.WEBHOOK or by_name
        case EventKind.GATEWAY:
            return form is Form.WEBHOOK
