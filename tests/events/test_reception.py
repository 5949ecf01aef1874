"""A user writes, a handler answers: every reply, every way to fail, and every attempt of WeChat."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.cast import Follower, add_follower, authorized_account, settle
from tests.harness import Fetched, Harness, World
from tests.pushing import Sealer, messages, metric, post, recorded, text_message
from wxgate import reply
from wxgate.events.handlers import Handlers
from wxgate.events.records import Event
from wxgate.protocol.replies import parse_reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = 0.3


@dataclass
class Stage:
    """One world for a whole module; each test has a new user and says what the handler does."""

    world: World
    account: dict[str, Any]
    handler: Callable[..., Any] = lambda message: None
    heard: list[Any] = field(default_factory=list)
    spoken: asyncio.Event = field(default_factory=asyncio.Event)
    follower: Follower = field(init=False)

    def hear(self, message: Any) -> Any:
        """Handle a message the way the test says."""
        self.heard.append(message)
        self.spoken.set()
        return self.handler(message)

    async def event(self) -> Event:
        """Return the one event this user's writing has made, once it is ended."""
        await settle(self.world)
        mine = [each for each in messages(await recorded(self.world)) if each.openid == self.follower.openid]
        assert len(mine) == 1
        return mine[0]

    @property
    def path(self) -> str:
        """Return the address of the account's messages."""
        return f"/wechat/{self.world.platform.appid}/messages/{self.account['appid']}"

    @property
    def sealer(self) -> Sealer:
        """Seal as WeChat does."""
        return Sealer.of_platform(self.world, account=self.account["user_name"])

    async def push(self, msg_id: int, content: str = "在吗") -> Fetched:
        """Bring a message by hand; the same id is the same message."""
        plain = text_message(self.account["user_name"], self.follower.openid, content=content, msg_id=msg_id)
        return await post(self.world, self.path, self.sealer.seal(plain))

    async def outcomes(self, outcome: str) -> float:
        """Read how many messages have ended this way."""
        return await metric(self.world, "wxgate_messages_total", kind="message", outcome=outcome)


@contextlib.asynccontextmanager
async def open_theatre(folder: Path, deadline: float) -> AsyncIterator[Stage]:
    """Start a gateway whose only handler plays what the test says."""
    handlers = Handlers()
    async with Harness(folder, handlers=handlers, reply_deadline=deadline) as world:
        # How retries are held and late replies sent is told in test_five_seconds.py.
        await world.node.replies.set("*", hold_retries=False, custom_message=False)
        stage = Stage(world, await authorized_account(world))
        handlers.add(("*",), stage.hear)
        yield stage


async def cleared(stage: Stage) -> Stage:
    """Return a stage with nothing heard yet and a user nobody has seen."""
    stage.heard, stage.spoken, stage.handler = [], asyncio.Event(), lambda message: None
    stage.follower = await add_follower(stage.world, stage.account["appid"])
    return stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A gateway whose handlers have all the time there is."""
    async with open_theatre(tmp_path_factory.mktemp("stage"), 5) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hurried_theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A gateway whose handlers have hardly any time."""
    async with open_theatre(tmp_path_factory.mktemp("stage"), DEADLINE) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(theatre: Stage) -> Stage:
    """The stage for a test."""
    return await cleared(theatre)


@pytest_asyncio.fixture(loop_scope="module")
async def hurried(hurried_theatre: Stage) -> Stage:
    """The stage for a test of what comes late."""
    return await cleared(hurried_theatre)


REPLIES = [
    reply.Text("好的 & <谢谢> ]]> 😀\n第二行"),
    reply.Image("media-1"),
    reply.Voice("media-2"),
    reply.Video("media-3", "标题", "描述"),
    reply.Music("thumb", "歌", "手", "https://example.com/a.mp3", "https://example.com/b.mp3"),
    reply.News(
        tuple(
            reply.Article(f"第{n}条", "描述", "https://example.com/p", "https://example.com")
            for n in range(8)
        )
    ),
    reply.TransferCustomerService(),
    reply.TransferCustomerService("agent@shop"),
]


@pytest.mark.parametrize("given", REPLIES, ids=lambda given: type(given).__name__)
async def test_every_kind_of_reply_reaches_the_user_as_it_was_given(stage: Stage, given: reply.Reply) -> None:
    stage.handler = lambda message: given
    push = await stage.follower.writes()
    assert push["outcome"] == "reply", push["attempts"]
    assert parse_reply(push["attempts"][0]["reply_plain"]).reply == given
    [seen] = await stage.follower.sees()
    assert seen["from"] == "passive"
    event = await stage.event()
    assert (event.state, event.error) == ("done", "")
    assert event.reply == push["attempts"][0]["reply_plain"]


async def test_a_text_of_the_greatest_length_is_sent(stage: Stage) -> None:
    stage.handler = lambda message: "字" * 682
    assert (await stage.follower.writes())["outcome"] == "reply"


@pytest.mark.parametrize("silence", [None, "", reply.SILENCE])
async def test_silence_shows_the_user_nothing(stage: Stage, silence: object) -> None:
    stage.handler = lambda message: silence
    push = await stage.follower.writes()
    assert push["attempts"][0]["body"] == "success"
    assert await stage.follower.sees() == []
    assert (await stage.event()).state == "done"


async def test_an_async_handler_is_awaited(stage: Stage) -> None:
    async def handler(message: Any) -> str:
        await asyncio.sleep(0)
        return f"你说{message.content}"

    stage.handler = handler
    await stage.follower.writes("早")
    assert [each["content"] for each in await stage.follower.sees()] == ["你说早"]


def raising(error: BaseException) -> Callable[[Any], Any]:
    """Make a handler that fails."""

    async def handler(message: Any) -> None:
        raise error

    return handler


BAD_HANDLERS = [
    (
        raising(ValueError("the database of ours is down")),
        "failed",
        "ValueError: the database of ours is down",
    ),
    (raising(ValueError("no such page: /x?access_token=81_SECRET")), "failed", "/x?access_token=****"),
    (raising(ValueError("half a smile: \ud83d")), "failed", r"half a smile: \ud83d"),
    (raising(asyncio.CancelledError()), "failed", "CancelledError"),
    (raising(TimeoutError("our own")), "failed", "TimeoutError: our own"),
    (lambda message: message.no_such_thing, "failed", "AttributeError"),
    (lambda message: "  \n", "invalid_reply", "The text is empty"),
    (lambda message: "字" * 683, "invalid_reply", "2049 bytes in UTF-8"),
    (lambda message: 42, "invalid_reply", "returned int"),
    (lambda message: {"msgtype": "text"}, "invalid_reply", "returned dict"),
    (lambda message: reply.Image(""), "invalid_reply", "media_id is empty"),
    (lambda message: reply.News(()), "invalid_reply", "1 to 8 articles, not 0"),
]


@pytest.mark.parametrize(("handler", "outcome", "words"), BAD_HANDLERS, ids=lambda part: str(part)[:30])
async def test_a_handler_that_fails_costs_the_user_nothing_and_is_explained(
    stage: Stage, handler: Callable[..., Any], outcome: str, words: str
) -> None:
    stage.handler, counted = handler, await stage.outcomes(outcome)
    with capture_logs() as logs:
        push = await stage.follower.writes()
    assert [(each["status"], each["body"]) for each in push["attempts"]] == [(200, "success")]
    assert await stage.follower.sees() == []
    event = await stage.event()
    assert (event.state, event.reply) == ("failed", None)
    assert words in event.error
    assert await stage.outcomes(outcome) == counted + 1
    assert [line["event"] for line in logs if line["log_level"] == "error"] in (
        ["handler.failed"],
        ["reply.invalid"],
    )


async def test_a_failed_message_is_not_handled_again_when_it_is_brought_again(stage: Stage) -> None:
    stage.handler = raising(ValueError("once"))
    answers = [await stage.push(100), await stage.push(100)]
    assert [(each.status, each.text) for each in answers] == [(200, "success")] * 2
    assert len(stage.heard) == 1


async def test_a_slow_handler_is_answered_success_and_its_reply_is_kept_as_too_late(hurried: Stage) -> None:
    stage = hurried
    gate = asyncio.Event()

    async def handler(message: Any) -> str:
        await gate.wait()
        return "终于"

    stage.handler, counted = handler, await stage.outcomes("not_sent")
    push = await stage.follower.writes()
    assert [(each["status"], each["body"]) for each in push["attempts"]] == [(200, "success")]
    assert push["attempts"][0]["ms"] >= DEADLINE * 1000
    gate.set()
    event = await stage.event()
    assert (event.state, event.reply, event.reply_state) == ("done", None, "dropped")
    assert event.error == "the reply came after the deadline and was not sent"
    assert await stage.outcomes("not_sent") == counted + 1
    assert await stage.follower.sees() == []


async def test_a_message_brought_again_after_a_late_reply_is_not_replied_to(hurried: Stage) -> None:
    stage = hurried

    async def handler(message: Any) -> str:
        await asyncio.sleep(DEADLINE + 0.05)
        return "终于"

    stage.handler = handler
    first = await stage.push(101)
    await settle(stage.world)
    second = await stage.push(101)
    assert (first.text, second.text) == ("success", "success")
    assert len(stage.heard) == 1


async def test_a_reply_that_was_recorded_was_sent(hurried: Stage) -> None:
    """Handlers that end about the deadline: what the record calls a reply is what WeChat got."""
    stage = hurried
    waits = iter([DEADLINE + step / 500 for step in range(-10, 11)])

    async def handler(message: Any) -> str:
        await asyncio.sleep(next(waits))
        return "刚好"

    stage.handler = handler
    answers = await asyncio.gather(*(stage.push(2000 + number) for number in range(21)))
    await settle(stage.world)
    by_id = {each.msg_id: each for each in messages(await recorded(stage.world))}
    for number, answer in enumerate(answers):
        sent = stage.sealer.open(answer)
        recorded_reply = by_id[str(2000 + number)].reply
        assert recorded_reply is None or sent == recorded_reply


async def test_a_second_attempt_while_the_first_is_handled_gets_the_same_reply(stage: Stage) -> None:
    gate = asyncio.Event()

    async def handler(message: Any) -> str:
        await gate.wait()
        return f"第{len(stage.heard)}次"

    stage.handler = handler
    attempts = [asyncio.create_task(stage.push(102)) for _ in range(5)]
    await asyncio.wait_for(stage.spoken.wait(), 30)
    gate.set()
    answers = await asyncio.gather(*attempts)
    assert {stage.sealer.open(answer) for answer in answers} == {(await stage.event()).reply}
    assert len(stage.heard) == 1


async def test_many_users_at_once_get_each_their_own_reply(stage: Stage) -> None:
    stage.handler = lambda message: f"你好{message.content}"
    answers = await asyncio.gather(*(stage.push(3000 + n, content=str(n)) for n in range(30)))
    replies = [parse_reply(stage.sealer.open(answer)).reply for answer in answers]
    assert replies == [reply.Text(f"你好{n}") for n in range(30)]
    assert len(stage.heard) == 30
