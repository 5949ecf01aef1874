"""Subscribers: what is put comes back, secrets and all; failures are counted apart from what is decided."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from tests.store.moments import NOW, after
from wxgate.custody.vault import Vault
from wxgate.events.records import Filter, Form, Subscriber, SubscriberSecrets
from wxgate.secret import EncodingAESKey, PushToken, Secret
from wxgate.store import Store
from wxgate.store.subscribers import DROPPED_AT_ONCE
from wxgate.store.tables import deliveries

SUBSCRIBER = Subscriber(
    id="sub_000000000001",
    name="Shop 商店",
    form=Form.WEBHOOK,
    url="https://shop.example.com/events",
    filter=Filter(platforms=("wxplatform",), names=("event.*", "text"), openids=("o-tester",)),
    ordered=True,
    envelope_appid="account",
    paused=False,
    paused_reason="",
    secrets=SubscriberSecrets(
        signing=Secret("whsec_current"),
        previous_signing=Secret("whsec_previous"),
        token=PushToken("subscriber-token"),
        aes_key=EncodingAESKey("s" * 43),
    ),
    previous_until=after(3600),
    failures=0,
    open_until=None,
    last_success_at=None,
    last_failure_at=None,
    last_error="",
    created_at=NOW,
    updated_at=NOW,
)


def subscriber(number: int = 1, **changes: Any) -> Subscriber:
    """Make a subscriber of its own name."""
    return replace(SUBSCRIBER, id=f"sub_{number:012x}", name=f"app {number}", **changes)


async def load(store: Store, one: Subscriber) -> Subscriber:
    loaded = await store.subscribers.load(one.id)
    assert loaded is not None
    return loaded


async def test_a_subscriber_comes_back_with_its_secrets(store: Store) -> None:
    assert await store.subscribers.add(SUBSCRIBER)
    assert await load(store, SUBSCRIBER) == SUBSCRIBER
    bare = subscriber(2, filter=Filter(), secrets=SubscriberSecrets())
    assert await store.subscribers.add(bare)
    assert await store.subscribers.list_subscribers() == [SUBSCRIBER, bare]


async def test_an_unknown_subscriber_is_none_and_cannot_be_changed(store: Store) -> None:
    assert await store.subscribers.load("sub_nobody") is None
    assert not await store.subscribers.change(SUBSCRIBER, was=NOW)
    assert not await store.subscribers.remove(SUBSCRIBER.id)
    assert not await store.subscribers.pause(SUBSCRIBER.id, reason="", now=NOW)
    assert not await store.subscribers.resume(SUBSCRIBER.id, now=NOW)


async def test_a_name_is_taken_once(store: Store) -> None:
    assert await store.subscribers.add(subscriber(1))
    assert not await store.subscribers.add(replace(subscriber(2), name="app 1"))
    assert await store.subscribers.add(subscriber(2))
    assert not await store.subscribers.change(replace(subscriber(2), name="app 1"), was=NOW)
    assert [one.name for one in await store.subscribers.list_subscribers()] == ["app 1", "app 2"]


async def test_a_change_replaces_what_is_decided_and_leaves_how_it_went(store: Store) -> None:
    await store.subscribers.add(SUBSCRIBER)
    await store.subscribers.note_failure(
        SUBSCRIBER.id, error="refused", failures=3, open_until=after(30), now=after(1)
    )
    await store.subscribers.pause(SUBSCRIBER.id, reason="410", now=after(2))
    wanted = replace(
        SUBSCRIBER,
        name="renamed",
        url="https://elsewhere.example.com/",
        filter=Filter(accounts=("wxaccount",)),
        ordered=False,
        secrets=SubscriberSecrets(signing=Secret("whsec_next")),
        updated_at=after(3),
    )
    assert not await store.subscribers.change(wanted, was=NOW)
    assert await store.subscribers.change(wanted, was=after(2))
    assert await load(store, SUBSCRIBER) == replace(
        wanted,
        paused=True,
        paused_reason="410",
        failures=3,
        open_until=after(30),
        last_failure_at=after(1),
        last_error="refused",
    )


async def test_resuming_forgets_the_failures(store: Store) -> None:
    await store.subscribers.add(SUBSCRIBER)
    await store.subscribers.note_failure(
        SUBSCRIBER.id, error="time-out", failures=12, open_until=after(60), now=NOW
    )
    assert await store.subscribers.pause(SUBSCRIBER.id, reason="by hand", now=after(1))
    assert await store.subscribers.resume(SUBSCRIBER.id, now=after(2))
    now = await load(store, SUBSCRIBER)
    assert (now.paused, now.paused_reason, now.failures, now.open_until) == (False, "", 0, None)
    assert now.last_error == "time-out"


async def test_a_success_ends_a_run_of_failures_and_its_time_is_kept_to_some_seconds(store: Store) -> None:
    await store.subscribers.add(SUBSCRIBER)
    await store.subscribers.note_failure(
        SUBSCRIBER.id, error="refused", failures=12, open_until=after(60), now=NOW
    )
    await store.subscribers.note_success(SUBSCRIBER.id, now=after(1))
    first = await load(store, SUBSCRIBER)
    assert (first.failures, first.open_until, first.last_success_at) == (0, None, after(1))
    await store.subscribers.note_success(SUBSCRIBER.id, now=after(2))
    assert (await load(store, SUBSCRIBER)).last_success_at == after(1)
    later = after(1) + timedelta(minutes=1)
    await store.subscribers.note_success(SUBSCRIBER.id, now=later)
    assert (await load(store, SUBSCRIBER)).last_success_at == later


async def test_one_whose_secrets_do_not_open_does_not_stop_the_others(store: Store) -> None:
    await store.subscribers.add(subscriber(1))
    await store.subscribers.add(subscriber(2))
    async with store.database.write() as connection:
        await connection.execute(
            text(
                "UPDATE subscribers SET secrets = (SELECT other.secrets FROM subscribers other"
                " WHERE other.name = 'app 2') WHERE name = 'app 1'"
            )
        )
    assert await store.subscribers.list_subscribers() == [subscriber(2)]


async def queue(store: Store, subscriber_id: str, count: int) -> None:
    row = {"subscriber": subscriber_id, "appid": "wx", "ordered": True, "state": "pending", "attempts": 0}
    row |= {"first_at": NOW, "not_before": NOW, "error": "", "replays": 0}
    async with store.database.write() as connection:
        await connection.execute(
            insert(deliveries), [{**row, "event_id": number} for number in range(1, count + 1)]
        )


async def count_deliveries(store: Store) -> int:
    async with store.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(deliveries)) or 0


async def test_a_removed_subscriber_takes_its_deliveries_along(store: Store) -> None:
    for number in (1, 2):
        await store.subscribers.add(subscriber(number))
        await queue(store, subscriber(number).id, DROPPED_AT_ONCE + 1)
    assert await store.subscribers.remove(subscriber(1).id)
    assert await store.subscribers.load(subscriber(1).id) is None
    assert {one.subscriber for one in await store.deliveries.find()} == {subscriber(2).id}
    assert await count_deliveries(store) == DROPPED_AT_ONCE + 1


@pytest.mark.postgres
async def test_a_removed_subscriber_is_gone_before_all_its_deliveries_are(
    postgres_url: str, vault: Vault
) -> None:
    """Somebody holds the last one: what comes before it is deleted and committed already."""
    store = await Store.open(postgres_url, vault)
    await store.subscribers.add(subscriber(1))
    await queue(store, subscriber(1).id, DROPPED_AT_ONCE + 1)
    async with store.database.write() as connection:
        last = select(func.max(deliveries.c.id)).scalar_subquery()
        await connection.execute(select(deliveries.c.id).where(deliveries.c.id == last).with_for_update())
        removing = asyncio.create_task(store.subscribers.remove(subscriber(1).id))
        async with asyncio.timeout(9):
            while await count_deliveries(store) > 1:  # noqa: ASYNC110 (a commit gives no event)
                await asyncio.sleep(0.01)
        assert not removing.done()
        assert await store.subscribers.load(subscriber(1).id) is None
    assert await removing
    assert await count_deliveries(store) == 0
    async with store.database.write() as connection:
        await connection.execute(text("TRUNCATE deliveries, subscribers"))
    await store.close()


async def test_what_is_queued_for_one_that_is_gone_is_dropped_a_little_at_a_time(store: Store) -> None:
    await store.subscribers.add(subscriber(2))
    for number in (1, 2, 3):
        await queue(store, subscriber(number).id, 3)
    dropped = []
    while some := await store.subscribers.drop_orphans(limit=2):
        dropped.append(some)
    assert dropped == [2, 1, 2, 1]
    assert {one.subscriber for one in await store.deliveries.find()} == {subscriber(2).id}
