"""One reply within five seconds: retries that are held, replies that are late, and never two of them.

Most tests bring WeChat's attempts by hand and hang up as it does, so that no clock decides them.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.cast import Follower, add_follower, another_node, authorized_account, settle, until
from tests.harness import Fetched, Harness, World
from tests.pushing import Sealer, metric, post, recorded, text_message
from wxgate import reply
from wxgate.events.customer_service import OLDEST, TOO_OLD
from wxgate.events.handlers import Handlers
from wxgate.events.records import Event, ReplyState
from wxgate.protocol.replies import Reply, Text, TransferCustomerService, parse_reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = 0.1
PUSH_TIMEOUT = 60.0
"""So long that nothing but hanging up ends an attempt that is held."""

SETTLED = timedelta(seconds=4 * PUSH_TIMEOUT + 1)
MSG_ID = 77


@dataclass
class Desk:
    """A world for the module; each test has an account and a user of its own, and opens the gate itself."""

    world: World
    handlers: Handlers
    account: dict[str, Any] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    says: Callable[[Any], Any] = lambda message: "终于"
    heard: list[Any] = field(default_factory=list)
    follower: Follower = field(init=False)

    async def hear(self, message: Any) -> Any:
        """Think until the gate is open."""
        self.heard.append(message)
        await self.gate.wait()
        return self.says(message)

    async def policy(self, **changes: Any) -> None:
        """Set the account's policy."""
        await self.world.node.replies.set(self.account["appid"], **changes)

    def attempt(self, *, base: str = "", msg_id: int = MSG_ID) -> "asyncio.Task[Fetched]":
        """Bring the message once more."""
        user_name = self.account["user_name"]
        plain = text_message(user_name, self.follower.openid, msg_id=msg_id)
        path = f"/wechat/{self.world.platform.appid}/messages/{self.account['appid']}"
        return asyncio.create_task(post(self.world, path, self.sealer.seal(plain), base=base))

    async def held_attempt(self, *, base: str = "", late: timedelta = timedelta()) -> None:
        """Bring the message, wait past the deadline, and hang up; the gateway has noticed on return.

        `late` is how far the clock goes from the arrival to the deadline.
        """
        held, arrivals = await self.count("held"), await self.arrivals()
        task = self.attempt(base=base)

        async def arrived() -> bool:
            return await self.arrivals() > arrivals

        await until(arrived, seconds=15)
        await self.world.advance(late)
        await asyncio.sleep(2 * DEADLINE)  # the deadline is real time, and nothing tells that it is over
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if not base:

            async def noticed() -> bool:
                return await self.count("held") > held

            await until(noticed, seconds=15)

    async def count(self, result: str) -> float:
        """Read how many pushes were answered this way."""
        return await metric(self.world, "wxgate_pushes_total", receiver="platform", result=result)

    async def arrivals(self) -> int:
        """Tell how often the message has arrived."""
        found = await recorded(self.world, self.account["appid"])
        return max((each.arrivals for each in found if each.kind == "message"), default=0)

    async def event(self) -> Event:
        """Return the record of the message."""
        [event] = [each for each in await recorded(self.world, self.account["appid"]) if each.openid]
        return event

    async def becomes(self, state: ReplyState) -> Event:
        """Wait until the reply is in a state."""

        async def so() -> bool:
            return (await self.event()).reply_state is state

        await until(so, seconds=15)
        await settle(self.world)
        return await self.event()

    @property
    def sealer(self) -> Sealer:
        """Seal as WeChat does."""
        return Sealer.of_platform(self.world, account=self.account["user_name"])

    def read(self, answer: Fetched) -> Reply | None:
        """Read an answer as WeChat does."""
        return None if answer.text == "success" else parse_reply(self.sealer.open(answer)).reply

    async def ways(self) -> Counter[str]:
        """Count the ways replies took."""
        ways = ("first_attempt", "later_attempt", "default_text", "custom_message")
        return Counter({way: int(await metric(self.world, "wxgate_replies_total", way=way)) for way in ways})

    async def seen(self) -> list[tuple[str, str]]:
        """List what the user saw: how it came, and what it said."""
        return [(each["from"], each["content"]) for each in await self.follower.sees()]


@contextmanager
def refusing(world: World, columns: str) -> Iterator[None]:
    """Let the database refuse to change these columns of events."""
    path = world.node.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=15)) as database:
        database.execute(
            f"CREATE TRIGGER trouble BEFORE UPDATE OF {columns} ON events "
            "BEGIN SELECT RAISE(ABORT, 'disk trouble'); END"
        )
        database.commit()
        try:
            yield
        finally:
            database.execute("DROP TRIGGER trouble")
            database.commit()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A gateway whose handlers think for as long as the test says."""
    handlers = Handlers()
    async with Harness(
        tmp_path_factory.mktemp("desk"),
        handlers=handlers,
        reply_deadline=DEADLINE,
        development_push_timeout=PUSH_TIMEOUT,
    ) as world:
        desk = Desk(world, handlers)
        handlers.add(("*",), desk.hear)
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def desk(office: Desk) -> AsyncIterator[Desk]:
    """The desk with a new account and a follower who is about to write."""
    office.gate, office.heard, office.says = asyncio.Event(), [], lambda message: "终于"
    office.account = await authorized_account(office.world)
    office.follower = await add_follower(office.world, office.account["appid"])
    # The user has written, so that the account may write back; these attempts are brought by hand.
    office.world.emulator.world.conversations.user_wrote(office.account["appid"], office.follower.openid)
    yield office
    office.gate.set()
    await settle(office.world)


async def test_an_attempt_past_the_deadline_is_held_and_answered_when_the_reply_is_there(desk: Desk) -> None:
    task = desk.attempt()
    await until(desk.arrivals, seconds=15)
    await asyncio.sleep(2 * DEADLINE)  # the deadline is real time, and nothing tells that it is over
    desk.gate.set()
    assert desk.read(await task) == Text("终于")
    assert (await desk.becomes(ReplyState.CARRIED)).error == ""


@pytest.mark.parametrize("hung_up", [1, 2])
async def test_a_later_attempt_carries_the_reply(desk: Desk, hung_up: int) -> None:
    for _ in range(hung_up):
        await desk.held_attempt()
    desk.gate.set()
    await desk.becomes(ReplyState.READY)
    answers = [desk.read(await desk.attempt()) for _ in range(2)]
    assert answers == [Text("终于")] * 2, "and so does whatever WeChat may bring after it"
    assert len(desk.heard) == 1
    assert (await desk.becomes(ReplyState.CARRIED)).arrivals == hung_up + 2


async def test_after_the_third_attempt_the_reply_is_a_customer_service_message(desk: Desk) -> None:
    await desk.held_attempt()
    await desk.held_attempt()
    assert desk.read(await desk.attempt()) is None
    assert (await desk.event()).reply_state is ReplyState.CLOSED
    desk.gate.set()
    event = await desk.becomes(ReplyState.SENT)
    assert "customer-service message" in event.error
    assert await desk.seen() == [("custom", "终于")]
    assert desk.read(await desk.attempt()) is None, "what was sent is not carried as well"
    assert await desk.seen() == [("custom", "终于")]


async def test_an_old_message_is_not_held_however_few_attempts_were_seen(desk: Desk) -> None:
    await desk.held_attempt()
    await desk.world.advance(timedelta(seconds=2 * PUSH_TIMEOUT))
    assert desk.read(await desk.attempt()) is None
    assert (await desk.event()).reply_state is ReplyState.CLOSED


async def test_an_attempt_is_as_old_as_it_was_when_it_arrived(desk: Desk) -> None:
    await desk.held_attempt()
    await desk.world.advance(timedelta(seconds=PUSH_TIMEOUT))
    await desk.held_attempt(late=timedelta(seconds=0.9 * PUSH_TIMEOUT))
    desk.gate.set()
    await desk.becomes(ReplyState.READY)
    assert desk.read(await desk.attempt()) == Text("终于"), "the third attempt carries the reply"


async def test_what_is_recorded_ends_in_success_though_its_reply_cannot_be_written(desk: Desk) -> None:
    desk.gate.set()
    with refusing(desk.world, "state, reply_state"):
        first = await desk.attempt()
        await desk.world.advance(timedelta(seconds=2 * PUSH_TIMEOUT))
        last = await desk.attempt()
    assert (first.status, last.status, last.text) == (503, 200, "success"), "WeChat comes again after a 503"
    await desk.world.advance(SETTLED)
    await desk.world.node.runner.tick()
    await desk.becomes(ReplyState.SENT)
    assert await desk.seen() == [("custom", "终于")]


async def test_without_holding_the_first_deadline_is_the_last(desk: Desk) -> None:
    await desk.policy(hold_retries=False)
    assert desk.read(await desk.attempt()) is None
    desk.gate.set()
    await desk.becomes(ReplyState.SENT)
    assert await desk.seen() == [("custom", "终于")]


async def test_a_reply_nobody_comes_for_is_sent(desk: Desk) -> None:
    await desk.held_attempt()
    desk.gate.set()
    await desk.becomes(ReplyState.READY)
    await desk.world.node.runner.tick()
    assert (await desk.event()).reply_state is ReplyState.READY, "WeChat may still come"
    await desk.world.advance(SETTLED)
    await desk.world.node.runner.tick()
    await desk.becomes(ReplyState.SENT)
    assert await desk.seen() == [("custom", "终于")]


async def test_after_a_long_outage_a_reply_is_dropped_and_says_so(desk: Desk) -> None:
    await desk.held_attempt()
    desk.gate.set()
    await desk.becomes(ReplyState.READY)
    await desk.world.advance(OLDEST + timedelta(seconds=1))
    await desk.world.node.runner.tick()
    event = await desk.becomes(ReplyState.DROPPED)
    assert (event.error, event.reply is None) == (TOO_OLD, False)
    assert await desk.seen() == []


async def test_where_no_message_may_be_sent_a_late_reply_is_dropped(desk: Desk) -> None:
    await desk.policy(hold_retries=False, custom_message=False)
    await desk.attempt()
    desk.gate.set()
    event = await desk.becomes(ReplyState.DROPPED)
    assert (event.error, event.reply) == ("the reply came after the deadline and was not sent", None)
    assert await desk.seen() == []


REFUSALS = [
    (45015, "48"),
    (45047, "45047"),
    (48001, "48001"),
]


@pytest.mark.parametrize(("errcode", "words"), REFUSALS)
async def test_a_message_that_wechat_refuses_is_explained(desk: Desk, errcode: int, words: str) -> None:
    await desk.policy(hold_retries=False)
    await desk.attempt()
    await desk.world.add_fault("/cgi-bin/message/custom/send", "errcode", errcode=errcode)
    desk.gate.set()
    event = await desk.becomes(ReplyState.FAILED)
    assert event.error.startswith("the reply was not taken as a customer-service message")
    assert words in event.error
    assert await desk.seen() == []


async def test_a_message_that_may_have_arrived_is_not_sent_again(desk: Desk) -> None:
    await desk.policy(hold_retries=False)
    await desk.attempt()
    await desk.world.add_fault("/cgi-bin/message/custom/send", "cut", stage="middle")
    desk.gate.set()
    event = await desk.becomes(ReplyState.FAILED)
    assert "not known" in event.error
    await desk.world.advance(SETTLED)
    await desk.world.node.runner.tick()
    await settle(desk.world)
    assert len(await desk.seen()) <= 1
    assert (await desk.event()).reply_state is ReplyState.FAILED


async def test_what_cannot_be_said_otherwise_says_so(desk: Desk) -> None:
    desk.says = lambda message: reply.TransferCustomerService()
    await desk.policy(hold_retries=False)
    await desk.attempt()
    desk.gate.set()
    assert "handed over by a passive reply only" in (await desk.becomes(ReplyState.FAILED)).error


async def test_a_failing_replier_is_covered_by_the_default_text(desk: Desk) -> None:
    def fail(message: Any) -> None:
        raise ValueError("our database is down")

    desk.says = fail
    desk.gate.set()
    await desk.policy(default_text="稍后回复您")
    before = await desk.ways()
    assert desk.read(await desk.attempt()) == Text("稍后回复您")
    assert await desk.ways() - before == Counter(default_text=1)
    event = await desk.becomes(ReplyState.CARRIED)
    assert event.state == "failed"
    assert "our database is down" in event.error
    assert desk.read(await desk.attempt()) == Text("稍后回复您")


async def test_at_the_last_deadline_the_default_text_is_said_and_the_late_reply_is_not(desk: Desk) -> None:
    await desk.policy(default_text="稍后回复您", hold_retries=False)
    before = await desk.ways()
    assert desk.read(await desk.attempt()) == Text("稍后回复您")
    assert await desk.ways() - before == Counter(default_text=1)
    desk.gate.set()
    await settle(desk.world)
    event = await desk.becomes(ReplyState.CARRIED)
    assert "had been answered" in event.error
    assert desk.read(await desk.attempt()) == Text("稍后回复您")
    assert await desk.seen() == []


async def test_a_silent_account_is_answered_at_once_and_its_handlers_hear_all_the_same(desk: Desk) -> None:
    await desk.policy(policy="silent")
    assert desk.read(await desk.attempt()) is None
    assert (await desk.event()).state == "handling", "nobody waited for the handler"
    assert await metric(desk.world, "wxgate_events_being_handled") == 1
    desk.gate.set()
    event = await desk.becomes(ReplyState.CLOSED)
    assert len(desk.heard) == 1
    assert event.error == "the handler's reply was not sent: the account's policy is silent"


async def test_messages_are_transferred_at_once_while_handlers_think(desk: Desk) -> None:
    await desk.policy(policy="transfer_customer_service")
    assert desk.read(await desk.attempt()) == TransferCustomerService()
    assert desk.read(await desk.attempt()) == TransferCustomerService(), "while the handler thinks"
    desk.gate.set()
    event = await desk.becomes(ReplyState.CARRIED)
    assert len(desk.heard) == 1
    assert "transfer_customer_service" in event.error
    assert event.state == "done"


async def test_where_nobody_replies_the_default_text_does(desk: Desk) -> None:
    await desk.policy(replier="none", default_text="人工客服九点上班")
    assert desk.read(await desk.attempt()) == Text("人工客服九点上班")
    desk.gate.set()
    assert "nobody replies" in (await desk.becomes(ReplyState.CARRIED)).error


async def test_an_event_is_not_transferred(desk: Desk) -> None:
    desk.gate.set()
    await desk.policy(policy="transfer_customer_service")
    push = await desk.follower.does("SCAN", EventKey="1")
    assert push["outcome"] == "reply"
    assert await desk.seen() == [("passive", "终于")]


async def test_two_nodes_hold_one_message_and_answer_it_once(desk: Desk) -> None:
    async with another_node(desk.world, desk.handlers) as (_, other):
        await desk.held_attempt()
        task = desk.attempt(base=other)

        async def arrived() -> bool:
            return await desk.arrivals() == 2

        await until(arrived, seconds=15)
        desk.gate.set()
        assert desk.read(await task) == Text("终于")
        assert desk.read(await desk.attempt()) == Text("终于")
        assert len(desk.heard) == 1


async def test_the_last_attempt_at_another_node_closes_it_for_all(desk: Desk) -> None:
    async with another_node(desk.world, desk.handlers) as (_, other):
        await desk.held_attempt()
        await desk.held_attempt(base=other)
        assert desk.read(await desk.attempt(base=other)) is None
        desk.gate.set()
        await desk.becomes(ReplyState.SENT)
        assert await desk.seen() == [("custom", "终于")]
        assert len(desk.heard) == 1


async def test_a_mini_programs_text_is_sent_and_its_hand_over_carried(desk: Desk) -> None:
    desk.account = await authorized_account(desk.world, kind="mini_program")
    desk.follower = await add_follower(desk.world, desk.account["appid"])
    assert await desk.world.node.accounts.is_mini_program(desk.account["appid"])
    desk.gate.set()
    push = await desk.follower.writes()
    assert push["outcome"] == "success"
    await desk.becomes(ReplyState.SENT)
    assert await desk.seen() == [("custom", "终于")]

    desk.says = lambda message: reply.TransferCustomerService()
    assert (await desk.follower.writes("人工"))["outcome"] == "reply"


@pytest.mark.parametrize("own", [False, True])
async def test_a_handler_that_is_stopped_is_told_from_one_that_gives_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    def fail(message: Any) -> None:
        raise TimeoutError("our shop does not answer")

    await desk.policy(hold_retries=False)
    if own:
        desk.says = fail
        desk.gate.set()
    else:
        monkeypatch.setattr("wxgate.events.handling.HANDLER_LIMIT", 0.01)
    assert desk.read(await desk.attempt()) is None

    async def failed() -> bool:
        return (await desk.event()).state == "failed"

    await until(failed, seconds=15)
    said = "our shop does not answer" if own else "the handler took more than 0.01 s"
    assert (await desk.event()).error == f"TimeoutError: {said}"
