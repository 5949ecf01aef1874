"""`wxgate.testing.wechat`: what a user's own test suite is given."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from wxgate import Account, Gateway, ReplyMaker, reply
from wxgate.errors import ConfigError
from wxgate.protocol.messages import ScanEvent, SubscribeEvent, TextMessage
from wxgate.protocol.replies import Text
from wxgate.testing import World, wechat


def echoing() -> Gateway:
    """Make a gateway that answers texts with themselves."""
    gateway = Gateway()

    @gateway.on("text")
    async def echo(message: TextMessage, reply: ReplyMaker) -> Text:
        return reply.text(f"You said: {message.content}")

    return gateway


async def test_a_user_who_writes_is_answered() -> None:
    async with wechat(echoing()) as world:
        user = await world.user()
        answer = await user.says("hello")

        assert answer.text == "You said: hello"
        assert (answer.outcome, answer.silent, answer.fault, answer.attempts) == ("reply", False, False, 1)
        assert [(seen.source, seen.text, seen.sender) for seen in await user.sees()] == [
            ("passive", "You said: hello", world.platform)
        ]


async def test_what_has_no_handler_is_silent() -> None:
    async with wechat(echoing()) as world:
        user = await world.user()
        answer = await user.sends("image", media_id="m1")

        assert (answer.text, answer.reply, answer.silent) == (None, None, True)
        assert await user.sees() == []


async def test_a_user_follows_scans_taps_and_leaves() -> None:
    gateway, heard = Gateway(), list[tuple[str, str]]()

    @gateway.on("event")
    async def note(message: Any) -> None:
        heard.append((message.event, message.key))

    @gateway.on(SubscribeEvent)
    def welcome(message: SubscribeEvent) -> str:
        return f"Welcome to {message.scene or 'us'}"

    @gateway.on(ScanEvent)
    def table(message: ScanEvent) -> reply.Reply:
        return reply.TransferCustomerService()

    async with wechat(gateway) as world:
        user = await world.user()
        assert (await user.follows()).text == "Welcome to us"
        assert (await user.follows("42")).text == "Welcome to 42"
        assert (await user.scans("7")).transferred
        await user.taps("MENU")
        await user.unfollows()

    assert heard == [("CLICK", "MENU"), ("unsubscribe", "")]


async def test_a_customer_service_message_is_waited_for() -> None:
    gateway, asked = Gateway(), asyncio.Event()

    @gateway.on("text")
    async def later(message: TextMessage, account: Account) -> None:
        await asked.wait()
        body = {"touser": message.openid, "msgtype": "text", "text": {"content": "found it"}}
        await account.post("cgi-bin/message/custom/send", json=body)

    async with wechat(gateway, reply_deadline=0.05) as world:
        user = await world.user()
        answer = asyncio.create_task(user.says("where?"))
        asked.set()
        await answer
        [seen] = await user.sees(at_least=1)
        [call] = await world.calls("/cgi-bin/message/custom/send")

    assert (seen.source, seen.text) == ("custom", "found it")
    assert call["errcode"] == 0


async def test_accounts_users_and_direct_accounts_are_apart() -> None:
    async with wechat(echoing()) as world:
        second = await world.add_account("第二家")
        own = await world.add_account("自家", direct=True, mode="plaintext", format="json")
        users = [await world.user(), await world.user(second), await world.user(own)]
        for user in users:
            assert (await user.says(user.account.name)).text == f"You said: {user.account.name}"
        senders = [(await user.sees())[0].sender for user in users]

    assert len({user.openid for user in users}) == 3
    assert senders == [world.platform, world.platform, "direct"]


async def test_a_merchant_leaves_and_comes_back() -> None:
    gateway, heard = echoing(), list[str]()

    @gateway.on("component")
    def note(message: Any) -> None:
        heard.append(message.info_type)

    async with wechat(gateway) as world:
        user = await world.user()
        assert (await world.account.unauthorizes()).outcome == "success"
        with pytest.raises(ConfigError, match="authorised nobody"):
            await user.says("anybody there?")
        await world.account.authorizes()
        assert (await user.says("hello")).text == "You said: hello"
        assert (await world.happens("notify_icpfiling_verify_result", task_id="1")).outcome == "success"

    assert [name for name in heard if name != "component_verify_ticket"] == [
        "authorized",
        "unauthorized",
        "authorized",
        "notify_icpfiling_verify_result",
    ]


async def test_the_clock_moves_for_both_sides() -> None:
    async with wechat(echoing()) as world:
        user = await world.user()
        await world.advance(timedelta(days=3))
        assert (await user.says("still there?")).text == "You said: still there?"


async def test_wechats_api_goes_wrong_on_order() -> None:
    gateway = Gateway()

    @gateway.on("text")
    async def ask(account: Account) -> str:
        return str((await account.get("cgi-bin/user/get"))["total"])

    async with wechat(gateway) as world:
        user = await world.user()
        await world.goes_wrong("/cgi-bin/user/get", "errcode", errcode=45009)
        assert (await user.says("how many?")).silent
        assert (await user.says("how many?")).text == "1"


async def test_a_gateway_can_be_tested_again_and_knows_nothing_of_before() -> None:
    gateway = echoing()
    platforms = []
    for _ in range(2):
        async with wechat(gateway) as world:
            platforms.append([one.appid for one in await gateway.node.store.platforms.list_platforms()])
            assert platforms[-1] == [world.platform]
    assert not gateway.is_open


async def test_without_an_account_nobody_has_authorised_yet() -> None:
    async with wechat(echoing(), account=False) as world:
        with pytest.raises(ConfigError, match="add_account"):
            _ = world.account
        assert await account_names(world) == []
        await world.add_account("第一家")
        assert await account_names(world) == ["第一家"]


async def account_names(world: World) -> list[str]:
    """List the accounts in WeChat."""
    return [account.nick_name for account in world.emulator.world.accounts.values()]


async def test_what_is_wrong_with_a_gateway_is_told_to_the_test() -> None:
    gateway = Gateway()
    with pytest.raises(ConfigError, match="WXGATE_DATABASE_URL"):
        async with wechat(gateway, database_url="postgresql://wxgate@127.0.0.1:1/wxgate"):
            pass
    assert not gateway.is_open


async def test_wechat_tries_again_and_apologises_as_its_switches_say() -> None:
    async with wechat(Gateway()) as world:
        user = await world.user()
        await world.emulator.control(
            "POST", "platforms", {"appid": world.platform, "messages_url": f"{world.url}/x"}
        )
        await world.switch(message_attempts=2)
        answer = await user.says("hello")

        assert (answer.outcome, answer.status, answer.attempts, answer.fault) == ("bad_status", 404, 2, True)
        assert [seen.source for seen in await user.sees()] == ["fault_notice"]


async def test_an_open_gateway_is_not_touched(tmp_path: Any) -> None:
    async with Gateway(f"sqlite:///{tmp_path / 'own.db'}", key_file=tmp_path / "own.key") as gateway:
        with pytest.raises(ConfigError, match="is open"):
            async with wechat(gateway):
                pass


async def test_the_environment_of_production_is_not_touched(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    production = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'production.db'}",
        "KEYS": "k1:not-even-base64",
        "PUBLIC_BASE_URL": "https://wx.example.com",
        "OUTBOUND_PROXY": "http://127.0.0.1:1",
    }
    (tmp_path / "wxgate.env").write_text(
        "".join(f"WXGATE_{name}={value}\n" for name, value in production.items())
    )
    async with wechat(echoing()) as world:
        user = await world.user()
        assert (await user.says("hello")).text == "You said: hello"

    assert [path.name for path in tmp_path.iterdir()] == ["wxgate.env"]
