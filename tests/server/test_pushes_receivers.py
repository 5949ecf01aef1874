"""Whose push is it: unknown, foreign and former receivers, mixed-up addresses, and the same push again."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.cast import add_direct, add_follower, add_platform, authorize, authorized_account, settle
from tests.harness import Harness, World
from tests.pushing import (
    Sealer,
    component_event,
    is_plain,
    messages,
    metric,
    only,
    post,
    recorded,
    refusal,
    text_message,
)
from wxgate.events.handlers import Handlers
from wxgate.events.handling import LEASE
from wxgate.events.reception import SETTLED
from wxgate.server.runner import revive
from wxgate.store.inbox import SqlInbox


async def test_an_unknown_platform_and_an_unknown_account_are_no_receivers(gateway: World) -> None:
    letter = Sealer.of_platform(gateway).seal("<xml/>")
    for path in ("wx0000000000000000/events", "wx0000000000000000/messages/wx1", "direct/wx0000000000000000"):
        with capture_logs() as logs:
            answer = await post(gateway, f"/wechat/{path}", letter)
        assert (answer.status, answer.text) == (404, "unknown_receiver")
        assert is_plain(answer)
        assert "wx0000000000000000" in refusal(logs)


async def test_a_platform_is_served_from_the_moment_it_is_added(gateway: World) -> None:
    before = await post(
        gateway, "/wechat/wx0000000000000000/events", Sealer.of_platform(gateway).seal("<xml/>")
    )
    added = await add_platform(gateway, ticket=False)
    told = await gateway.act("ticket", platform=added.appid)
    assert before.status == 404
    assert told["outcome"] == "success"


async def test_a_message_of_an_account_that_never_authorised_is_recorded_and_not_handled(
    tmp_path: Path,
) -> None:
    heard: list[str] = []
    handlers = Handlers()
    handlers.add(("*",), lambda message: heard.append(message.type))
    async with Harness(tmp_path, handlers=handlers) as world:
        letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1"))
        with capture_logs() as logs:
            answer = await post(world, f"/wechat/{world.platform.appid}/messages/wx1234", letter)
        assert (answer.status, answer.text) == (200, "success")
        event = await only(world, appid="wx1234")
        assert (event.state, event.error) == ("done", "the account is not authorised to this platform")
        assert event.noted
        assert heard == []
        assert [line["appid"] for line in logs if line["event"] == "push.not_authorized"] == ["wx1234"]
        assert await metric(world, "wxgate_pushes_total", receiver="platform", result="not_authorized") == 1


async def test_a_message_of_an_account_that_left_is_recorded_and_not_handled(tmp_path: Path) -> None:
    handlers = Handlers()
    handlers.add(("text",), lambda message: "still here?")
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await authorized_account(world)
        path = f"/wechat/{world.platform.appid}/messages/{account['appid']}"
        sealer = Sealer.of_platform(world, account=account["user_name"])
        first = await post(world, path, sealer.seal(text_message(account["user_name"], msg_id=1)))
        await world.act("unauthorize", platform=world.platform.appid, appid=account["appid"])
        second = await post(world, path, sealer.seal(text_message(account["user_name"], msg_id=2)))
        assert "still here?" in sealer.open(first)
        assert (second.status, second.text) == (200, "success")
        newest, *_ = await recorded(world, appid=account["appid"])
        assert (newest.msg_id, newest.reply) == ("2", None)
        assert "not authorised" in newest.error


async def test_what_is_not_to_be_handled_is_over_with_its_record(tmp_path: Path) -> None:
    """A node that dies right after the record leaves nothing that another would handle."""
    heard: list[Any] = []
    handlers = Handlers()

    def hear(message: Any) -> None:
        heard.append(message)

    handlers.add(("*",), hear)
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await authorized_account(world)
        await world.act("unauthorize", platform=world.platform.appid, appid=account["appid"])
        await settle(world)
        heard.clear()
        letter = Sealer.of_platform(world, account=account["user_name"]).seal(
            text_message(account["user_name"])
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(SqlInbox, "finish")
            path = f"/wechat/{world.platform.appid}/messages/{account['appid']}"
            answer = await post(world, path, letter)
        assert (answer.status, answer.text) == (200, "success")
        await world.advance(SETTLED + LEASE)
        assert await world.node.reception.sweep(revive) == 0
        event, *_ = await recorded(world, account["appid"])
        assert (event.kind, event.state) == ("message", "done")
    assert heard == []


async def test_a_message_sent_to_another_accounts_address_is_refused(gateway: World) -> None:
    ours, theirs = await authorized_account(gateway), await authorized_account(gateway, nick_name="别家店")
    sealer = Sealer.of_platform(gateway, account=ours["user_name"])
    with capture_logs() as logs:
        answer = await post(
            gateway,
            f"/wechat/{gateway.platform.appid}/messages/{theirs['appid']}",
            sealer.seal(text_message(ours["user_name"])),
        )
    assert (answer.status, answer.text) == (403, "wrong_appid")
    assert "for another account" in refusal(logs)
    assert messages(await recorded(gateway)) == []


async def test_a_push_for_one_platform_is_refused_by_the_other(gateway: World) -> None:
    other = await add_platform(gateway)
    at = int(gateway.clock.now().timestamp())
    ours = Sealer.of_platform(gateway)
    plain = component_event(gateway.platform.appid, "unauthorized", at=at, AuthorizerAppid="wx1")
    event = await post(gateway, f"/wechat/{other.appid}/events", ours.seal(plain))
    message = await post(gateway, f"/wechat/{other.appid}/messages/wx1", ours.seal(text_message("gh_1")))
    assert (event.status, event.text) == (403, "bad_signature")
    assert (message.status, message.text) == (403, "bad_signature")


async def test_two_platforms_with_the_same_token_and_key_are_told_apart_by_the_appid(gateway: World) -> None:
    """People do copy the same Token and key into two consoles; the appid sealed inside still decides."""
    other = await add_platform(gateway)
    shared = Sealer.of_platform(gateway)
    shared = shared.other(
        token=other.push.tokens[0].reveal(),
        aes_key=other.push.aes_keys[0].reveal(),
        appid=gateway.platform.appid,
    )
    with capture_logs() as logs:
        answer = await post(gateway, f"/wechat/{other.appid}/messages/wx1", shared.seal(text_message("gh_1")))
    assert (answer.status, answer.text) == (403, "wrong_appid")
    assert gateway.platform.appid in refusal(logs)


async def test_one_account_on_two_platforms_and_its_own_server_is_recorded_for_each(tmp_path: Path) -> None:
    """Handlers are called for the one that answers, see tests/events/test_own_platforms.py."""
    handlers = Handlers()
    heard: list[str] = []
    handlers.add(("text",), lambda event: heard.append(event.issuer))
    async with Harness(tmp_path, handlers=handlers) as world:
        other = await add_platform(world)
        account = await authorized_account(world)
        await authorize(world, account["appid"], other)
        await add_direct(world, account=account)
        follower = await add_follower(world, account["appid"])
        await follower.writes("大家好")
        assert heard == ["direct"]
        assert len(messages(await recorded(world, appid=account["appid"]))) == 3


async def test_an_exact_replay_is_answered_as_before_and_handled_once(
    tmp_path: Path, database_url: str
) -> None:
    handlers, heard = Handlers(), list[str]()

    def answer(message: Any) -> str:
        heard.append(message.content)
        return f"第{len(heard)}次"

    handlers.add(("text",), answer)
    async with Harness(tmp_path, database_url=database_url, handlers=handlers) as world:
        account = await authorized_account(world)
        path = f"/wechat/{world.platform.appid}/messages/{account['appid']}"
        sealer = Sealer.of_platform(world, account=account["user_name"])
        letter = sealer.seal(text_message(account["user_name"]))
        first, second = await post(world, path, letter), await post(world, path, letter)
        # WeChat's own retry has a new timestamp, nonce and ciphertext around the same message.
        third = await post(world, path, sealer.seal(text_message(account["user_name"]), nonce="99"))
        assert sealer.open(first) == sealer.open(second) == sealer.open(third)
        assert "第1次" in sealer.open(first)
        assert heard == ["你好"]
        assert len(messages(await recorded(world))) == 1


async def test_two_events_in_one_second_are_two_and_the_same_event_twice_is_one(tmp_path: Path) -> None:
    handlers = Handlers()
    heard: list[str] = []
    handlers.add(("event.click",), lambda message: heard.append(message.key))
    async with Harness(tmp_path, handlers=handlers) as world:
        account = await authorized_account(world)
        path = f"/wechat/{world.platform.appid}/messages/{account['appid']}"
        sealer = Sealer.of_platform(world, account=account["user_name"])
        for key in ("A", "B", "A"):
            plain = text_message(account["user_name"]).replace("text", "event", 1)
            plain = plain.replace("</xml>", f"<Event>CLICK</Event><EventKey>{key}</EventKey></xml>")
            await post(world, path, sealer.seal(plain))
        assert heard == ["A", "B"]


async def test_an_unknown_kind_of_platform_event_is_kept_and_acknowledged(gateway: World) -> None:
    told = await gateway.act(
        "component-event",
        platform=gateway.platform.appid,
        info_type="notify_something_new",
        fields={"appid": "wx1", "info": {"answer": "42"}},
    )
    assert told["outcome"] == "success"
    await settle(gateway)
    event = await only(gateway, appid="wx1")
    assert (event.kind, event.name, event.state) == ("component", "notify_something_new", "done")
    assert event.fields["info"] == {"answer": "42"}


async def test_an_unknown_kind_of_message_is_kept_and_acknowledged(gateway: World) -> None:
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    push = await follower.writes(type="hologram", Depth="3")
    assert push["outcome"] == "success"
    [event] = messages(await recorded(gateway, appid=account["appid"]))
    assert (event.name, event.fields["Depth"]) == ("hologram", "3")


async def test_a_platform_event_twice_is_recorded_once_and_applied_both_times_harmlessly(
    gateway: World,
) -> None:
    account = await gateway.add_account()
    await gateway.control("POST", "faults", {"push": "authorized", "action": "duplicate"})
    told = await gateway.authorize(account["appid"])
    assert [attempt["body"] for attempt in told["push"]["attempts"]] == ["success", "success"]
    await only(gateway, appid=account["appid"])
    assert await metric(gateway, "wxgate_pushes_total", receiver="platform", result="duplicate") == 1
    assert len(await gateway.calls("/cgi-bin/component/api_query_auth")) <= 1


@pytest.mark.parametrize("info_type", ["component_verify_ticket", "authorized", "updateauthorized"])
async def test_no_secret_of_a_platform_event_is_kept_in_its_record(gateway: World, info_type: str) -> None:
    account = await authorized_account(gateway)
    await gateway.act(
        "update-authorization", platform=gateway.platform.appid, appid=account["appid"], func_ids=[1]
    )
    event = next(each for each in await recorded(gateway) if each.name == info_type)
    hidden = {name for name, value in event.fields.items() if value == "****"}
    expected = {"ComponentVerifyTicket"} if "ticket" in info_type else {"AuthorizationCode", "PreAuthCode"}
    assert hidden == expected
