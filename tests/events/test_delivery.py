"""Delivery over HTTP: to applications that are quick, slow, dead, lying, redirecting or flooding."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks import Webhook

from tests.cast import add_follower, another_node, authorized_account, until
from tests.events.application import Application, application
from tests.harness import Harness, World
from tests.pushing import metric
from wxgate.errors import ConfigError, NotFound
from wxgate.events.delivery import LEASE, QUICK_PLACES
from wxgate.events.policies import ReplyPolicy
from wxgate.events.records import (
    Delivery,
    DeliveryState,
    EventKind,
    Filter,
    NewEvent,
    Subscriber,
    SubscriberSecrets,
)
from wxgate.events.schedule import FAILURES, LIFETIME
from wxgate.events.subscribing import PREVIOUS_KEPT
from wxgate.events.topics import public_id
from wxgate.secret import Secret
from wxgate.server.node import Node

NUMBERS = count(1)

SECOND = timedelta(seconds=1)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway that may deliver to this machine."""
    async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
        yield world


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """An application."""
    async with application() as made:
        yield made


async def add(world: World, app: Application, name: str = "crm", **fields: Any) -> Subscriber:
    """Add a subscriber of everything, unless it is said otherwise."""
    return await world.node.delivering.subscriptions.add(name=name, url=app.url, **fields)


async def bring(
    world: World, appid: str = "wxshop", name: str = "text", *, node: Node | None = None, start: bool = True
) -> int:
    """Record an event as a push does; return its id. Unless `start`, it waits for whoever looks next."""
    at = node or world.node
    now = world.clock.now()
    new = NewEvent(
        dedup_key=f"event {next(NUMBERS)}",
        issuer=world.platform.appid,
        appid=appid,
        kind=EventKind.MESSAGE,
        name=name,
        openid="oUser",
        msg_id=None,
        created_at=int(now.timestamp()),
        received_at=now,
        source_ip="192.0.2.1",
        fields={"ToUserName": "gh_shop", "FromUserName": "oUser", "MsgType": name, "Content": "在吗"},
    )
    fanout = at.delivering.subscribers.matching(new)
    lease = now + timedelta(hours=1)
    recorded = await at.store.inbox.record(new, holder="test", lease_until=lease, fanout=fanout)
    if start:
        at.delivering.deliverer.kick()
    return recorded.event.id


async def deliveries(world: World, subscriber: Subscriber) -> Sequence[Delivery]:
    """List a subscriber's deliveries, oldest first."""
    found = await world.node.store.deliveries.find(subscriber_id=subscriber.id, limit=1000)
    return sorted(found, key=lambda delivery: delivery.id)


async def in_state(world: World, subscriber: Subscriber, *states: DeliveryState) -> Sequence[Delivery]:
    """Wait until a subscriber's deliveries are in these states, in their order."""

    async def so() -> bool:
        return [each.state for each in await deliveries(world, subscriber)] == list(states)

    await until(so, seconds=20)
    return await deliveries(world, subscriber)


async def tried(world: World, subscriber: Subscriber, attempts: int) -> Delivery:
    """Wait until the one delivery has been tried so often and is put off or over."""

    async def so() -> bool:
        [one] = await deliveries(world, subscriber)
        return one.attempts == attempts and one.state is not DeliveryState.SENDING

    await until(so, seconds=20)
    [one] = await deliveries(world, subscriber)
    return one


async def loaded(world: World, subscriber: Subscriber) -> Subscriber:
    """Load a subscriber as it stands."""
    return await world.node.delivering.subscriptions.require(subscriber.id)


async def test_a_push_of_wechat_reaches_the_application(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    await follower.writes("在吗")

    async def texted() -> bool:
        return any(b"message.text" in got.body for got in app.got)

    await until(texted, seconds=20)
    secret = subscriber.secrets.signing
    assert secret is not None
    told = [Webhook(secret.reveal()).verify(got.body, got.headers) for got in app.got]
    types = {document["type"]: document["data"] for document in told}
    assert types["message.text"]["fields"]["Content"] == "在吗"
    assert types["message.text"]["openid"] == follower.openid
    assert types["component.authorized"]["fields"]["AuthorizationCode"] == "****"
    assert "component.component_verify_ticket" not in types


async def test_a_filter_says_who_gets_what(gateway: World, app: Application) -> None:
    async with application() as staging:
        await add(gateway, app, "crm", filter=Filter(names=("text",)))
        await add(gateway, staging, "staging", filter=Filter(openids=("oTester",)))
        await bring(gateway, name="image")
        event_id = await bring(gateway, name="text")
        await app.arrived()
        await gateway.node.delivering.deliverer.drain()
        assert app.ids == [f"evt_{event_id}"]
        assert staging.got == []


async def test_a_filter_by_tag_follows_the_tags(gateway: World, app: Application) -> None:
    from wxgate.custody.clients import Labels

    await add(gateway, app, filter=Filter(tags=("shops",)))
    await bring(gateway)
    await gateway.node.store.labels.change("wxshop", add=Labels(frozenset({"shops"})), remove=Labels())
    await gateway.node.delivering.subscribers.refresh()
    event_id = await bring(gateway)
    await app.arrived()
    assert app.ids == [f"evt_{event_id}"]


async def test_one_that_hangs_does_not_delay_another(gateway: World, app: Application) -> None:
    async with application() as hanging:
        release = asyncio.Event()

        async def hangs(request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.Response()

        hanging.behaviour = hangs
        slow = await add(gateway, hanging, "slow")
        await add(gateway, app, "quick")
        ids = [await bring(gateway) for _ in range(40)]
        await app.arrived(40)
        assert sorted(app.ids) == sorted(f"evt_{each}" for each in ids)
        release.set()
        await in_state(gateway, slow, *[DeliveryState.DELIVERED] * 40)
        assert hanging.most_in_air <= 16


@pytest.mark.parametrize("ordered", [False, True])
async def test_one_look_is_enough_for_all_that_is_due(
    gateway: World, app: Application, ordered: bool
) -> None:
    """However many end together, what is still due goes on without anybody looking again."""

    async def thinks(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)  # so that the lane has looked for more in vain
        return web.Response()

    app.behaviour = thinks
    await gateway.node.runner.stop()
    subscriber = await add(gateway, app, ordered=ordered)
    count = 10 if ordered else 6 * QUICK_PLACES
    for _ in range(count):
        await bring(gateway, start=False)
    await gateway.node.delivering.deliverer.look()
    await gateway.node.delivering.deliverer.drain()
    assert len(app.got) == count
    await in_state(gateway, subscriber, *[DeliveryState.DELIVERED] * count)
    assert app.most_in_air == 1 if ordered else app.most_in_air <= QUICK_PLACES


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_attempt_that_hangs_does_not_delay_what_comes_after_it(
    gateway: World, app: Application, ordered: bool
) -> None:
    release = asyncio.Event()

    async def hangs_for_one(request: web.Request) -> web.StreamResponse:
        if b"wxslow" in await request.read():
            await release.wait()
        return web.Response()

    app.behaviour = hangs_for_one
    await gateway.node.runner.stop()
    deliverer = gateway.node.delivering.deliverer
    subscriber = await add(gateway, app, ordered=ordered)
    for number, appid in enumerate(("wxslow", "wxa", "wxb", "wxc"), start=1):
        await bring(gateway, appid, start=False)
        await deliverer.look()
        await app.arrived(number)
        await asyncio.sleep(0.03)  # the lane has nothing left to find and waits
    release.set()
    await deliverer.drain()
    await in_state(gateway, subscriber, *[DeliveryState.DELIVERED] * 4)


async def test_one_that_fails_is_tried_again_by_the_schedule(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    app.status = 500
    event_id = await bring(gateway)
    first = await tried(gateway, subscriber, 1)
    assert (first.state, first.status, first.error) == (DeliveryState.PENDING, 500, "HTTP 500")
    assert 3.9 <= (first.not_before - first.first_at).total_seconds() <= 16
    app.status = 204
    await gateway.advance(timedelta(seconds=7))
    done = await tried(gateway, subscriber, 2)
    assert done.state is DeliveryState.DELIVERED
    assert app.ids == [f"evt_{event_id}"] * 2
    assert await metric(gateway, "wxgate_deliveries_total", subscriber="crm", outcome="failed") == 1
    assert await metric(gateway, "wxgate_deliveries_total", subscriber="crm", outcome="delivered") == 1


async def test_one_that_is_away_is_told_in_words(gateway: World) -> None:
    async with application() as app:
        subscriber = await add(gateway, app)
    await bring(gateway)
    first = await tried(gateway, subscriber, 1)
    assert (first.state, first.status) == (DeliveryState.PENDING, None)
    assert "127.0.0.1 gave no answer" in first.error
    await gateway.node.delivering.deliverer.drain()  # the subscriber's own record is written after it
    assert (await loaded(gateway, subscriber)).last_error == first.error


async def test_a_redirect_is_a_failure_that_names_the_cure(gateway: World, app: Application) -> None:
    async with application() as inner:
        app.status, app.headers = 308, {"location": inner.url}
        subscriber = await add(gateway, app)
        await bring(gateway)
        first = await tried(gateway, subscriber, 1)
        assert first.state is DeliveryState.PENDING
        assert first.error == f"HTTP 308 to {inner.url}: redirects are not followed; give the final URL"
        assert inner.got == []


async def test_ten_megabytes_in_the_answer_do_no_harm(gateway: World, app: Application) -> None:
    app.body = bytes(10 * 1024 * 1024)
    subscriber = await add(gateway, app)
    await bring(gateway)
    await in_state(gateway, subscriber, DeliveryState.DELIVERED)


async def test_retry_after_is_respected(gateway: World, app: Application) -> None:
    app.status, app.headers = 429, {"retry-after": "300"}
    subscriber = await add(gateway, app)
    await bring(gateway)
    first = await tried(gateway, subscriber, 1)
    assert 295 <= (first.not_before - gateway.clock.now()).total_seconds() <= 300


async def test_410_pauses_and_resuming_sends_what_waited(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    app.status = 410
    await bring(gateway)

    async def paused() -> bool:
        return (await loaded(gateway, subscriber)).paused

    await until(paused, seconds=20)
    assert "410" in (await loaded(gateway, subscriber)).paused_reason
    await bring(gateway)
    app.status = 200
    assert len(app.got) == 1
    await gateway.node.delivering.subscriptions.resume("crm")
    await in_state(gateway, subscriber, DeliveryState.DELIVERED, DeliveryState.DELIVERED)


async def test_many_failures_cut_a_subscriber_off_until_a_trial(gateway: World, app: Application) -> None:
    app.status = 503
    subscriber = await add(gateway, app)
    for _ in range(30):
        await bring(gateway)

    async def cut_off() -> bool:
        return (await loaded(gateway, subscriber)).open_until is not None

    await until(cut_off, seconds=20)
    await gateway.node.delivering.deliverer.drain()
    sent = len(app.got)
    assert FAILURES <= sent < 30
    await gateway.advance(timedelta(seconds=31))
    await app.arrived(sent + 1)
    await gateway.node.delivering.deliverer.drain()
    assert len(app.got) == sent + 1
    assert (await loaded(gateway, subscriber)).failures == FAILURES + 1
    app.status = 200
    await gateway.advance(timedelta(seconds=61))
    await in_state(gateway, subscriber, *[DeliveryState.DELIVERED] * 30)
    assert (await loaded(gateway, subscriber)).failures == 0


async def test_after_a_day_it_is_dead_and_can_be_replayed(gateway: World, app: Application) -> None:
    app.status = 500
    subscriber = await add(gateway, app)
    event_id = await bring(gateway)
    await tried(gateway, subscriber, 1)
    await gateway.advance(LIFETIME)
    await tried(gateway, subscriber, 2)
    await gateway.advance(timedelta(minutes=1))
    dead = await tried(gateway, subscriber, 3)
    assert dead.state is DeliveryState.DEAD
    app.status = 200
    queued = await gateway.node.store.deliveries.replay(subscriber.id, [event_id], now=gateway.clock.now())
    gateway.node.delivering.deliverer.kick()
    assert queued == 1
    await in_state(gateway, subscriber, DeliveryState.DELIVERED)
    assert app.ids == [f"evt_{event_id}"] * 4
    assert b'"replay":true' in app.got[-1].body


async def test_the_order_of_an_account_is_kept_over_retries(gateway: World, app: Application) -> None:
    failing = True

    async def fails_first(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if failing and b"wxshop" in await request.read() else 200)

    app.behaviour = fails_first
    subscriber = await add(gateway, app, ordered=True)
    shop = [await bring(gateway, "wxshop") for _ in range(5)]
    other = [await bring(gateway, "wxother") for _ in range(5)]

    async def others_done() -> bool:
        states = {each.event_id: each.state for each in await deliveries(gateway, subscriber)}
        return all(states[each] is DeliveryState.DELIVERED for each in other)

    await until(others_done, seconds=20)
    failing = False
    await gateway.advance(timedelta(seconds=10))
    await in_state(gateway, subscriber, *[DeliveryState.DELIVERED] * 10)
    arrived = [int(each.removeprefix("evt_")) for each in app.ids]
    assert [each for each in arrived if each in other] == other
    assert [each for each in arrived if each in shop][-5:] == shop
    assert {each for each in arrived if each in shop[1:]} == set(shop[1:])
    assert all(arrived.count(each) == 1 for each in shop[1:])


async def test_two_nodes_deliver_each_event_once(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    async with another_node(gateway) as (second, _):
        ids = []
        for _ in range(25):
            ids += [await bring(gateway), await bring(gateway, node=second)]
        await in_state(gateway, subscriber, *[DeliveryState.DELIVERED] * 50)
    assert sorted(app.ids) == sorted(f"evt_{each}" for each in ids)


async def test_what_a_dead_node_held_is_sent_when_its_lease_has_ended(
    gateway: World, app: Application
) -> None:
    subscriber = await add(gateway, app)
    await gateway.node.delivering.subscriptions.pause("crm")
    event_id = await bring(gateway)
    store, now = gateway.node.store, gateway.clock.now()
    await store.subscribers.resume(subscriber.id, now=now)
    [claimed] = await store.deliveries.claim(
        subscriber.id, holder="a dead node", now=now, lease_until=now + LEASE, limit=1
    )
    assert claimed.event_id == event_id
    await gateway.advance(LEASE + SECOND)
    await in_state(gateway, subscriber, DeliveryState.DELIVERED)
    assert app.ids == [f"evt_{event_id}"]


async def test_a_node_that_stops_gives_back_what_is_in_the_air(gateway: World, app: Application) -> None:
    hanging = True

    async def hangs(request: web.Request) -> web.StreamResponse:
        if hanging:
            await asyncio.sleep(3600)
        return web.Response()

    app.behaviour = hangs
    subscriber = await add(gateway, app)
    async with another_node(gateway) as (second, _):
        # Only the second one sends; the first takes over what it gives back.
        await gateway.node.runner.stop()
        await second.delivering.subscribers.refresh()
        await bring(gateway, node=second)
        await app.arrived()
    hanging = False
    [given_back] = await deliveries(gateway, subscriber)
    assert (given_back.state, given_back.error) == (DeliveryState.PENDING, "the node was stopped")
    await gateway.node.delivering.deliverer.look()
    await in_state(gateway, subscriber, DeliveryState.DELIVERED)


async def test_a_forgotten_event_is_skipped(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    await gateway.node.delivering.subscriptions.pause("crm")
    event_id = await bring(gateway)
    await gateway.node.store.deliveries.replay(subscriber.id, [event_id], now=gateway.clock.now())
    await gateway.node.store.event_log.forget("oUser")
    await gateway.node.delivering.subscriptions.resume("crm")
    await gateway.node.delivering.deliverer.look()
    await gateway.node.delivering.deliverer.drain()
    assert app.got == []


async def test_a_new_secret_signs_beside_the_previous_one(gateway: World, app: Application) -> None:
    before = await add(gateway, app)
    after = await gateway.node.delivering.subscriptions.rotate_secret("crm")
    await bring(gateway)
    [got] = await app.arrived()
    for secret in (before.secrets.signing, after.secrets.signing):
        assert secret is not None
        Webhook(secret.reveal()).verify(got.body, got.headers)
    assert len(got.headers["webhook-signature"].split()) == 2


async def test_a_secret_that_was_promised_longer_is_not_dropped(gateway: World, app: Application) -> None:
    subscriptions = gateway.node.delivering.subscriptions
    await add(gateway, app)
    first = await subscriptions.rotate_secret("crm")
    with pytest.raises(ConfigError, match=r"good until .*--hours 0"):
        await subscriptions.rotate_secret("crm")
    assert (await loaded(gateway, first)).secrets == first.secrets
    only = await subscriptions.rotate_secret("crm", keep_previous=timedelta(0))
    assert only.secrets.previous_signing is None
    again = await subscriptions.rotate_secret("crm")
    gateway.clock.offset += PREVIOUS_KEPT
    last = await subscriptions.rotate_secret("crm")
    assert last.secrets.previous_signing == again.secrets.signing


async def test_changes_at_the_same_time_are_all_kept(gateway: World, app: Application) -> None:
    subscriptions = gateway.node.delivering.subscriptions
    subscriber = await add(gateway, app)
    filters = (
        subscriptions.change(
            subscriber.id, filter=lambda before, tag=tag: replace(before, tags=(*before.tags, tag))
        )
        for tag in "abcd"
    )
    rotated, *_ = await asyncio.gather(
        subscriptions.rotate_secret(subscriber.id),
        subscriptions.change(subscriber.id, ordered=True),
        subscriptions.change(subscriber.id, name="shop"),
        *filters,
    )
    now = await loaded(gateway, subscriber)
    assert now.secrets == rotated.secrets
    assert (now.ordered, now.name, sorted(now.filter.tags)) == (True, "shop", list("abcd"))
    with pytest.raises(ConfigError, match="another subscriber 'shop'"):
        await subscriptions.change((await add(gateway, app, name="other")).id, name="shop")


async def test_a_removed_subscriber_gets_nothing_more(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    await gateway.node.delivering.subscriptions.remove(subscriber.id)
    await bring(gateway)
    with pytest.raises(NotFound):
        await loaded(gateway, subscriber)
    assert await deliveries(gateway, subscriber) == []


async def test_the_gateways_own_news_are_delivered(gateway: World, app: Application) -> None:
    from wxgate.custody.records import Evidence
    from wxgate.custody.states import Trigger

    account = await authorized_account(gateway)
    await add(gateway, app, filter=Filter(names=("wxgate.*",)))
    node = gateway.node
    held = await node.store.authorizations.load(gateway.platform.appid, account["appid"])
    assert held is not None
    evidence = Evidence(
        platform=held.platform,
        appid=held.appid,
        reason="test",
        held=held.refresh_token,
        event_at=held.event_at,
        link="https://wx.example.com/authorize",
    )
    await node.store.authorizations.observe(evidence, Trigger.REFUSED, now=gateway.clock.now())
    [got] = await app.arrived()
    assert b'"type":"wxgate.' in got.body
    assert b"https://wx.example.com/authorize" in got.body


@pytest.mark.parametrize("form", ["webhook", "wechat"])
async def test_a_subscriber_can_be_tried(gateway: World, app: Application, form: str) -> None:
    from wxgate.events.records import Form

    await add(gateway, app, form=Form(form))
    subscriptions = gateway.node.delivering.subscriptions
    good = await subscriptions.test("crm")
    assert (good.ok, good.status, good.error) == (True, 200, "")
    app.status = 401
    bad = await subscriptions.test("crm")
    assert (bad.ok, bad.status) == (False, 401)
    assert "does the subscriber have the secret" in bad.error
    assert (b"wxgate.test" in app.got[0].body) is (form == "webhook")


async def test_names_and_addresses_are_checked_when_one_is_added(gateway: World, app: Application) -> None:
    subscriptions = gateway.node.delivering.subscriptions
    await add(gateway, app)
    with pytest.raises(ConfigError, match="already"):
        await add(gateway, app)
    with pytest.raises(ConfigError, match="WXGATE_SUBSCRIBER_NETWORKS"):
        await subscriptions.add(name="inner", url="http://10.0.0.1/")
    with pytest.raises(ConfigError, match="no pattern"):
        await subscriptions.change("crm", filter=Filter(names=("a b",)))
    with pytest.raises(ConfigError, match="for the form wechat"):
        await subscriptions.add(name="other", url=app.url, token="abc")
    with pytest.raises(NotFound, match="subscriber list"):
        await subscriptions.require("nobody")
    changed = await subscriptions.change("crm", name="crm2", ordered=True)
    assert (changed.name, changed.ordered, changed.secrets) == (
        "crm2",
        True,
        (await loaded(gateway, changed)).secrets,
    )


async def test_nothing_of_a_secret_is_printed(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    secret = subscriber.secrets.signing
    assert secret is not None
    assert secret.reveal() not in repr(subscriber)
    assert isinstance(subscriber.created_at, datetime)


async def test_a_webhook_that_replies_for_an_account_answers_its_user(
    gateway: World, app: Application
) -> None:
    app.body = '{"reply": "在的"}'.encode()
    subscriber = await add(gateway, app, filter=Filter(names=("event.*",)))
    account = await authorized_account(gateway)
    policy = ReplyPolicy(appid=account["appid"], replier=subscriber.id, updated_at=gateway.clock.now())
    await gateway.node.store.policies.put_policy(policy)
    follower = await add_follower(gateway, account["appid"])
    before = len(app.got)
    await follower.writes("在吗")

    async def answered() -> bool:
        return bool(await follower.sees())

    await until(answered, seconds=20)
    assert [seen["content"] for seen in await follower.sees()] == ["在的"]
    [got] = app.got[before:]
    assert b'"reply_expected":true' in got.body


async def corrupt(world: World, statement: str, **values: Any) -> None:
    """Put something into the database that no code of ours would."""
    async with world.node.store.database.write() as connection:
        await connection.execute(text(statement), values)


async def test_what_cannot_be_sent_is_a_failure_and_dead_in_the_end(gateway: World, app: Application) -> None:
    """A row that nobody can read is neither tried for ever nor in the way of those that can be sent."""
    subscriber = await add(gateway, app)
    other = await bring(gateway)
    await app.arrived()
    await in_state(gateway, subscriber, DeliveryState.DELIVERED)
    await gateway.node.delivering.subscriptions.pause("crm")  # or it is delivered before it is spoilt
    await gateway.node.delivering.deliverer.drain()
    bad, good = await bring(gateway, start=False), await bring(gateway, start=False)
    await corrupt(gateway, "UPDATE events SET kind = 'nonsense' WHERE id = :id", id=bad)
    await gateway.node.delivering.subscriptions.resume("crm")
    states = (DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.DELIVERED)
    _, failed, _ = await in_state(gateway, subscriber, *states)
    assert app.ids == [public_id(other), public_id(good)]
    assert (failed.attempts, failed.holder, failed.not_before > gateway.clock.now()) == (1, None, True)
    assert failed.error.startswith("an unforeseen ValueError")
    assert "nonsense" not in failed.error
    for attempts in (2, 3):
        await gateway.advance(LIFETIME)

        async def again(attempts: int = attempts) -> bool:
            one = (await deliveries(gateway, subscriber))[1]
            return one.attempts == attempts and one.state is not DeliveryState.SENDING

        await until(again, seconds=20)
    assert (await deliveries(gateway, subscriber))[1].state is DeliveryState.DEAD


async def test_a_secret_that_is_none_is_a_failure_in_words(gateway: World, app: Application) -> None:
    subscriber = await add(gateway, app)
    broken = replace(subscriber, secrets=SubscriberSecrets(signing=Secret("whsec_a")))
    assert await gateway.node.store.subscribers.change(broken, was=subscriber.updated_at)
    await bring(gateway)
    failed = await tried(gateway, subscriber, 1)
    assert failed.state is DeliveryState.PENDING
    assert "rotate-secret" in failed.error
    tested = await gateway.node.delivering.subscriptions.test("crm")
    assert (tested.ok, tested.status, tested.error) == (False, None, failed.error)


async def test_a_given_secret_that_is_none_is_refused(gateway: World, app: Application) -> None:
    subscriptions = gateway.node.delivering.subscriptions
    before = await add(gateway, app)
    for secret in ("whsec_a", "whsec_not base64 at all!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_口令"):
        with pytest.raises(ConfigError, match="a signing secret is whsec_"):
            await add(gateway, app, name="other", signing_secret=secret)
        with pytest.raises(ConfigError, match="a signing secret is whsec_"):
            await subscriptions.rotate_secret("crm", signing_secret=secret)
    assert await subscriptions.list_subscribers() == [await loaded(gateway, before)]
    assert (await loaded(gateway, before)).secrets == before.secrets
