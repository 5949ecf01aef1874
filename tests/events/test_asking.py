"""A subscriber is asked for the reply, and the delivery that came with the event ends with its answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.events.application import Application, application
from tests.events.events import an_event
from tests.harness import Harness, World
from wxgate.errors import InvalidReply, ReplierFailed
from wxgate.events.records import Delivery, DeliveryState, Event, Fanout, NewEvent, Subscriber
from wxgate.protocol.replies import Image, Text

PATIENCE = 15.0


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway that may deliver to this machine, and does not by itself."""
    async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
        await world.node.runner.stop()
        yield world


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """An application."""
    async with application() as made:
        yield made


@pytest.fixture
async def subscriber(gateway: World, app: Application) -> Subscriber:
    """The application as a subscriber."""
    return await gateway.node.delivering.subscriptions.add(name="bot", url=app.url)


async def bring(world: World, subscriber: Subscriber) -> Event:
    """Record a message whose delivery to the replier this node holds."""
    now = world.clock.now()
    made = an_event(
        received_at=now, fields={"ToUserName": "gh_shop", "FromUserName": "oUser", "Content": "在吗"}
    )
    names = NewEvent.__dataclass_fields__
    new = NewEvent(**{name: getattr(made, name) for name in names})
    fanout = (Fanout(subscriber.id, held=True),)
    lease = now + timedelta(seconds=6)
    recorded = await world.node.store.inbox.record(
        replace(new, dedup_key=f"{id(new)}"), holder="test", lease_until=lease, fanout=fanout
    )
    return recorded.event


async def ask(world: World, subscriber: Subscriber, event: Event, *, seconds: float = PATIENCE) -> Any:
    """Ask for the reply."""
    return await world.node.delivering.replier_of(subscriber.id).reply(event, seconds)


async def delivery(world: World, subscriber: Subscriber, event: Event) -> Delivery:
    """Load the delivery of the event."""
    found = await world.node.store.deliveries.held(event.id, subscriber.id)
    assert found is not None
    return found


async def test_the_answer_is_the_reply(gateway: World, app: Application, subscriber: Subscriber) -> None:
    app.body = json.dumps({"reply": "在的"}).encode()
    event = await bring(gateway, subscriber)
    assert await ask(gateway, subscriber, event) == Text("在的")
    done = await delivery(gateway, subscriber, event)
    assert (done.state, done.status) == (DeliveryState.DELIVERED, 200)
    assert json.loads(app.got[0].body)["data"]["reply_expected"] is True
    assert app.ids == [f"evt_{event.id}"]


async def test_every_type_of_reply_is_taken(gateway: World, app: Application, subscriber: Subscriber) -> None:
    app.body = json.dumps({"reply": {"type": "image", "media_id": "m"}}).encode()
    assert await ask(gateway, subscriber, await bring(gateway, subscriber)) == Image("m")


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_an_empty_answer_is_silence(
    gateway: World, app: Application, subscriber: Subscriber, body: bytes
) -> None:
    app.body = body
    assert await ask(gateway, subscriber, await bring(gateway, subscriber)) is None


async def test_nonsense_is_told_and_not_sent_again(
    gateway: World, app: Application, subscriber: Subscriber
) -> None:
    app.body = b"<html>"
    event = await bring(gateway, subscriber)
    with pytest.raises(InvalidReply, match="not JSON"):
        await ask(gateway, subscriber, event)
    assert (await delivery(gateway, subscriber, event)).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [500, 302, 404])
async def test_a_refusal_gives_the_delivery_back(
    gateway: World, app: Application, subscriber: Subscriber, status: int
) -> None:
    app.status = status
    event = await bring(gateway, subscriber)
    with pytest.raises(ReplierFailed, match=f"bot: HTTP {status}"):
        await ask(gateway, subscriber, event)
    given_back = await delivery(gateway, subscriber, event)
    assert (given_back.state, given_back.status) == (DeliveryState.PENDING, status)
    app.status = 200
    await gateway.advance(timedelta(seconds=20))
    await gateway.node.delivering.deliverer.look()
    await gateway.node.delivering.deliverer.drain()
    assert app.ids == [f"evt_{event.id}"] * 2
    assert json.loads(app.got[1].body)["data"]["reply_expected"] is False


async def test_one_that_is_too_slow_gives_the_delivery_back(
    gateway: World, app: Application, subscriber: Subscriber
) -> None:
    async def hangs(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    app.behaviour = hangs
    event = await bring(gateway, subscriber)
    with pytest.raises(ReplierFailed, match="did not answer within"):
        await ask(gateway, subscriber, event, seconds=0.1)
    assert (await delivery(gateway, subscriber, event)).state is DeliveryState.PENDING


async def test_while_it_is_asked_nobody_else_sends_the_event(
    gateway: World, app: Application, subscriber: Subscriber
) -> None:
    release = asyncio.Event()

    async def thinks(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({"reply": "在的"})

    app.behaviour = thinks
    event = await bring(gateway, subscriber)
    asking = asyncio.create_task(ask(gateway, subscriber, event, seconds=60))
    await app.arrived()
    await gateway.advance(timedelta(seconds=30))
    await gateway.node.delivering.deliverer.look()
    await gateway.node.delivering.deliverer.drain()
    release.set()
    assert await asking == Text("在的")
    assert len(app.got) == 1


async def test_one_that_is_paused_or_gone_is_not_asked(
    gateway: World, app: Application, subscriber: Subscriber
) -> None:
    subscriptions = gateway.node.delivering.subscriptions
    event = await bring(gateway, subscriber)
    await subscriptions.pause("bot", reason="holidays")
    with pytest.raises(ReplierFailed, match="holidays"):
        await ask(gateway, subscriber, event)
    assert (await delivery(gateway, subscriber, event)).state is DeliveryState.PENDING
    await subscriptions.remove("bot")
    with pytest.raises(ReplierFailed, match="was removed"):
        await ask(gateway, subscriber, event)
    assert app.got == []
