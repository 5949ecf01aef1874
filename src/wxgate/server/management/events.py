"""The event log over HTTP: what came, what became of it, and the deletion of what a person left here."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from wxgate.custody.clients import Client, ClientScope
from wxgate.errors import BadRequest, NotFound
from wxgate.events.describing import describe_delivery, describe_event, describe_push
from wxgate.events.filters import Matcher, check_filter
from wxgate.events.records import (
    DeliveryState,
    Event,
    EventKind,
    EventQuery,
    EventState,
    Filter,
    ReplyState,
)
from wxgate.events.searching import search
from wxgate.events.topics import public_id, read_public_id
from wxgate.server.management.given import MOST_ID
from wxgate.server.management.scope import Caller, need_account, need_everything
from wxgate.server.node import Node
from wxgate.server.reach import reaches

MOST = 500


class StatusOut(BaseModel):
    """What a status number of an event means."""

    field: str
    value: int
    text: str
    text_zh: str


class EventOut(BaseModel):
    """An event; `fields` and `reply` are null for keys that may not read messages."""

    id: str
    type: str = Field(description="Its topic, such as `message.text` or `event.subscribe`.")
    platform: str | None = Field(description="Null where the account's own server received it.")
    appid: str
    kind: EventKind
    name: str
    openid: str
    msg_id: str | None
    created_at: int = Field(description="WeChat's CreateTime, in seconds.")
    received_at: datetime
    source_ip: str
    state: EventState
    error: str = Field(description="What went wrong with it, in words.")
    arrivals: int = Field(description="How often WeChat brought it.")
    reply_state: ReplyState
    reply_told: str
    reply_told_zh: str
    replier: str = Field(
        description="Who was asked for the reply: a subscriber's id, or empty: the handlers."
    )
    handled_at: datetime | None
    redacted_at: datetime | None
    size: int
    statuses: list[StatusOut] = Field(description="What its status numbers mean, as far as WeChat says.")
    fields: dict[str, Any] | None
    reply: str | None


class DeliveryOut(BaseModel):
    """One event on its way to one subscriber."""

    id: int
    subscriber: str
    event: str
    appid: str
    state: DeliveryState
    attempts: int
    first_at: datetime
    next_at: datetime | None = Field(description="When it is tried next, while it is pending.")
    status: int | None = Field(description="The HTTP status of the last answer.")
    error: str
    delivered_at: datetime | None
    replays: int


class PushOut(BaseModel):
    """One push as it arrived; `count` is more than one where the same refusal came again and again."""

    id: int
    at: datetime
    receiver: str
    appid: str
    source_ip: str
    verdict: str
    answer: str
    status: int
    milliseconds: int
    event: str | None
    explanation: str
    count: int


class WholeEventOut(EventOut):
    """An event with everything that is known of it."""

    deliveries: list[DeliveryOut]
    pushes: list[PushOut]


class EventsOut(BaseModel):
    """A page of events, newest first; `next` goes into `before` for the page after it."""

    events: list[EventOut]
    next: str | None


class ForgottenOut(BaseModel):
    """How many events of a person were deleted."""

    deleted: int


Limit = Annotated[int, Query(ge=1, le=MOST)]
Names = Annotated[
    tuple[str, ...],
    Query(alias="name", max_length=20, description="Topics or bare names; `*` is a wildcard."),
]
BeforeRow = Annotated[int | None, Query(ge=1, le=MOST_ID)]
Before = Annotated[str | None, Query(description="Only what came before this event.")]


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["events"])

    @router.get("/events")
    async def list_events(
        caller: Caller,
        platform: str | None = None,
        appid: str | None = None,
        tag: str | None = None,
        kind: EventKind | None = None,
        names: Names = (),
        openid: str | None = None,
        state: EventState | None = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        before: Before = None,
        limit: Limit = 50,
    ) -> EventsOut:
        """List the events the key reaches, newest first.

        A search that has looked through very many events answers with what it has, and `next`.
        """
        matcher = Matcher(check_filter(Filter(names=names)))

        async def keep(event: Event) -> bool:
            if names and not matcher.takes(event.kind, event.name):
                return False
            if tag is not None and tag not in await node.targets.tags(event.appid):
                return False
            return await reaches(node, caller, event)

        query = EventQuery(
            appid=appid, issuer=platform, kind=kind, openid=openid, state=state, since=since, until=until,
            before=None if before is None else event_id_of(before), limit=limit,
        )  # fmt: skip
        found = await search(node.store.event_log, query, keep)
        return EventsOut(
            events=[EventOut(**_described(caller, event)) for event in found.events],
            next=None if found.next is None else public_id(found.next),
        )

    @router.get("/events/{event}")
    async def show_event(caller: Caller, event: str) -> WholeEventOut:
        """Show an event with its deliveries, and the pushes that brought it."""
        found = await find_event(node, caller, event)
        deliveries = await node.store.deliveries.of_event(found.id)
        pushes = await node.store.push_log.find_pushes(event_id=found.id, limit=MOST)
        return WholeEventOut(
            **_described(caller, found),
            deliveries=[DeliveryOut(**describe_delivery(one)) for one in deliveries],
            pushes=[PushOut(**describe_push(id, line)) for id, line in pushes],
        )

    @router.delete("/events")
    async def forget_person(
        caller: Caller,
        openid: Annotated[str, Query(min_length=1, max_length=128)],
        appid: str | None = None,
    ) -> ForgottenOut:
        """Delete all events of a person, of one account or of all, with their deliveries and replies."""
        if appid is None:
            need_everything(caller)
        else:
            await need_account(node, caller, appid)
            if caller.reach.platforms:
                need_everything(caller)  # what other platforms received of the account would go as well
        return ForgottenOut(deleted=await node.store.event_log.forget(openid, appid=appid))

    @router.get("/pushes")
    async def list_pushes(
        caller: Caller,
        appid: str | None = None,
        event: str | None = None,
        verdict: str | None = None,
        before: BeforeRow = None,
        limit: Limit = 50,
    ) -> list[PushOut]:
        """List pushes as they arrived, newest first: those that were refused too.

        A key that is for some accounts has to name one of them.
        """
        if not caller.reach.is_everything:
            if appid is None or caller.reach.platforms:
                need_everything(caller)
            else:
                await need_account(node, caller, appid)
        event_id = None if event is None else event_id_of(event)
        lines = await node.store.push_log.find_pushes(
            appid=appid, event_id=event_id, verdict=verdict, before=before, limit=limit
        )
        return [PushOut(**describe_push(id, line)) for id, line in lines]

    return router


def event_id_of(text: str) -> int:
    """Read an event's id; raise BadRequest for what is none."""
    found = read_public_id(text)
    if found is None:
        raise BadRequest("an event's id looks like evt_42")
    return found


async def find_event(node: Node, caller: Client, text: str) -> Event:
    """Load an event the key reaches; one out of reach and one that does not exist look alike."""
    event = await node.store.inbox.load(event_id_of(text))
    if event is None or not await reaches(node, caller, event):
        raise NotFound(f"no event {text} here; it may be older than what is kept")
    return event


def may_read(caller: Client) -> bool:
    """Tell whether a key may see what people wrote: one for everything, or one that may have the stream."""
    return caller.reach.is_everything or ClientScope.EVENTS in caller.scopes


def _described(caller: Client, event: Event) -> dict[str, Any]:
    readable = may_read(caller)
    return {
        **describe_event(event),
        "fields": event.fields if readable else None,
        "reply": event.reply if readable else None,
    }
