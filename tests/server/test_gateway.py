"""The library's face: a gateway in somebody's own application, beside WeChat in a box."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.cast import Follower, add_direct, add_follower, authorized_account
from tests.harness import Harness, World, listen, serving
from wxgate import Gateway, WeChatError, reply
from wxgate.errors import ConfigError, NotAuthorized


@asynccontextmanager
async def serve(world: World, gateway: Gateway) -> AsyncIterator[None]:
    """Serve a gateway on the world's database, and let WeChat push there from now on."""
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    appid = world.platform.appid
    addresses = {
        "events_url": f"{url}/wechat/{appid}/events",
        "messages_url": f"{url}/wechat/{appid}/messages/$APPID$",
    }
    async with serving(gateway.asgi(world.node.settings), listener):
        await world.control("POST", "platforms", {"appid": appid, **addresses})
        yield


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose platform is known; the gateway under test takes its pushes over."""
    async with Harness(tmp_path) as made:
        yield made


@pytest.fixture
async def follower(world: World) -> Follower:
    """A user of an account that has authorised the platform."""
    account = await authorized_account(world)
    return await add_follower(world, account["appid"])


async def test_a_message_is_answered_and_followed_by_one_through_the_account(
    world: World, follower: Follower
) -> None:
    gateway = Gateway()

    @gateway.on("text")
    async def answer(message: Any, account: Any, gateway: Any, event: Any) -> str:
        await account.post(
            "cgi-bin/message/custom/send",
            json={"touser": message.openid, "msgtype": "text", "text": {"content": "稍等，马上来"}},
        )
        assert (gateway is outer, event.appid, account.appid) == (True, follower.appid, follower.appid)
        return f"收到：{message.content}"

    outer = gateway
    async with serve(world, gateway):
        push = await follower.writes("一杯拿铁")
    assert push["outcome"] == "reply", push
    seen = [(each["from"], each["content"]) for each in await follower.sees()]
    assert seen == [("custom", "稍等，马上来"), ("passive", "收到：一杯拿铁")]


def saying(words: str) -> Any:
    """Make a handler that always says the same."""
    return lambda: words


async def test_the_most_specific_handler_answers_and_the_one_for_the_account_before_others(
    world: World, follower: Follower
) -> None:
    gateway = Gateway()
    gateway.on()(saying("anything"))
    gateway.on("event")(saying("any event"))
    gateway.on("text", accounts=("wx-of-somebody-else",))(saying("not yours"))
    gateway.on("text")(saying("a text"))
    gateway.on("event.subscribe", "event.scan")(saying("subscribed or scanned"))
    gateway.on("event.subscribe", accounts=(follower.appid,))(saying("subscribed here"))
    async with serve(world, gateway):
        await follower.writes()
        await follower.writes(type="image")
        for event in ("subscribe", "SCAN", "CLICK"):
            await follower.does(event)
    assert [each["content"] for each in await follower.sees()] == [
        "a text",
        "anything",
        "subscribed here",
        "subscribed or scanned",
        "any event",
    ]


async def test_a_handler_registered_while_serving_is_heard(world: World, follower: Follower) -> None:
    gateway = Gateway()
    async with serve(world, gateway):
        await follower.writes()
        gateway.on("text")(saying("now"))
        await follower.writes()
    assert [each["content"] for each in await follower.sees()] == ["now"]


async def test_replies_are_made_with_wxgate_reply(world: World, follower: Follower) -> None:
    gateway = Gateway()
    gateway.on("text")(lambda: reply.Image("media-id"))
    async with serve(world, gateway):
        await follower.writes()
    assert [each["fields"] for each in await follower.sees()] == [{"Image": {"MediaId": "media-id"}}]


async def test_an_error_of_wechat_in_a_handler_is_recorded_and_the_user_sees_nothing(
    world: World, follower: Follower
) -> None:
    gateway = Gateway()

    @gateway.on("text")
    async def answer(account: Any) -> None:
        await account.post("cgi-bin/message/custom/send", json={"touser": "nobody", "msgtype": "text"})

    async with serve(world, gateway):
        with capture_logs() as logs:
            push = await follower.writes()
        assert push["attempts"][0]["body"] == "success"
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["handler.failed"]
        newest, *_ = await gateway.node.store.inbox.find(appid=follower.appid)
        assert newest.error.startswith("WeChatError: /cgi-bin/message/custom/send: errcode 40003")
    assert await follower.sees() == []


async def test_an_account_that_has_just_authorised_can_be_called_from_the_handler_of_it(world: World) -> None:
    gateway, called = Gateway(), list[dict[str, Any]]()

    @gateway.on("authorized")
    async def welcome(account: Any) -> None:
        called.append(await account.get("cgi-bin/user/get"))

    async with serve(world, gateway):
        account = await world.add_account()
        await world.add_fault("/cgi-bin/component/api_query_auth", "delay", seconds=0.1)
        await world.authorize(account["appid"])
        await gateway.node.exchanges.close()
        await gateway.node.reception.close()
    assert [each["total"] for each in called] == [0]


async def test_without_a_server_calls_can_be_made_too(world: World, follower: Follower) -> None:
    settings = world.node.settings.model_dump(exclude={"keys"})
    async with Gateway(**settings) as gateway:
        answer = await gateway.account(follower.appid).get("cgi-bin/user/info", {"openid": follower.openid})
        assert answer["openid"] == follower.openid
        body = {"component_appid": world.platform.appid}
        made = await gateway.platform(world.platform.appid).post(
            "cgi-bin/component/api_create_preauthcode", json=body
        )
        assert made["pre_auth_code"].startswith("preauthcode@@@")
        with pytest.raises(WeChatError) as refused:
            await gateway.account(follower.appid).get("cgi-bin/user/info", {"openid": "nobody"})
        assert refused.value.errcode == 40003
        with pytest.raises(NotAuthorized, match="nobody may act for wx0"):
            await gateway.account("wx0").get("cgi-bin/user/get")


async def test_a_file_comes_back_as_bytes_and_json_as_data(world: World) -> None:
    direct = await add_direct(world)
    account = world.node.calls.account(direct.appid)
    assert (await account.get("cgi-bin/user/get"))["total"] == 0
    picture = await account.post("wxa/getwxacodeunlimit", json={"scene": "1"})
    assert isinstance(picture, bytes | dict)


def test_a_gateway_that_is_not_open_says_how_to_open_it() -> None:
    gateway = Gateway()
    for use in (lambda: gateway.account("wx1"), lambda: gateway.platform("wx1"), lambda: gateway.node):
        with pytest.raises(
            ConfigError, match=r"not open; serve gateway.asgi\(\), or use `async with gateway:`"
        ):
            use()


async def test_a_gateway_that_was_closed_is_not_open_and_can_be_opened_again(world: World) -> None:
    settings = world.node.settings.model_dump(exclude={"keys"})
    gateway = Gateway(**settings)
    for _ in range(2):
        async with gateway:
            assert await gateway.node.store.ping()
        with pytest.raises(ConfigError, match="not open"):
            gateway.account("wx1")


async def test_a_served_gateway_can_be_served_again(world: World, follower: Follower) -> None:
    gateway = Gateway()
    gateway.on("text")(saying("here"))
    for _ in range(2):
        async with serve(world, gateway):
            assert (await follower.writes())["outcome"] == "reply"
        with pytest.raises(ConfigError, match="not open"):
            gateway.account("wx1")


async def test_a_gateway_in_use_may_be_served_too(world: World, follower: Follower) -> None:
    gateway = Gateway(**world.node.settings.model_dump(exclude={"keys"}))
    gateway.on("text")(saying("here"))
    async with gateway:
        node = gateway.node
        async with serve(world, gateway):
            assert gateway.node is node
            assert (await follower.writes())["outcome"] == "reply"


def test_a_handler_that_asks_for_the_unknown_is_refused_where_it_is_written() -> None:
    with pytest.raises(
        ConfigError,
        match=r"'answer' asks for 'msg' \(did you mean 'message'\?\); .*message, account, gateway, event",
    ):

        @Gateway().on("text")
        def answer(msg: object) -> None: ...


def test_a_decorated_function_stays_what_it_was() -> None:
    def answer() -> str:
        return "yes"

    assert Gateway().on("text")(answer) is answer


async def test_a_setting_that_does_not_exist_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="reply_dedline: no such setting"):
        async with Gateway(reply_dedline=3):
            pass


async def test_a_database_that_cannot_be_used_is_told_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://wxgate:hunter2@127.0.0.1:1/wxgate"
    with pytest.raises(ConfigError, match="WXGATE_DATABASE_URL") as refused:
        async with Gateway(url, key_file=tmp_path / "wxgate.key"):
            pass
    assert "hunter2" not in str(refused.value)
