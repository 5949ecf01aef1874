"""Late replies as customer-service messages: which trouble is tried again, for how long, and how often."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.store.moments import NOW
from tests.store.test_inbox import message
from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import Busy, CircuitOpen, HeldBack, RateLimited, Unreachable, WeChatError
from wxgate.events.customer_service import TRIED_FOR, CustomerService, pause_after
from wxgate.events.policies import Plan
from wxgate.events.records import Event, EventState, NewEvent, ReplyState
from wxgate.events.replying import Turn
from wxgate.protocol.replies import Text, render
from wxgate.store import Store


@dataclass
class Counter:
    """A service counter whose WeChat plays what the test says."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    troubles: list[Exception] = field(default_factory=list)
    tried: list[Mapping[str, Any]] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    service: CustomerService = field(init=False)

    def __post_init__(self) -> None:
        self.service = CustomerService(
            self.store.inbox,
            self.store.answers,
            self.clock,
            send=self.send,
            plan_of=self.plan_of,
            settled=timedelta(seconds=20),
            listener=self,
        )

    async def send(self, issuer: str, appid: str, said: Mapping[str, Any]) -> None:
        self.tried.append(said)
        if self.troubles:
            raise self.troubles.pop(0)

    async def plan_of(self, event: NewEvent) -> Plan:
        return Plan(handlers=True, fallback=True)

    def replied(self, way: str) -> None:
        self.ways.append(way)

    async def late_reply(self) -> Event:
        """Record a message whose reply has come too late."""
        until = self.clock.now() + timedelta(seconds=6)
        new = message(received_at=self.clock.now())
        event = (await self.store.inbox.record(new, holder="node-a", lease_until=until)).event
        said = render(Text("终于"), to_user="openid", from_user="gh_1", created_at=1)
        await self.store.inbox.finish(
            event.id,
            holder="node-a",
            state=EventState.DONE,
            reply=said,
            error="",
            now=self.clock.now(),
            turn=Turn.LATE,
            fallback=True,
        )
        return event

    async def sweep(self, seconds: float) -> None:
        """Let time pass, and look for what is to be sent."""
        self.clock.advance(timedelta(seconds=seconds))
        await self.service.sweep()
        await self.service.close(10)

    async def stands(self, event: Event) -> tuple[ReplyState, str]:
        now = await self.store.inbox.load(event.id)
        assert now is not None
        return now.reply_state, now.error


@pytest.fixture
async def counter(sqlite_url: str) -> AsyncIterator[Counter]:
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    yield Counter(store)
    await store.close()


PASSING = [
    Busy(-1, "system error"),
    RateLimited(45011, "api minute-quota reach limit"),
    Unreachable("connection refused", sent=False),
    CircuitOpen("too many failures", retry_after=60),
    HeldBack("failed a moment ago", retry_after=5),
]


@pytest.mark.parametrize("trouble", PASSING, ids=lambda each: type(each).__name__)
async def test_what_certainly_did_not_arrive_is_sent_after_a_pause(
    counter: Counter, trouble: Exception
) -> None:
    event, counter.troubles = await counter.late_reply(), [trouble]
    await counter.sweep(6)
    assert (await counter.stands(event))[0] is ReplyState.CUSTOM
    await counter.sweep(1)
    assert len(counter.tried) == 1, "the pause is not over"
    await counter.sweep(60)
    assert (len(counter.tried), counter.ways) == (2, ["custom_message"])
    assert await counter.stands(event) == (
        ReplyState.SENT,
        "the reply went out as a customer-service message",
    )


FINAL = [
    (WeChatError(45015, "out of response time"), "was not taken"),
    (RateLimited(45009, "reach max api daily quota limit"), "was not taken"),
    (Unreachable("cut in the middle", sent=True), "is not known"),
    (TimeoutError(), "is not known"),
]


@pytest.mark.parametrize(("trouble", "words"), FINAL, ids=str)
async def test_what_was_refused_or_may_have_arrived_is_not_sent_again(
    counter: Counter, trouble: Exception, words: str
) -> None:
    event, counter.troubles = await counter.late_reply(), [trouble]
    await counter.sweep(6)
    await counter.sweep(60)
    state, error = await counter.stands(event)
    assert (state, len(counter.tried)) == (ReplyState.FAILED, 1)
    assert words in error


async def test_tries_come_to_an_end(counter: Counter) -> None:
    event = await counter.late_reply()
    counter.troubles = [Busy(-1, "system error") for _ in range(100)]
    for _ in range(100):
        await counter.sweep(TRIED_FOR.total_seconds() / 50)
    state, error = await counter.stands(event)
    assert state is ReplyState.FAILED
    assert error.count("was not taken") == 1
    assert 4 <= len(counter.tried) <= 10
    assert counter.ways == ["custom_message_failed"]


async def test_two_nodes_try_once_each_time(counter: Counter) -> None:
    other = Counter(counter.store, counter.clock, counter.troubles, counter.tried, counter.ways)
    await counter.late_reply()
    counter.troubles.append(Busy(-1, "system error"))
    await asyncio.gather(counter.sweep(6), other.sweep(0))
    assert len(counter.tried) == 1
    await asyncio.gather(counter.sweep(60), other.sweep(0))
    assert (len(counter.tried), counter.ways) == (2, ["custom_message"])


def test_a_pause_is_as_long_as_the_message_is_old() -> None:
    assert pause_after(timedelta(0)) == timedelta(seconds=5)
    assert pause_after(timedelta(seconds=40)) == timedelta(seconds=40)
    assert pause_after(TRIED_FOR) is None
