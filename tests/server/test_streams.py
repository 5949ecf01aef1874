"""The stream of events: everything once and in order, to those who may have it, across cuts and nodes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import add_follower, another_node, authorized_account, until
from tests.harness import Harness, World, listen, serving
from tests.pushing import metric
from tests.server.keys import Holder, holder, request
from tests.server.streaming import PATH, data, ids, record, streaming
from wxgate.custody.clients import ClientScope, Labels
from wxgate.server.asgi import Receive, Scope, Send
from wxgate.server.streams import MOST_STREAMS_EACH, EventStreams

EVENTS = ClientScope.EVENTS


async def reader(world: World, **narrowed: Any) -> Holder:
    """Make a key that may read the stream and nothing else."""
    return await holder(world, EVENTS, **narrowed)


async def label(world: World, appid: str, tag: str) -> None:
    """Write a tag on an account."""
    await world.node.store.labels.change(appid, add=Labels(frozenset({tag})), remove=Labels())
    world.node.targets.forget(appid)


async def test_a_stream_tells_what_happens_from_now_on_in_the_words_of_a_webhook(gateway: World) -> None:
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    key = (await reader(gateway)).key
    await follower.writes("before")
    async with streaming(gateway.gateway_url, key, "?name=message.*") as stream:
        assert stream.answer.content_type == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        await follower.writes("在吗")
        event = await stream.next()
    assert event.event == "message.text"
    assert (data(event)["appid"], data(event)["openid"]) == (account["appid"], follower.openid)
    assert data(event)["fields"]["Content"] == "在吗"
    assert data(event)["platform"] == gateway.platform.appid


async def test_what_was_before_is_told_on_demand(gateway: World) -> None:
    key = (await reader(gateway)).key
    made = [await record(gateway.node) for _ in range(3)]
    async with streaming(gateway.gateway_url, key, "?after=0&name=text") as stream:
        events = await stream.take(3)
    assert ids(events) == made
    async with streaming(gateway.gateway_url, key, f"?after={events[0].id}&name=text") as stream:
        assert ids(await stream.take(2)) == made[1:]


async def test_what_is_only_noted_is_not_told(gateway: World) -> None:
    key = (await reader(gateway)).key
    await record(gateway.node, noted=True)
    told = await record(gateway.node)
    async with streaming(gateway.gateway_url, key, "?after=0&name=text") as stream:
        assert ids([await stream.next()]) == [told]


@pytest.mark.parametrize(
    "query", ["after=soon", "after=-1", "after=1&after=2", "since=1", "name=%00", "name=a b"]
)
async def test_a_question_that_makes_no_sense_is_told_so(gateway: World, query: str) -> None:
    said = await (await reader(gateway)).get(f"{PATH}?{query}")
    assert (said.status, said.error["code"]) == (400, "bad_request")


async def test_an_id_of_another_gateway_is_refused_instead_of_waiting_for_ever(gateway: World) -> None:
    said = await (await reader(gateway)).get(PATH, last_event_id="999999")
    assert said.status == 400
    assert "after=0" in said.error["message"]


async def test_nobody_reads_without_the_scope_or_beyond_the_key(gateway: World) -> None:
    refused = await request(gateway, "GET", PATH, None)
    assert (refused.status, refused.error["code"]) == (401, "no_key")
    refused = await (await holder(gateway, ClientScope.MANAGE)).get(PATH)
    assert (refused.status, refused.error["missing"]) == (403, "kind:events")
    narrow = await reader(gateway, accounts=("wxmine",))
    refused = await narrow.get(f"{PATH}?account=wxtheirs")
    assert (refused.status, refused.error["missing"]) == (403, "account:wxtheirs")
    assert (await narrow.post(PATH)).status == 405


async def test_a_narrow_key_sees_its_own_accounts_and_nothing_of_the_platform(gateway: World) -> None:
    node = gateway.node
    await label(gateway, "wxtagged", "shops")
    narrow = await reader(gateway, accounts=("wxmine",), tags=("shops",))
    await record(node, appid="wxtheirs")
    mine = await record(node, appid="wxmine")
    await record(node, appid="")  # an event of the platform itself, as every ticket is
    tagged = await record(node, appid="wxtagged")
    async with streaming(gateway.gateway_url, narrow.key, "?after=0") as stream:
        assert ids(await stream.take(2)) == [mine, tagged]
    of_platform = await reader(gateway, platforms=("wxother",))
    theirs = await record(node, issuer="wxother")
    async with streaming(gateway.gateway_url, of_platform.key, "?after=0") as stream:
        assert ids([await stream.next()]) == [theirs]


async def test_filters_are_joined_by_and_their_values_by_or(gateway: World) -> None:
    node = gateway.node
    await label(gateway, "wxa", "shops")
    key = (await reader(gateway)).key
    await record(node, appid="wxb", openid="oTester")
    first = await record(node, appid="wxa", openid="oTester")
    await record(node, appid="wxa", openid="oSomebody")
    await record(node, appid="wxa", openid="oTester", name="image")
    second = await record(node, appid="wxa", openid="oOther")
    query = "?after=0&tag=shops&openid=oTester&openid=oOther&name=message.te*"
    async with streaming(gateway.gateway_url, key, query) as stream:
        assert ids(await stream.take(2)) == [first, second]


async def test_cut_again_and_again_nothing_is_lost_and_nothing_doubled(
    tmp_path: Path, database_url: str
) -> None:
    async with (
        Harness(tmp_path, database_url=database_url, ticket=False) as world,
        another_node(world) as (second, address),
    ):
        key = (await reader(world)).key
        many = 60

        async def write(node: Any) -> list[str]:
            return [await record(node) for _ in range(many // 2)]

        writing = [asyncio.create_task(write(node)) for node in (world.node, second)]
        read: list[str] = []
        last_id = "0"
        addresses = [world.gateway_url, address]
        while len(read) < many:
            # Each time through the other node, and cut in the middle.
            async with streaming(addresses[len(read) % 2], key, "?name=text", last_id=last_id) as stream:
                for event in await stream.take(min(5, many - len(read))):
                    read.append(data(event)["id"])
                    last_id = event.id
        made = [each for task in writing for each in await task]
        assert len(read) == len(set(read)) == many
        assert set(read) == set(made)


async def test_what_another_node_records_arrives_too(gateway: World) -> None:
    key = (await reader(gateway)).key
    async with another_node(gateway) as (second, _), streaming(gateway.gateway_url, key) as stream:
        await stream.place()
        made = await record(second)
        assert ids([await stream.next()]) == [made]


async def test_a_stream_ends_when_its_key_is_revoked(gateway: World) -> None:
    someone = await reader(gateway)
    async with streaming(gateway.gateway_url, someone.key, "?after=0") as stream:
        made = await record(gateway.node)
        while ids([await stream.next()]) != [made]:
            pass
        await gateway.node.clients.revoke(someone.client.id)
        await gateway.advance(timedelta(seconds=3))
        await record(gateway.node)
        assert await stream.rest() == []


async def test_a_key_has_so_many_streams_and_gets_them_back(gateway: World) -> None:
    someone = await reader(gateway)
    async with asyncio.timeout(60):
        streams = [streaming(gateway.gateway_url, someone.key) for _ in range(MOST_STREAMS_EACH)]
        for one in streams:
            await (await one.__aenter__()).place()
        assert await metric(gateway, "wxgate_event_streams") == MOST_STREAMS_EACH
        refused = await someone.get(PATH)
        assert (refused.status, refused.error["code"]) == (429, "too_many_attempts")
        for one in streams:
            await one.__aexit__(None, None, None)

        async def all_gone() -> bool:
            return await metric(gateway, "wxgate_event_streams") == 0

        await until(all_gone, seconds=20)
    async with streaming(gateway.gateway_url, someone.key) as stream:
        await stream.place()


async def test_opening_a_stream_is_in_the_audit_log(gateway: World) -> None:
    someone = await reader(gateway)
    async with streaming(gateway.gateway_url, someone.key) as stream:
        await stream.place()
    await gateway.node.audit.flush()
    [line] = await gateway.node.store.audit.read(client=someone.client.id)
    assert (line.action, line.outcome) == ("event_stream", "ok")


async def test_a_silent_stream_says_how_far_it_is(gateway: World) -> None:
    """A filter that lets little through must not make a reader begin far behind after a cut."""
    key = (await reader(gateway)).key
    async with patient(gateway, heartbeat=0.05) as url, streaming(url, key, "?name=image") as stream:
        began = await stream.place()
        await record(gateway.node)
        moved = await stream.place()
        assert int(moved) > int(began)


async def test_streams_end_with_the_node(gateway: World) -> None:
    key = (await reader(gateway)).key
    async with streaming(gateway.gateway_url, key) as stream:
        await stream.place()
        gateway.node.feed.end()
        assert await stream.rest() == []


@asynccontextmanager
async def patient(world: World, heartbeat: float) -> AsyncIterator[str]:
    """Serve the stream alone, with a heartbeat of its own."""
    streams = EventStreams(world.node, heartbeat_seconds=heartbeat)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await streams(scope, receive, send)
            return
        while (event := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        assert event["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})

    with listen() as listener:
        async with serving(app, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
