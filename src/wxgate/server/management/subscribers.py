"""Subscribers over HTTP: who gets events, whether they arrive, and once more what did not.

All of it needs a key for everything: what a subscriber gets is not narrowed by the key that made it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from wxgate.events.describing import (
    describe_delivery,
    describe_secrets,
    describe_subscriber,
)
from wxgate.events.filters import Matcher, check_filter
from wxgate.events.records import DeliveryState, Event, EventKind, EventQuery, Filter, Form, Subscriber
from wxgate.server.management.events import MOST, BeforeRow, DeliveryOut, find_event
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node


class SubscriberOut(BaseModel):
    """A subscriber, without its secrets; empty lists of a filter let everything through."""

    id: str
    name: str
    form: Form
    url: str
    platforms: list[str]
    accounts: list[str]
    tags: list[str]
    names: list[str]
    openids: list[str]
    ordered: bool
    envelope_appid: str
    paused: bool
    paused_reason: str
    failures: int = Field(description="How many in a row.")
    open_until: datetime | None = Field(description="Until then nothing is sent, after too many failures.")
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str
    previous_secret_until: datetime | None
    waiting: int
    waiting_since: datetime | None
    dead: int = Field(description="How many deliveries were given up.")
    created_at: datetime
    updated_at: datetime


class SecretSubscriberOut(SubscriberOut):
    """A subscriber with the secrets it has from now on; they are shown this once."""

    signing_secret: str | None = None
    token: str | None = None
    aes_key: str | None = None


class SecretsIn(Given):
    """Secrets made elsewhere; those left out are made."""

    signing_secret: SecretStr | None = Field(None, description="For the form webhook: whsec_…")
    token: SecretStr | None = Field(None, description="For the form wechat: 消息校验Token")
    aes_key: SecretStr | None = Field(None, description="For the form wechat: 消息加解密Key")


class SubscriberIn(SecretsIn):
    """A subscriber to be."""

    name: str
    url: str
    form: Form = Form.WEBHOOK
    platforms: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = Field((), description="Topics or bare names; `*` is a wildcard.")
    openids: tuple[str, ...] = ()
    ordered: bool = False
    envelope_appid: str = "account"


class ChangeIn(Given):
    """What is to be different; what is left out stays."""

    name: str | None = None
    url: str | None = None
    platforms: tuple[str, ...] | None = None
    accounts: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    openids: tuple[str, ...] | None = None
    ordered: bool | None = None
    envelope_appid: str | None = None


class RotateIn(SecretsIn):
    """New secrets; webhooks are signed with the one before as well for so many hours."""

    keep_previous_hours: float = Field(24, ge=0, le=720)


class PauseIn(Given):
    """Why nothing is sent for now."""

    reason: str = Field("paused by an operator", max_length=500)


class TestIn(Given):
    """The account a test event seems to be of."""

    appid: str = ""


class TriedOut(BaseModel):
    """What a subscriber answered to a test event."""

    ok: bool
    status: int | None
    error: str


class RemovedOut(BaseModel):
    """A subscriber that is gone."""

    id: str
    name: str


class ReplayOneIn(Given):
    """Whom to deliver to again, by id or name; nobody named means all whose filter the event fits."""

    subscribers: tuple[str, ...] = Field((), max_length=100)


class ReplayIn(Given):
    """Which events to deliver again to one subscriber, as far as they fit its filter."""

    subscriber: str
    platform: str | None = None
    appid: str | None = None
    tag: str | None = None
    kind: EventKind | None = None
    names: tuple[str, ...] = Field((), max_length=100)
    openid: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RetryIn(Given):
    """Whose deliveries that were given up are tried again; without one, everybody's."""

    subscriber: str | None = None


class QueuedOut(BaseModel):
    """How many events were queued for whom."""

    queued: dict[str, int]


class RetriedOut(BaseModel):
    """How many deliveries were queued again."""

    queued: int


Pausing = Annotated[PauseIn, Body(default_factory=PauseIn)]
Testing = Annotated[TestIn, Body(default_factory=TestIn)]
Rotating = Annotated[RotateIn, Body(default_factory=RotateIn)]
ReplayingOne = Annotated[ReplayOneIn, Body(default_factory=ReplayOneIn)]
Retrying = Annotated[RetryIn, Body(default_factory=RetryIn)]


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    _add_subscribers(router, node)
    _add_states(router, node)
    _add_deliveries(router, node)
    return router


def _add_subscribers(router: APIRouter, node: Node) -> None:
    @router.get("/subscribers", tags=["subscribers"])
    async def list_subscribers(caller: Caller) -> list[SubscriberOut]:
        """List the applications that get events, with what waits for them."""
        need_everything(caller)
        backlog = {one.subscriber: one for one in await node.store.deliveries.backlog()}
        return [
            SubscriberOut(**describe_subscriber(one, backlog.get(one.id)))
            for one in await node.delivering.subscriptions.list_subscribers()
        ]

    @router.post("/subscribers", status_code=201, tags=["subscribers"])
    async def add_subscriber(caller: Caller, wanted: SubscriberIn) -> SecretSubscriberOut:
        """Send events to an application; the answer is the only place where its secrets are shown."""
        need_everything(caller)
        added = await node.delivering.subscriptions.add(
            name=wanted.name,
            url=wanted.url,
            form=wanted.form,
            filter=Filter(wanted.platforms, wanted.accounts, wanted.tags, wanted.names, wanted.openids),
            ordered=wanted.ordered,
            envelope_appid=wanted.envelope_appid,
            **_given_secrets(wanted),
        )
        return _with_secrets(added)

    @router.get("/subscribers/{subscriber}", tags=["subscribers"])
    async def show_subscriber(caller: Caller, subscriber: str) -> SubscriberOut:
        """Show a subscriber, named by its id or its name."""
        need_everything(caller)
        return await _described(node, await node.delivering.subscriptions.require(subscriber))

    @router.patch("/subscribers/{subscriber}", tags=["subscribers"])
    async def change_subscriber(caller: Caller, subscriber: str, wanted: ChangeIn) -> SubscriberOut:
        """Change what is given and leave the rest; what is queued is sent to the new URL."""
        need_everything(caller)
        parts = ("platforms", "accounts", "tags", "names", "openids")
        given = {part: value for part in parts if (value := getattr(wanted, part)) is not None}
        changed = await node.delivering.subscriptions.change(
            subscriber,
            name=wanted.name,
            url=wanted.url,
            filter=(lambda before: replace(before, **given)) if given else None,
            ordered=wanted.ordered,
            envelope_appid=wanted.envelope_appid,
        )
        return await _described(node, changed)

    @router.delete("/subscribers/{subscriber}", tags=["subscribers"])
    async def remove_subscriber(caller: Caller, subscriber: str) -> RemovedOut:
        """Remove a subscriber with everything that waits for it."""
        need_everything(caller)
        removed = await node.delivering.subscriptions.remove(subscriber)
        return RemovedOut(id=removed.id, name=removed.name)


def _add_states(router: APIRouter, node: Node) -> None:
    @router.post("/subscribers/{subscriber}/pause", tags=["subscribers"])
    async def pause_subscriber(caller: Caller, subscriber: str, given: Pausing) -> SubscriberOut:
        """Send a subscriber nothing for now; what comes meanwhile waits."""
        need_everything(caller)
        return await _described(
            node, await node.delivering.subscriptions.pause(subscriber, reason=given.reason)
        )

    @router.post("/subscribers/{subscriber}/resume", tags=["subscribers"])
    async def resume_subscriber(caller: Caller, subscriber: str) -> SubscriberOut:
        """Send to a subscriber again, beginning with what waited."""
        need_everything(caller)
        return await _described(node, await node.delivering.subscriptions.resume(subscriber))

    @router.post("/subscribers/{subscriber}/test", tags=["subscribers"])
    async def test_subscriber(caller: Caller, subscriber: str, given: Testing) -> TriedOut:
        """Send a subscriber a test event now, and tell what it answered."""
        need_everything(caller)
        tried = await node.delivering.subscriptions.test(subscriber, appid=given.appid)
        return TriedOut(ok=tried.ok, status=tried.status, error=tried.error)

    @router.post("/subscribers/{subscriber}/rotate-secret", tags=["subscribers"])
    async def rotate_subscriber_secret(
        caller: Caller, subscriber: str, given: Rotating
    ) -> SecretSubscriberOut:
        """Give a subscriber new secrets, shown this once."""
        need_everything(caller)
        rotated = await node.delivering.subscriptions.rotate_secret(
            subscriber, keep_previous=timedelta(hours=given.keep_previous_hours), **_given_secrets(given)
        )
        return _with_secrets(rotated)


def _add_deliveries(router: APIRouter, node: Node) -> None:
    @router.get("/deliveries", tags=["deliveries"])
    async def list_deliveries(
        caller: Caller,
        subscriber: str | None = None,
        state: DeliveryState | None = None,
        before: BeforeRow = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    ) -> list[DeliveryOut]:
        """List deliveries, newest first; `dead` are those that were given up."""
        need_everything(caller)
        chosen = None if subscriber is None else (await node.delivering.subscriptions.require(subscriber)).id
        found = await node.store.deliveries.find(
            subscriber_id=chosen, state=state, before=before, limit=limit
        )
        return [DeliveryOut(**describe_delivery(one)) for one in found]

    @router.post("/deliveries/retry", tags=["deliveries"])
    async def retry_deliveries(caller: Caller, given: Retrying) -> RetriedOut:
        """Try again what was given up."""
        need_everything(caller)
        return RetriedOut(queued=await node.replays.dead(given.subscriber))

    @router.post("/events/replay", tags=["events"])
    async def replay_events(caller: Caller, given: ReplayIn) -> QueuedOut:
        """Deliver many events again to one subscriber, oldest first, as far as they fit its filter."""
        need_everything(caller)
        matcher = Matcher(check_filter(Filter(names=given.names)))

        async def keep(event: Event) -> bool:
            if given.names and not matcher.takes(event.kind, event.name):
                return False
            return given.tag is None or given.tag in await node.targets.tags(event.appid)

        query = EventQuery(
            appid=given.appid, issuer=given.platform, kind=given.kind, openid=given.openid,
            since=given.since, until=given.until,
        )  # fmt: skip
        subscriber = await node.delivering.subscriptions.require(given.subscriber)
        return QueuedOut(queued={subscriber.id: await node.replays.search(subscriber.id, query, keep)})

    @router.post("/events/{event}/replay", tags=["events"])
    async def replay_event(caller: Caller, event: str, given: ReplayingOne) -> QueuedOut:
        """Deliver one event again."""
        need_everything(caller)
        found = await find_event(node, caller, event)
        return QueuedOut(queued=dict(await node.replays.event(found, given.subscribers)))


async def _described(node: Node, one: Subscriber) -> SubscriberOut:
    backlog = {each.subscriber: each for each in await node.store.deliveries.backlog()}
    return SubscriberOut(**describe_subscriber(one, backlog.get(one.id)))


def _with_secrets(one: Subscriber) -> SecretSubscriberOut:
    return SecretSubscriberOut(**{**describe_subscriber(one, None), **describe_secrets(one)})


def _given_secrets(given: SecretsIn) -> dict[str, Any]:
    kept = {"signing_secret": given.signing_secret, "token": given.token, "aes_key": given.aes_key}
    return {name: secret.get_secret_value() if secret else None for name, secret in kept.items()}
