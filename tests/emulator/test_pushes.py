"""What the emulator sends: sealed as WeChat seals it, tried again, judged, shown to the user."""

import asyncio
import json
from typing import Any

import pytest

from tests.emulator.receiver import Arrived, Receiver, answer_text, never, success
from tests.emulator.stage import Stage, until
from wxgate.emulator.world.conversations import FAULT_NOTICE
from wxgate.errors import BadSignature, WrongAppid
from wxgate.protocol.envelope import Format, Mode, PushKeys, PushQuery, check_echo, seal_reply
from wxgate.protocol.pushes import Authorized, VerifyTicket, parse_component_event
from wxgate.protocol.replies import Text, render


async def authorize(stage: Stage, platform: str | None = None, appid: str | None = None) -> Any:
    """Let the shop authorise the platform."""
    return await stage.act(
        "authorize", platform=platform or stage.platform.appid, appid=appid or stage.shop.appid
    )


async def write(stage: Stage, content: str = "在吗", **more: Any) -> list[dict[str, Any]]:
    """Let the user write to the shop."""
    pushes: list[dict[str, Any]] = await stage.act(
        "message", appid=stage.shop.appid, openid=stage.openid, content=content, **more
    )
    return pushes


async def inbox(stage: Stage) -> list[tuple[str, str, str | None]]:
    """Return what the user saw."""
    seen = await stage.emulator.control("GET", "inbox", appid=stage.shop.appid, openid=stage.openid)
    return [(entry["from"], entry["content"], entry["sender"]) for entry in seen]


async def test_a_ticket_push_opens_and_has_wechats_layout(stage: Stage) -> None:
    push = await stage.act("ticket", platform=stage.platform.appid)
    arrived = stage.receiver.arrived[0]
    opened = arrived.opened(stage.keys, now=stage.now())
    event = parse_component_event(opened.fields)

    assert push["outcome"] == "success"
    assert (arrived.method, arrived.path, arrived.content_type) == ("POST", "/events", "text/xml")
    assert [pair.partition("=")[0] for pair in arrived.query.decode().split("&")] == [
        "signature",
        "timestamp",
        "nonce",
        "encrypt_type",
        "msg_signature",
    ]
    assert isinstance(event, VerifyTicket)
    assert opened.plain.decode() == (
        f"<xml><AppId><![CDATA[{stage.platform.appid}]]></AppId>\n<CreateTime>{stage.now()}</CreateTime>\n"
        "<InfoType><![CDATA[component_verify_ticket]]></InfoType>\n"
        f"<ComponentVerifyTicket><![CDATA[{event.ticket.reveal()}]]></ComponentVerifyTicket>\n</xml>"
    )


async def test_the_same_ticket_can_be_pushed_again(stage: Stage) -> None:
    first = await stage.act("ticket", platform=stage.platform.appid)
    again = await stage.act("ticket", platform=stage.platform.appid, new=False)
    other = await stage.act("ticket", platform=stage.platform.appid)

    assert first["plain"] == again["plain"] != other["plain"]


async def test_a_ticket_is_due_every_ten_minutes_and_only_once_however_far_the_clock_jumps(
    stage: Stage,
) -> None:
    stage.emulator.clock.advance(599)
    await asyncio.sleep(0.02)
    assert stage.receiver.arrived == []

    await stage.emulator.control("POST", "clock", {"advance": 7200})
    await until(lambda: len(stage.receiver.arrived) == 1)
    await asyncio.sleep(0.02)

    assert len(stage.receiver.arrived) == 1


async def test_start_push_ticket_starts_a_stopped_schedule(stage: Stage) -> None:
    await stage.emulator.control("POST", "platforms", {"appid": stage.platform.appid, "pushing": False})
    stage.emulator.clock.advance(6000)
    body = {"component_appid": stage.platform.appid, "component_secret": stage.platform.secret}

    answer = await stage.post("/cgi-bin/component/api_start_push_ticket", body)
    await until(lambda: bool(stage.receiver.arrived))

    assert answer == {"errcode": 0, "errmsg": "ok"}


async def test_a_component_event_wants_exactly_success(stage: Stage) -> None:
    async def chatty(arrived: Arrived) -> bytes:
        return b'{"success": true}'

    stage.receiver.answer = chatty
    push = await stage.act("ticket", platform=stage.platform.appid)

    assert push["outcome"] == "invalid_reply"
    assert len(push["attempts"]) == 1


async def test_the_authorized_push_carries_the_code_and_the_pre_auth_code(stage: Stage) -> None:
    act = await authorize(stage)
    event = parse_component_event(stage.receiver.arrived[0].opened(stage.keys, now=stage.now()).fields)

    assert isinstance(event, Authorized)
    assert event.code.reveal() == act["authorization_code"]
    assert event.pre_auth_code is not None
    assert event.pre_auth_code.reveal() == act["pre_auth_code"]
    assert event.code_expires_at == stage.now() + 3600


async def test_a_message_goes_to_the_accounts_own_path_and_the_reply_to_the_user(stage: Stage) -> None:
    await authorize(stage)
    stage.receiver.answer = answer_text(stage.keys, "在的", now=stage.now)
    pushes = await write(stage)
    arrived = stage.receiver.arrived[-1]
    fields = arrived.opened(stage.keys, now=stage.now()).fields

    assert arrived.path == f"/messages/{stage.shop.appid}"
    assert f"&openid={stage.openid}&encrypt_type=aes&msg_signature=" in arrived.query.decode()
    assert (fields["ToUserName"], fields["FromUserName"]) == (stage.shop.user_name, stage.openid)
    assert (fields["MsgType"], fields["Content"]) == ("text", "在吗")
    assert [push["outcome"] for push in pushes] == ["reply"]
    assert await inbox(stage) == [("passive", "在的", stage.platform.appid)]


async def test_success_and_nothing_leave_the_user_in_peace(stage: Stage) -> None:
    await authorize(stage)

    async def empty(arrived: Arrived) -> bytes:
        return b""

    outcomes = []
    for answer in (success, empty):
        stage.receiver.answer = answer
        outcomes += [push["outcome"] for push in await write(stage)]

    assert outcomes == ["success", "empty"]
    assert await inbox(stage) == []


async def test_silence_is_tried_three_times_with_new_nonces_and_ends_in_an_apology(stage: Stage) -> None:
    await authorize(stage)
    stage.receiver.arrived.clear()
    stage.receiver.answer = never
    [push] = await write(stage)
    queries = [PushQuery.parse(arrived.query) for arrived in stage.receiver.arrived]
    plains = {arrived.opened(stage.keys, now=stage.now()).plain for arrived in stage.receiver.arrived}

    assert [attempt["outcome"] for attempt in push["attempts"]] == ["timeout"] * 3
    assert len({query.nonce for query in queries}) == 3
    assert len(plains) == 1
    assert await inbox(stage) == [("fault_notice", FAULT_NOTICE, None)]


async def test_a_second_attempt_that_is_answered_is_enough(stage: Stage) -> None:
    await authorize(stage)
    stage.receiver.arrived.clear()
    reply = answer_text(stage.keys, "抱歉", now=stage.now)

    async def late(arrived: Arrived) -> bytes:
        return await (never if len(stage.receiver.arrived) == 1 else reply)(arrived)

    stage.receiver.answer = late
    [push] = await write(stage)

    assert [attempt["outcome"] for attempt in push["attempts"]] == ["timeout", "reply"]
    assert await inbox(stage) == [("passive", "抱歉", stage.platform.appid)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"<xml></xml>", "Encrypt"), (b'{"a": 1}', "Encrypt"), (b"hello", "XML"), (b"\xff", "UTF-8")],
)
async def test_an_unusable_reply_is_not_tried_again_but_apologised_for(
    stage: Stage, body: bytes, problem: str
) -> None:
    await authorize(stage)

    async def unusable(arrived: Arrived) -> bytes:
        return body

    stage.receiver.answer = unusable
    [push] = await write(stage)

    assert [attempt["outcome"] for attempt in push["attempts"]] == ["invalid_reply"]
    assert problem in push["attempts"][0]["problem"]
    assert [kind for kind, *_ in await inbox(stage)] == ["fault_notice"]


async def test_a_reply_must_be_addressed_back(stage: Stage) -> None:
    await authorize(stage)

    async def to_another(arrived: Arrived) -> bytes:
        opened = arrived.opened(stage.keys, now=stage.now())
        reply = render(Text("x"), to_user="oSomeoneElse", from_user="gh_1", created_at=stage.now())
        return seal_reply(stage.keys, opened, reply, timestamp=stage.now(), random=b"0" * 16)

    stage.receiver.answer = to_another
    [push] = await write(stage)

    assert "swapped" in push["attempts"][0]["problem"]


async def test_an_error_status_is_tried_again_unless_switched(stage: Stage) -> None:
    await authorize(stage)
    stage.receiver.status = 500

    [push] = await write(stage)
    await stage.switch(retry_bad_status=False)
    [once] = await write(stage)

    assert [attempt["outcome"] for attempt in push["attempts"]] == ["bad_status"] * 3
    assert len(once["attempts"]) == 1


async def test_nobody_listening_is_a_connect_error_and_stops_nothing_else(
    stage: Stage, receiver: Receiver
) -> None:
    dead = stage.emulator.world.put_platform({"events_url": "http://127.0.0.1:1/events"})
    stage.emulator.clock.advance(600)
    await until(lambda: bool(receiver.arrived))
    await until(lambda: stage.emulator.emulator.pusher.log[-1].outcome != "waiting")
    pushes = await stage.emulator.control("GET", "pushes", platform=dead.appid)

    assert [push["outcome"] for push in pushes] == ["connect_error"]


async def test_a_receiver_that_keeps_failing_is_left_alone_for_a_minute(stage: Stage) -> None:
    await stage.switch(mark_fail_after=1, message_attempts=1)
    await authorize(stage)
    stage.receiver.status = 500

    outcomes = [(await write(stage))[0]["outcome"] for _ in range(2)]
    stage.emulator.clock.advance(60)
    outcomes.append((await write(stage))[0]["outcome"])

    assert outcomes == ["bad_status", "marked_failed", "bad_status"]


async def test_several_platforms_and_the_account_itself_all_get_the_message(stage: Stage) -> None:
    async with Receiver() as second, Receiver() as own:
        other = stage.emulator.world.put_platform({"messages_url": f"{second.url}/$APPID$"})
        silent = stage.emulator.world.put_platform({"messages_url": f"{second.url}/silent"})
        server = {"url": f"{own.url}/own?a=b", "token": "t", "aes_key": "k" * 43}
        stage.emulator.world.put_account({"appid": stage.shop.appid, "server": server})
        await authorize(stage)
        await authorize(stage, other.appid)
        await stage.act("authorize", platform=silent.appid, appid=stage.shop.appid, func_ids=[2])
        keys = PushKeys.make(other.appid, [other.token], [other.aes_key])
        second.answer = answer_text(keys, "第二家", now=stage.now)

        pushes = await write(stage)

        assert [(push["platform"], push["outcome"]) for push in pushes] == [
            (stage.platform.appid, "success"),
            (other.appid, "reply"),
            (None, "success"),
        ]
        assert own.arrived[0].query.startswith(b"a=b&signature=")
        assert await inbox(stage) == [("passive", "第二家", other.appid)]


async def test_whose_reply_is_shown_is_a_switch(stage: Stage) -> None:
    async with Receiver() as own:
        server = {"url": own.url, "token": "t", "aes_key": "k" * 43}
        stage.emulator.world.put_account({"appid": stage.shop.appid, "server": server})
        await authorize(stage)
        stage.receiver.answer = answer_text(stage.keys, "平台", now=stage.now)
        own_reply = answer_text(PushKeys.make(stage.shop.appid, ["t"], ["k" * 43]), "自己", now=stage.now)

        async def later(arrived: Arrived) -> bytes:
            await asyncio.sleep(0.03)
            return await own_reply(arrived)

        own.answer = later
        seen = []
        for policy in ("first", "direct", "all"):
            before = len(await inbox(stage))
            await stage.switch(reply_policy=policy)
            await write(stage)
            seen.append([content for _, content, _ in (await inbox(stage))[before:]])

        assert seen == [["平台"], ["自己"], ["平台", "自己"]]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("format", list(Format))
async def test_an_account_of_its_own_is_served_in_its_mode_and_format(
    stage: Stage, mode: Mode, format: Format
) -> None:
    key = "k" * 43
    server = {"url": stage.receiver.url, "token": "t", "aes_key": key, "mode": mode, "format": format}
    stage.emulator.world.put_account({"appid": stage.shop.appid, "server": server})
    keys = PushKeys.make(stage.shop.appid, ["t"], [key], mode, format)
    stage.receiver.answer = answer_text(keys, "好", now=stage.now)

    [push] = await write(stage)

    assert (push["outcome"], push["attempts"][0]["problem"]) == ("reply", None)
    assert (b"Encrypt" in stage.receiver.arrived[0].body) is (mode is not Mode.PLAINTEXT)
    assert await inbox(stage) == [("passive", "好", "direct")]


async def test_a_url_is_verified_by_echo(stage: Stage) -> None:
    server = {"url": stage.receiver.url, "token": "t", "aes_key": "k" * 43}
    stage.emulator.world.put_account({"appid": stage.shop.appid, "server": server})
    keys = PushKeys.make(stage.shop.appid, ["t"], ["k" * 43])

    async def echo(arrived: Arrived) -> bytes:
        return check_echo(keys, PushQuery.parse(arrived.query)).encode()

    refused = await stage.act("echo", appid=stage.shop.appid)
    stage.receiver.answer = echo
    accepted = await stage.act("echo", appid=stage.shop.appid)

    assert (refused["ok"], accepted["ok"]) == (False, True)
    assert stage.receiver.arrived[0].method == "GET"


async def test_events_change_who_follows(stage: Stage) -> None:
    user = stage.emulator.world.put_user({})
    await authorize(stage)
    await stage.act("event", appid=stage.shop.appid, user=user.id, event="subscribe", event_key="qrscene_7")
    fields = stage.receiver.arrived[-1].opened(stage.keys, now=stage.now()).fields

    assert stage.shop.appid in user.followed_at
    assert (fields["MsgType"], fields["Event"], fields["EventKey"]) == ("event", "subscribe", "qrscene_7")
    assert "MsgId" not in fields
    await stage.act("event", appid=stage.shop.appid, user=user.id, event="unsubscribe")
    assert stage.shop.appid not in user.followed_at


async def test_any_plaintext_can_be_pushed_and_spoiled(stage: Stage) -> None:
    xml = "<xml><InfoType>x</InfoType></xml>"
    platform = stage.platform.appid

    async def push(**spoiled: Any) -> Arrived:
        await stage.act("push", platform=platform, kind="component", xml=xml, **spoiled)
        return stage.receiver.arrived[-1]

    assert (await push()).opened(stage.keys, now=stage.now()).plain.decode() == xml
    with pytest.raises(BadSignature):
        (await push(token="another")).opened(stage.keys, now=stage.now())
    with pytest.raises(WrongAppid):
        (await push(tail_appid="wx0")).opened(stage.keys, now=stage.now())
    without = await push(tamper={"drop": ["msg_signature"], "truncate": 10, "append": "!"})
    assert b"msg_signature" not in without.query
    assert (len(without.body), without.body[-1:]) == (11, b"!")
    assert b"timestamp=5&nonce=7&" in (await push(timestamp=5, nonce="7")).query


async def test_not_waiting_returns_at_once(stage: Stage) -> None:
    await authorize(stage)
    stage.receiver.answer = never
    [push] = await write(stage, wait=False)

    assert (push["outcome"], push["id"]) == ("waiting", "push-2")
    await until(lambda: stage.emulator.emulator.pusher.log[-1].outcome == "timeout")


async def test_pushes_can_be_lost_doubled_delayed_and_overtaken(stage: Stage) -> None:
    await authorize(stage)

    async def arrivals(action: str, *contents: str, **more: Any) -> list[str]:
        await stage.emulator.control("POST", "faults", {"push": "message", "action": action, **more})
        stage.receiver.arrived.clear()
        for content in contents[:-1]:
            await write(stage, content, wait=False)
        await write(stage, contents[-1])
        wanted = {"lose": len(contents) - 1, "duplicate": len(contents) + 1}.get(action, len(contents))
        await until(lambda: len(stage.receiver.arrived) == wanted)
        await stage.emulator.control("DELETE", "faults")
        opened = [arrived.opened(stage.keys, now=stage.now()) for arrived in stage.receiver.arrived]
        return [str(push.fields["Content"]) for push in opened]

    assert await arrivals("lose", "a", "b") == ["b"]
    assert await arrivals("duplicate", "a") == ["a", "a"]
    assert await arrivals("delay", "a", "b", seconds=0.03) == ["b", "a"]
    assert await arrivals("out_of_order", "a", "b") == ["b", "a"]


async def test_a_duplicate_that_is_answered_with_silence_leaves_the_first_reply_standing(
    stage: Stage,
) -> None:
    await authorize(stage)
    stage.receiver.arrived.clear()
    await stage.emulator.control("POST", "faults", {"push": "message", "action": "duplicate"})
    reply = answer_text(stage.keys, "在的", now=stage.now)

    async def once(arrived: Arrived) -> bytes:
        return await (reply if len(stage.receiver.arrived) == 1 else success)(arrived)

    stage.receiver.answer = once
    [push] = await write(stage)

    assert (push["outcome"], len(push["attempts"])) == ("reply", 2)
    assert await inbox(stage) == [("passive", "在的", stage.platform.appid)]


async def test_the_push_log_is_json_that_can_be_filtered(stage: Stage) -> None:
    await authorize(stage)
    await write(stage)

    log = await stage.emulator.control("GET", "pushes", kind="message")

    assert [push["appid"] for push in log] == [stage.shop.appid]
    assert json.dumps(log)
