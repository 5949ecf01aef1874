"""A storm of pushes: every message comes twice, to two nodes, and is one record, one delivery, one reply."""

import asyncio
import contextlib
import os
import random
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.cast import until
from tests.servers.processes import ServerProcess
from tests.storm.pushing import ACCOUNT, AES_KEY, PLATFORM, TOKEN, Sealed, push, seal, subscriber
from wxgate.custody.records import ExchangeSource, FetchedToken, Grant, NewExchange, Platform, PushCredentials
from wxgate.events.records import Filter, Form, Subscriber, SubscriberSecrets
from wxgate.secret import (
    AppSecret,
    AuthorizationCode,
    AuthorizerToken,
    EncodingAESKey,
    PushToken,
    RefreshToken,
    Secret,
)
from wxgate.store import Store
from wxgate.store.keyfile import load_vault
from wxgate.store.tables import deliveries, events

MESSAGES = {"postgres": 10_000, "sqlite": 1_000}
"""How many; two processes on SQLite share one writer, so fewer prove as much."""

CONNECTIONS = 24
"""To each node; enough to keep it busy, few enough that every answer comes long before the deadline."""


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_message_of_a_storm_is_one_record_one_delivery_and_one_reply(
    tmp_path: Path, database_url: str, request: pytest.FixtureRequest
) -> None:
    messages = MESSAGES["sqlite" if database_url.startswith("sqlite") else "postgres"]
    async with subscriber() as receiver:
        store = await Store.open(database_url, load_vault("", tmp_path / "wxgate.key"))
        await prepare(store, receiver.url)
        async with nodes(tmp_path, database_url) as ports:
            parts = await asyncio.to_thread(deal, messages, len(ports))
            rounds = await asyncio.gather(
                *(push(port, part, connections=CONNECTIONS) for port, part in zip(ports, parts, strict=True))
            )
            replies: defaultdict[int, list[str]] = defaultdict(list)
            for number, answer in (each for answers in rounds for each in answers):
                replies[number].append(answer)

            assert len(replies) == messages
            unequal = {n: both for n, both in replies.items() if len(both) != 2 or both[0] != both[1]}
            assert unequal == {}
            assert all(f"you said 第 {number} 条" in both[0] for number, both in replies.items())

            async def all_delivered() -> bool:
                return await count(store, deliveries, "delivered") >= messages

            await until(all_delivered, seconds=300)
            assert len(receiver.came) == messages
            assert receiver.came.total() == messages
            assert await count(store, events, "done") == messages
            assert await count(store, deliveries, "delivered") == messages
        await store.close()


def deal(messages: int, hands: int) -> Sequence[Sequence[Sealed]]:
    """Seal every message twice and deal all attempts to the nodes by chance, nearly in order."""
    now = int(time.time())
    attempts = [seal(number, now=now) for number in range(messages) for _ in range(2)]
    chance = random.Random(20)
    parts: list[list[Sealed]] = [[] for _ in range(hands)]
    for attempt in attempts:
        chance.choice(parts).append(attempt)
    return parts


async def count(store: Store, table: type[events] | type[deliveries], state: str) -> int:
    async with store.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(table.c.state == state))


async def prepare(store: Store, url: str) -> None:
    """Write a platform with one authorised account, and a subscriber."""
    now = datetime.now(UTC)
    credentials = PushCredentials((PushToken(TOKEN),), (EncodingAESKey(AES_KEY),))
    platform = Platform(PLATFORM, "storm", AppSecret("storm"), credentials, Secret("storm"), now)
    await store.platforms.put_platform(platform)
    new = NewExchange(PLATFORM, AuthorizationCode("storm"), ExchangeSource.AUTHORIZED, now, ACCOUNT)
    job = await store.exchanges.open(new, now=now)
    claimed = await store.exchanges.claim(job.id, now=now, ttl=timedelta(seconds=10))
    assert claimed is not None
    access = FetchedToken(AuthorizerToken("storm"), now, now + timedelta(hours=2))
    await store.exchanges.finish(claimed, Grant(ACCOUNT, RefreshToken("storm"), (1,), access), now=now)
    assert await store.subscribers.add(
        Subscriber(
            id="sub_000000000001",
            name="counter",
            form=Form.WEBHOOK,
            url=url,
            filter=Filter(names=("text",)),
            ordered=False,
            envelope_appid="account",
            paused=False,
            paused_reason="",
            secrets=SubscriberSecrets(signing=Secret("whsec_" + b64encode(bytes(24)).decode())),
            previous_until=None,
            failures=0,
            open_until=None,
            last_success_at=None,
            last_failure_at=None,
            last_error="",
            created_at=now,
            updated_at=now,
        )
    )


@contextlib.asynccontextmanager
async def nodes(folder: Path, database_url: str) -> AsyncIterator[list[int]]:
    """Run two nodes on one database."""
    env = {
        "WXGATE_DATABASE_URL": database_url,
        "WXGATE_KEY_FILE": str(folder / "wxgate.key"),
        "WXGATE_API_BASE_URL": "http://127.0.0.1:9",
        "WXGATE_SUBSCRIBER_NETWORKS": "127.0.0.0/8",
        "WXGATE_LOG_LEVEL": "warning",
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
    }
    async with contextlib.AsyncExitStack() as stack:
        both = []
        for name in ("a", "b"):
            node = ServerProcess.wxgate(
                "serve", "--port", "{port}", "--app", "tests.storm.echo:gateway",
                log_file=folder / f"{name}.log", env=env, cwd=folder,
            )  # fmt: skip
            stack.callback(node.kill)
            await node.start()
            both.append(node.port)
        yield both
