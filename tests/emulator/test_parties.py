"""Several third parties on one account: all are told, each with its own keys, tokens and quota."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.emulator.receiver import Arrived, answer_text, success
from tests.emulator.stage import Stage
from wxgate.emulator.outsider import Outsider
from wxgate.emulator.world.conversations import FAULT_NOTICE
from wxgate.errors import WeChatError
from wxgate.protocol.envelope import PushKeys, PushQuery
from wxgate.protocol.messages import Message, TextMessage
from wxgate.protocol.replies import Image, TransferCustomerService


@pytest.fixture
async def parties(stage: Stage) -> AsyncIterator[list[Outsider]]:
    """Three third parties that the shop has authorised, beside a server of its own."""
    await stage.switch(push_timeout=30)
    server = {"url": stage.receiver.url, "token": "t", "aes_key": "k" * 43}
    stage.emulator.world.put_account({"appid": stage.shop.appid, "server": server})
    async with contextlib.AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(Outsider(stage.emulator.url, name=name))
            for name in ("甲", "乙", "丙")
        ]
        for party in made:
            await party.authorized_by(stage.shop.appid)
        yield made


async def write(stage: Stage, content: str = "在吗") -> list[dict[str, Any]]:
    """Let the user write to the shop."""
    pushes: list[dict[str, Any]] = await stage.act(
        "message", appid=stage.shop.appid, openid=stage.openid, content=content
    )
    return pushes


async def seen(stage: Stage) -> list[tuple[str, str | None, str | None]]:
    """Return what the user saw, and by whom."""
    entries = await stage.emulator.control("GET", "inbox", appid=stage.shop.appid)
    return [(entry["from"], entry["content"], entry["sender"]) for entry in entries]


def in_turn(stage: Stage, *parties: Outsider) -> None:
    """Let parties answer with their names, each when the one before has been heard out."""

    def answer_after(previous: str, name: str) -> Callable[[Message], Awaitable[str]]:
        async def answer(message: Message) -> str:
            async with asyncio.timeout(30):
                while previous and outcome_of(stage, previous) == "waiting":  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            return name

        return answer

    for previous, party in zip(["", *(party.appid for party in parties)], parties, strict=False):
        party.answer = answer_after(previous, party.name)


def outcome_of(stage: Stage, party: str) -> str:
    """Return how the latest push to a party stands."""
    pushes = [push for push in stage.emulator.emulator.pusher.log if push.receiver.sender == party]
    return str(pushes[-1].outcome)


async def last_message(stage: Stage) -> dict[str, Any]:
    """Return what the latest message came to."""
    told: list[dict[str, Any]] = await stage.emulator.control("GET", "messages", appid=stage.shop.appid)
    return told[-1]


async def test_everybody_is_told_of_the_same_message_each_under_its_own_keys(
    stage: Stage, parties: list[Outsider]
) -> None:
    await write(stage, "有人吗")
    heard = [party.heard[-1] for party in parties]
    own = stage.receiver.arrived[-1].opened(
        PushKeys.make(stage.shop.appid, ["t"], ["k" * 43]), now=stage.now()
    )

    assert {message.msg_id for message in heard} == {str(own.fields["MsgId"])}
    assert [type(message) for message in heard] == [TextMessage] * 3
    assert {str(message.raw["Content"]) for message in heard} == {"有人吗"}
    assert len({party.appid for party in parties}) == 3


async def test_the_first_valid_reply_is_seen_and_the_others_are_not(
    stage: Stage, parties: list[Outsider]
) -> None:
    nonsense, slow, quick = parties
    nonsense.answer = b'{"text": "hi"}'
    in_turn(stage, quick, slow)

    await write(stage)
    told = await last_message(stage)

    assert await seen(stage) == [("passive", "丙", quick.appid)]
    assert [(each["party"], each["outcome"], each["shown"]) for each in told["parties"]] == [
        (nonsense.appid, "invalid_reply", False),
        (slow.appid, "reply", False),
        (quick.appid, "reply", True),
        ("direct", "success", False),
    ]
    assert [each["name"] for each in told["parties"]] == ["甲", "乙", "丙", None]
    assert told["parties"][0]["attempts"][0]["problem"] is not None
    assert "乙" in told["parties"][1]["reply"]
    assert [entry["content"] for entry in told["seen"]] == ["丙"]


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("first", ["乙"]), ("last", ["甲"]), ("all", ["乙", "丙", "甲"]), ("direct", ["自家"])],
)
async def test_whose_reply_is_seen_is_a_switch(
    stage: Stage, parties: list[Outsider], policy: str, shown: list[str]
) -> None:
    await stage.switch(reply_policy=policy)
    first, second, third = parties
    in_turn(stage, second, third, first)
    if policy == "direct":
        keys = PushKeys.make(stage.shop.appid, ["t"], ["k" * 43])
        stage.receiver.answer = answer_text(keys, "自家", now=stage.now)

    await write(stage)

    assert [content for _, content, _ in await seen(stage)] == shown


@pytest.mark.parametrize(("when", "notices"), [("nobody", 0), ("anybody", 1)])
async def test_one_party_that_fails_is_seen_only_where_the_switch_says_so(
    stage: Stage, parties: list[Outsider], when: str, notices: int
) -> None:
    await stage.switch(fault_notice=when)
    parties[1].answer = b"hello"

    await write(stage)

    assert [content for _, content, _ in await seen(stage)] == [FAULT_NOTICE] * notices


async def test_tokens_of_third_parties_are_apart(stage: Stage, parties: list[Outsider]) -> None:
    await write(stage)
    first, second, _ = parties
    await first.authorized_by(stage.shop.appid)  # a new token for one leaves the others theirs
    await second.send(stage.shop.appid, stage.openid, "乙说")
    await first.send(stage.shop.appid, stage.openid, "甲说")
    await stage.act("unauthorize", platform=first.appid, appid=stage.shop.appid)
    with pytest.raises(WeChatError, match="61003"):
        await first.send(stage.shop.appid, stage.openid, "还在吗")
    await second.send(stage.shop.appid, stage.openid, "还在")

    assert await seen(stage) == [
        ("custom", "乙说", second.appid),
        ("custom", "甲说", first.appid),
        ("custom", "还在", second.appid),
    ]
    told = await last_message(stage)
    assert [entry["content"] for entry in told["seen"]] == ["乙说", "甲说", "还在"]


@pytest.mark.parametrize("apart", [True, False])
async def test_quotas_of_third_parties_are_apart_unless_switched(
    stage: Stage, parties: list[Outsider], apart: bool
) -> None:
    await stage.switch(quota_per_party=apart)
    await write(stage)
    path = "/cgi-bin/message/custom/send"
    await stage.emulator.control(
        "POST", "quotas", {"appid": stage.shop.appid, "path": path, "daily_limit": 1}
    )
    first, second, third = parties
    await first.send(stage.shop.appid, stage.openid, "1")
    with pytest.raises(WeChatError, match="45009"):
        await first.send(stage.shop.appid, stage.openid, "2")
    if apart:
        await second.send(stage.shop.appid, stage.openid, "3")
    else:
        with pytest.raises(WeChatError, match="45009"):
            await second.send(stage.shop.appid, stage.openid, "3")
    token = {"access_token": first.tokens[stage.shop.appid]}
    await first.call("/cgi-bin/clear_quota", {"appid": stage.shop.appid}, **token)
    await first.send(stage.shop.appid, stage.openid, "4")
    token = {"access_token": third.tokens[stage.shop.appid]}
    quota = (await third.call("/cgi-bin/openapi/quota/get", {"cgi_path": path}, **token))["quota"]

    assert quota == {"daily_limit": 1, "used": 0 if apart else 1, "remain": 1 if apart else 0}


async def test_a_party_whose_account_left_is_told_nothing(stage: Stage, parties: list[Outsider]) -> None:
    await stage.act("unauthorize", platform=parties[0].appid, appid=stage.shop.appid)

    pushes = await write(stage)

    assert [push["platform"] for push in pushes] == [parties[1].appid, parties[2].appid, None]
    assert parties[0].heard == []


async def test_an_event_is_told_to_everybody_too(stage: Stage, parties: list[Outsider]) -> None:
    await stage.act("event", appid=stage.shop.appid, openid=stage.openid, event="CLICK")
    told = await last_message(stage)

    assert (told["kind"], told["type"], told["msg_id"]) == ("event", "CLICK", None)
    assert [each["outcome"] for each in told["parties"]] == ["success"] * 4


async def test_an_outsider_answers_as_a_function_says(stage: Stage, parties: list[Outsider]) -> None:
    async def decide(message: Message) -> object:
        return Image("m1") if message.raw["Content"] == "图" else None

    parties[0].answer = decide

    await write(stage, "图")
    await write(stage, "字")

    entries = await stage.emulator.control("GET", "inbox", appid=stage.shop.appid)
    assert [(entry["type"], entry["fields"]) for entry in entries] == [
        ("image", {"Image": {"MediaId": "m1"}})
    ]


async def test_a_reply_to_an_attempt_that_was_given_up_is_never_seen(stage: Stage) -> None:
    await stage.act("authorize", platform=stage.platform.appid, appid=stage.shop.appid)
    stage.receiver.arrived.clear()
    reply = answer_text(stage.keys, "来晚了", now=stage.now)
    given_up, sent = asyncio.Event(), asyncio.Event()

    async def late(arrived: Arrived) -> bytes:
        if len(stage.receiver.arrived) > 1:
            given_up.set()
            return await success(arrived)
        await given_up.wait()
        sent.set()
        return await reply(arrived)

    stage.receiver.answer = late
    [push] = await write(stage)
    async with asyncio.timeout(30):
        await sent.wait()

    assert [attempt["outcome"] for attempt in push["attempts"]] == ["timeout", "success"]
    assert await seen(stage) == []
    first, second = (PushQuery.parse(arrived.query) for arrived in stage.receiver.arrived)
    assert first.nonce != second.nonce
    assert first.msg_signature != second.msg_signature
    plains = [arrived.opened(stage.keys, now=stage.now()).plain for arrived in stage.receiver.arrived]
    assert plains[0] == plains[1]


async def test_a_user_of_a_mini_program_sees_no_passive_text_but_is_handed_over(stage: Stage) -> None:
    await stage.act("authorize", platform=stage.platform.appid, appid=stage.mini.appid)
    openid = stage.emulator.world.openid(next(iter(stage.emulator.world.users.values())), stage.mini)
    async with Outsider(stage.emulator.url) as other:
        await other.authorized_by(stage.mini.appid, func_ids=[19])
        for given in ("文字", TransferCustomerService()):
            other.answer = given
            await stage.act("message", appid=stage.mini.appid, openid=openid, content="在吗")

    entries = await stage.emulator.control("GET", "inbox", appid=stage.mini.appid)
    told = await stage.emulator.control("GET", "messages", appid=stage.mini.appid)
    assert [entry["type"] for entry in entries] == ["transfer_customer_service"]
    [party] = [each for each in told[0]["parties"] if each["party"] == other.appid]
    assert party["shown"] is False
    assert "not shown" in party["attempts"][0]["problem"]
