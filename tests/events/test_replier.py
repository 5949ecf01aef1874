"""An application replies to an account's users: asked as a subscriber, answered for when it fails."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cast import Follower, add_follower, authorized_account, settle, until
from tests.events.application import Application, application
from tests.events.test_wechatpy_server import Shop, add, serving
from tests.harness import Harness, World
from tests.pushing import recorded
from wxgate.events.handlers import Handlers
from wxgate.events.records import DeliveryState, Event, ReplyState, Subscriber


@dataclass
class Counter:
    """A gateway whose replier is an application, and whose handler observes."""

    world: World
    app: Application
    bot: Subscriber
    follower: Follower
    heard: list[str] = field(default_factory=list)

    async def event(self) -> Event:
        """Return the record of the message, once it has ended."""
        await settle(self.world)
        [event] = [each for each in await recorded(self.world, self.follower.appid) if each.openid]
        return event

    async def seen(self) -> list[tuple[str, str]]:
        """List what the user saw."""
        return [(each["from"], each["content"]) for each in await self.follower.sees()]

    async def policy(self, **changes: Any) -> None:
        """Change the account's policy."""
        await self.world.node.replies.set(self.follower.appid, **changes)

    async def delivery(self) -> tuple[DeliveryState, int]:
        """Tell how the delivery of the message to the application ended, and after how many attempts."""
        [found] = await self.world.node.store.deliveries.find(subscriber_id=self.bot.id)
        return found.state, found.attempts


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    """The application is the account's replier."""
    handlers = Handlers()
    async with (
        application() as app,
        Harness(tmp_path, handlers=handlers, subscriber_networks="127.0.0.0/8") as world,
    ):
        account = await authorized_account(world)
        bot = await world.node.delivering.subscriptions.add(name="bot", url=app.url)
        counter = Counter(world, app, bot, await add_follower(world, account["appid"]))

        def hear(message: Any) -> str:
            counter.heard.append(message.content)
            return "a handler's word"

        handlers.add(("text",), hear)
        await counter.policy(replier=bot.id)
        app.got.clear()
        yield counter


def answering(**document: Any) -> bytes:
    """Write an application's answer."""
    return json.dumps(document).encode()


async def test_what_the_application_answers_is_the_reply_and_the_handler_observes(counter: Counter) -> None:
    counter.app.body = answering(reply="您好")
    push = await counter.follower.writes("在吗")
    assert push["outcome"] == "reply"
    assert await counter.seen() == [("passive", "您好")]
    event = await counter.event()
    assert (event.state, event.reply_state, event.replier) == ("done", ReplyState.CARRIED, counter.bot.id)
    assert event.error == f"the handler's reply was not sent: {counter.bot.id} replies for the account"
    assert counter.heard == ["在吗"]
    assert [json.loads(got.body)["data"]["reply_expected"] for got in counter.app.got] == [True]
    assert await counter.delivery() == (DeliveryState.DELIVERED, 1)


async def test_an_application_that_says_nothing_is_silent(counter: Counter) -> None:
    push = await counter.follower.writes()
    assert push["attempts"][0]["body"] == "success"
    assert (await counter.event()).reply_state is ReplyState.CLOSED


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"<html>trace</html>", "500"),
        (200, b"<html>hello</html>", "JSON"),
        (200, answering(reply={"type": "hologram"}), "hologram"),
        (200, answering(reply="字" * 700), "2048"),
    ],
)
async def test_nonsense_never_reaches_the_user_and_is_told_in_words(
    counter: Counter, status: int, body: bytes, words: str
) -> None:
    counter.app.status, counter.app.body = status, body
    push = await counter.follower.writes()
    assert [attempt["body"] for attempt in push["attempts"]] == ["success"]
    assert await counter.seen() == []
    event = await counter.event()
    assert event.state == "failed"
    assert words in event.error


async def test_the_default_text_stands_in_for_an_application_that_is_gone(counter: Counter) -> None:
    await counter.policy(default_text="稍后回复您")
    counter.app.status = 503
    push = await counter.follower.writes()
    assert push["outcome"] == "reply"
    assert await counter.seen() == [("passive", "稍后回复您")]


async def test_a_replier_that_was_removed_is_named(counter: Counter) -> None:
    await counter.world.node.delivering.subscriptions.remove(counter.bot.id)
    push = await counter.follower.writes()
    assert push["outcome"] == "success"
    assert "removed" in (await counter.event()).error


async def test_a_slow_application_is_waited_for_by_the_retries(tmp_path: Path) -> None:
    """WeChat asks a second time; the application is asked once."""
    async with (
        application() as app,
        Harness(
            tmp_path,
            subscriber_networks="127.0.0.0/8",
            reply_deadline=0.5,
            development_push_timeout=3,
        ) as world,
    ):
        await world.control("POST", "switches", {"push_timeout": 3})
        account = await authorized_account(world)
        bot = await world.node.delivering.subscriptions.add(name="bot", url=app.url)
        follower = await add_follower(world, account["appid"])
        await world.node.replies.set(follower.appid, replier=bot.id)
        gate = asyncio.Event()

        async def think(request: web.Request) -> web.StreamResponse:
            await gate.wait()
            return web.json_response({"reply": "想好了"})

        app.behaviour = think
        app.got.clear()
        writing = asyncio.create_task(follower.writes())

        async def asked_again() -> bool:
            found = await recorded(world, follower.appid)
            return max((each.arrivals for each in found), default=0) == 2

        await until(asked_again, seconds=30)
        gate.set()
        push = await writing
        assert [attempt["outcome"] for attempt in push["attempts"]] == ["timeout", "reply"]
        assert [(each["from"], each["content"]) for each in await follower.sees()] == [("passive", "想好了")]
        assert len(app.got) == 1


async def test_a_wechatpy_server_answers_a_user(tmp_path: Path) -> None:
    shop = Shop()
    with serving(shop):
        async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
            subscriber = await add(world, shop)
            account = await authorized_account(world)
            follower = await add_follower(world, account["appid"])
            await world.node.replies.set(account["appid"], replier=subscriber.id)
            push = await follower.writes("在吗")
            assert push["outcome"] == "reply", push["attempts"]
            assert [(each["from"], each["content"]) for each in await follower.sees()] == [
                ("passive", "echo: 在吗")
            ]
            assert len(shop.heard) == 1
