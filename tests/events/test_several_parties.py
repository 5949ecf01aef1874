"""One account, several third parties: two platforms of ours, its own server here, and somebody else's.

WeChat tells each of them of every message. Ours answer once between them, whoever else answers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Follower, add_direct, add_follower, add_platform, another_node, authorize, until
from tests.harness import Harness, World
from wxgate.custody.records import Platform
from wxgate.emulator.outsider import Outsider
from wxgate.events.handlers import Handlers
from wxgate.events.records import Event
from wxgate.protocol.messages import TextMessage

PATIENCE = 20.0


@dataclass(slots=True)
class Scene:
    """An account that has authorised our platforms A and B and somebody else's C, and a user of it."""

    world: World
    a: Platform
    b: Platform
    c: Outsider
    follower: Follower
    answer: Callable[[TextMessage], Awaitable[str | None]]
    asked: list[str] = field(default_factory=list)

    async def handle(self, message: TextMessage) -> str | None:
        """Note that our handler was called, and answer as the test says."""
        self.asked.append(message.content)
        return await self.answer(message)

    async def writes(self, content: str = "在吗") -> dict[str, Any]:
        """Let the user write; return what became of the message, of each party and on the phone."""
        await self.follower.writes(content)
        return await self.last()

    async def last(self) -> dict[str, Any]:
        """Return what became of the latest message."""
        told: list[dict[str, Any]] = await self.world.control(
            "GET", f"messages?appid={self.follower.appid}&kind=message"
        )
        return told[-1]

    async def events(self) -> list[Event]:
        """List our records of the account's messages, oldest first."""
        found = await self.world.node.store.inbox.find(appid=self.follower.appid, limit=1000)
        return sorted((one for one in found if one.kind == "message"), key=lambda one: one.id)

    async def attempts(self, party: str) -> int:
        """Count the attempts of the latest message to a party."""
        [found] = [each for each in (await self.last())["parties"] if each["party"] == party]
        return len(found["attempts"])


async def hello(message: TextMessage) -> str | None:
    """Answer at once."""
    return f"我们：{message.content}"


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The scene, with everybody authorised: A first, then B, then C, which stays silent."""
    handlers, settings = Handlers(), getattr(request, "param", {})
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(Harness(tmp_path, handlers=handlers, **settings))
        await world.control("POST", "switches", {"push_timeout": PATIENCE})
        b = await add_platform(world)
        c = await stack.enter_async_context(Outsider(world.emulator.url, name="别家"))
        account = await world.add_account()
        await authorize(world, account["appid"])
        await world.advance(timedelta(seconds=5))  # who authorised first answers
        await authorize(world, account["appid"], b)
        await c.authorized_by(account["appid"])
        follower = await add_follower(world, account["appid"])
        made = Scene(world, world.platform, b, c, follower, hello)
        handlers.add(("text",), made.handle)
        yield made


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    """Return how the push to each party ended."""
    return {each["party"]: each["outcome"] for each in told["parties"]}


def shown(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what the user saw of a message, and from whom."""
    return [(seen["from"], seen["content"], seen["sender"]) for seen in told["seen"]]


async def test_two_platforms_of_ours_answer_once(scene: Scene) -> None:
    told = await scene.writes()

    assert outcomes(told) == {
        scene.a.appid: "reply",
        scene.b.appid: "success",
        scene.c.appid: "success",
    }
    assert shown(told) == [("passive", "我们：在吗", scene.a.appid)]
    assert scene.asked == ["在吗"], "the handler is called for the event that may be answered"
    assert len(await scene.events()) == 2, "both events are kept"


async def test_the_platform_that_was_chosen_answers(scene: Scene) -> None:
    await scene.world.node.replies.set(scene.follower.appid, platform=scene.b.appid)

    told = await scene.writes()

    assert shown(told) == [("passive", "我们：在吗", scene.b.appid)]
    assert outcomes(told)[scene.a.appid] == "success"


async def test_the_accounts_own_server_here_answers_before_platforms(scene: Scene) -> None:
    account = (await scene.world.control("GET", "state"))["accounts"][0]
    direct = await add_direct(scene.world, account=account)
    scene.world.node.key_uses.saw(direct, token_index=0, key_index=0)
    scene.world.node.planner.forget()

    told = await scene.writes()

    assert shown(told) == [("passive", "我们：在吗", "direct")]
    assert list(outcomes(told).values()) == ["success", "success", "success", "reply"]


async def test_when_the_one_that_answers_leaves_the_other_takes_over(scene: Scene) -> None:
    await scene.world.act("unauthorize", platform=scene.a.appid, appid=scene.follower.appid)
    scene.world.node.planner.forget()

    told = await scene.writes()

    assert shown(told) == [("passive", "我们：在吗", scene.b.appid)]
    assert set(outcomes(told)) == {scene.b.appid, scene.c.appid}


async def test_ours_answer_once_though_somebody_else_answers_too(scene: Scene) -> None:
    scene.c.answer = "别家：在的"
    await scene.world.control("POST", "switches", {"reply_policy": "all"})

    told = await scene.writes()

    ours = [seen for seen in shown(told) if seen[2] != scene.c.appid]
    assert ours == [("passive", "我们：在吗", scene.a.appid)]
    assert ("passive", "别家：在的", scene.c.appid) in shown(told), (
        "nobody can keep another party from answering"
    )


async def test_where_somebody_else_answers_silent_keeps_ours_quiet(scene: Scene) -> None:
    scene.c.answer = "别家：在的"
    view = await scene.world.node.replies.show(scene.follower.appid)
    assert any("choose silent" in advice.en for advice in view.advice)
    await scene.world.control("POST", "switches", {"reply_policy": "all"})
    await scene.world.node.replies.set(scene.follower.appid, policy="silent")

    told = await scene.writes()

    assert shown(told) == [("passive", "别家：在的", scene.c.appid)]
    assert outcomes(told)[scene.a.appid] == outcomes(told)[scene.b.appid] == "success"
    assert all(event.reply is None for event in await scene.events())


async def test_many_messages_at_once_are_each_answered_once(scene: Scene) -> None:
    await asyncio.gather(*(scene.follower.writes(f"第{n}条") for n in range(30)))

    told = await scene.world.control("GET", f"messages?appid={scene.follower.appid}&kind=message")
    assert [len(shown(each)) for each in told] == [1] * 30
    assert sorted(scene.asked) == sorted(f"第{n}条" for n in range(30))


async def test_platforms_on_different_nodes_answer_once(scene: Scene) -> None:
    handlers = Handlers()
    handlers.add(("text",), scene.handle)
    async with another_node(scene.world, handlers) as (_, url):
        address = f"{url}/wechat/{scene.b.appid}/messages/$APPID$"
        await scene.world.control("POST", "platforms", {"appid": scene.b.appid, "messages_url": address})
        await scene.world.control("POST", "switches", {"reply_policy": "all"})
        await asyncio.gather(*(scene.follower.writes(f"第{n}条") for n in range(20)))

    told = await scene.world.control("GET", f"messages?appid={scene.follower.appid}&kind=message")
    assert [len(shown(each)) for each in told] == [1] * 20
    assert len(scene.asked) == 20


async def test_a_held_reply_is_carried_by_a_later_attempt_of_the_same_party_alone(scene: Scene) -> None:
    await scene.world.control("POST", "switches", {"push_timeout": 0.5, "reply_policy": "all"})

    async def after_the_first_attempt(message: TextMessage) -> str:
        async def again() -> bool:
            return await scene.attempts(scene.a.appid) > 1

        await until(again, seconds=PATIENCE)
        return "久等了"

    scene.answer = after_the_first_attempt
    told = await scene.writes()

    assert shown(told) == [("passive", "久等了", scene.a.appid)]
    assert outcomes(told)[scene.b.appid] == "success"
    assert len(scene.asked) == 1, "held, not asked again"


@pytest.mark.parametrize("scene", [{"reply_deadline": 0.2}], indirect=True)
async def test_too_late_it_comes_once_as_a_customer_service_message(scene: Scene) -> None:
    await scene.world.control("POST", "switches", {"reply_policy": "all"})
    through = asyncio.Event()

    async def late(message: TextMessage) -> str:
        await through.wait()
        return "想好了"

    scene.answer = late
    await scene.world.node.replies.set(scene.follower.appid, hold_retries=False)
    told = await scene.writes()
    assert set(outcomes(told).values()) == {"success"}
    through.set()

    async def seen() -> bool:
        return bool((await scene.last())["seen"])

    await until(seen, seconds=PATIENCE)
    assert shown(await scene.last()) == [("custom", "想好了", scene.a.appid)]
    assert scene.asked == ["在吗"]
