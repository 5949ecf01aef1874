"""The process is killed while it delivers, and started again: what was queued arrives, at least once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.crash.scene import Scene, until
from tests.events.application import Application, application
from tests.events.events import a_subscriber
from wxgate.events.delivery import LEASE
from wxgate.events.records import DeliveryState, Filter
from wxgate.protocol.official_tests import TEST_ACCOUNTS

SUBSCRIBER = a_subscriber(filter=Filter(names=("text",)))
MOMENTS_MS = [5, 20]
ACKNOWLEDGED = ("success", "reply")


@pytest.fixture
async def app(scene: Scene) -> AsyncIterator[Application]:
    """An application that the process knows as a subscriber, and an account that has authorised."""
    assert scene.appid not in TEST_ACCOUNTS
    async with application() as made:
        await scene.act("authorize", platform=scene.platform, appid=scene.appid)
        async with scene.store() as store:
            await store.subscribers.add(a_subscriber(filter=Filter(names=("text",)), url=made.url))
        await until(lambda: known(scene, made), within=30)
        yield made


async def known(scene: Scene, app: Application) -> bool:
    """Tell whether the process has heard of the subscriber; it looks every two seconds."""
    await scene.say("probe")
    return bool(app.got)


async def settled(scene: Scene, state: DeliveryState) -> bool:
    """Tell whether there are deliveries and all are in a state."""
    async with scene.store() as store:
        found = await store.deliveries.find(subscriber_id=SUBSCRIBER.id, limit=1000)
    return bool(found) and all(each.state is state for each in found)


async def test_what_was_in_the_air_is_sent_again(scene: Scene, app: Application) -> None:
    hanging = True

    async def hangs(request: web.Request) -> web.StreamResponse:
        if hanging:
            await asyncio.sleep(3600)
        return web.Response()

    await until(lambda: settled(scene, DeliveryState.DELIVERED))
    app.got.clear()
    app.behaviour = hangs
    push = await scene.say("hello")
    assert push["outcome"] in ACKNOWLEDGED, push
    await app.arrived()
    hanging = False
    await scene.crash()
    await scene.advance(LEASE.total_seconds() + 1)
    await until(lambda: settled(scene, DeliveryState.DELIVERED), within=30)
    assert len(app.ids) == 2
    assert len(set(app.ids)) == 1


async def test_what_was_acknowledged_arrives_whenever_the_process_is_killed(
    scene: Scene, app: Application
) -> None:
    acknowledged: list[str] = []
    for number, moment in enumerate(MOMENTS_MS):
        text = f"message {number}"
        saying = asyncio.create_task(scene.say(text))
        await asyncio.sleep(moment / 1000)
        await scene.crash()
        if (await saying)["outcome"] in ACKNOWLEDGED:
            acknowledged.append(text)
    await scene.advance(LEASE.total_seconds() + 1)

    async def all_arrived() -> bool:
        bodies = b"".join(got.body for got in app.got)
        return all(text.encode() in bodies for text in acknowledged)

    await until(all_arrived, within=30)
    await until(lambda: settled(scene, DeliveryState.DELIVERED), within=30)
