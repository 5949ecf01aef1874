"""The process is killed while it delivers, and started again: what was queued arrives, at least once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from tests.crash.scene import Scene, until
from tests.events.application import Application, application
from tests.events.events import a_subscriber
from wxgate.custody.records import AuthorizationState
from wxgate.events.delivery import LEASE
from wxgate.events.records import DeliveryState, Filter, Subscriber
from wxgate.protocol.official_tests import TEST_ACCOUNTS

MOMENT_MS = 10
ACKNOWLEDGED = ("success", "reply")


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """An application."""
    async with application() as made:
        yield made


@pytest.fixture
def subscribers(app: Application) -> Sequence[Subscriber]:
    """The process knows the application from its start."""
    return (a_subscriber(filter=Filter(names=("text",)), url=app.url),)


async def authorized(scene: Scene) -> bool:
    """Tell whether the process has taken the authorization of the account in."""
    async with scene.store() as store:
        found = await store.authorizations.load(scene.platform, scene.appid)
    return found is not None and found.state is AuthorizationState.ACTIVE


async def settled(scene: Scene, state: DeliveryState) -> bool:
    """Tell whether there are deliveries and all are in a state."""
    async with scene.store() as store:
        found = await store.deliveries.find(limit=1000)
    return bool(found) and all(each.state is state for each in found)


async def test_what_was_in_the_air_or_acknowledged_arrives_after_the_process_was_killed(
    scene: Scene, app: Application
) -> None:
    hanging = True

    async def hangs(request: web.Request) -> web.StreamResponse:
        if hanging:
            await asyncio.sleep(3600)
        return web.Response()

    assert scene.appid not in TEST_ACCOUNTS
    await scene.act("authorize", platform=scene.platform, appid=scene.appid)
    await until(lambda: authorized(scene))
    app.behaviour = hangs
    push = await scene.say("hello")
    assert push["outcome"] in ACKNOWLEDGED, push
    await app.arrived()
    hanging = False
    # One process serves both stories: what was in the air when it was killed, and what was only just said.
    await scene.crash()
    saying = asyncio.create_task(scene.say("just said"))
    await asyncio.sleep(MOMENT_MS / 1000)
    await scene.crash()
    acknowledged = (await saying)["outcome"] in ACKNOWLEDGED
    await scene.advance(LEASE.total_seconds() + 1)
    await until(lambda: settled(scene, DeliveryState.DELIVERED), within=30)
    bodies = [got.body.decode() for got in app.got]
    again = [got.id for got in app.got if "hello" in got.body.decode()]
    assert len(again) == 2
    assert len(set(again)) == 1
    assert not acknowledged or any("just said" in body for body in bodies)
