"""Accounts with a server configuration of their own: three modes, two formats, and no way down from them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cast import add_direct, add_follower
from tests.harness import Harness, World
from tests.pushing import Letter, Sealer, messages, metric, only, post, recorded, text_message
from wxgate import reply
from wxgate.events.handlers import Handlers
from wxgate.protocol.envelope import Format, Mode

MODES = list(Mode)
FORMATS = list(Format)


def answering(value: Any) -> Handlers:
    """Make handlers that always answer the same."""
    handlers = Handlers()
    handlers.add(("*",), lambda message: value)
    return handlers


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", MODES)
async def test_a_message_is_answered_in_every_mode_and_format(
    tmp_path: Path, mode: Mode, format: Format
) -> None:
    async with Harness(tmp_path, handlers=answering("好的"), ticket=False) as world:
        account = await add_direct(world, mode, format)
        follower = await add_follower(world, account.appid)
        push = await follower.writes("在吗")
        assert push["outcome"] == "reply", push
        assert ("Encrypt" in push["attempts"][0]["body"]) == (mode is not Mode.PLAINTEXT)
        assert [(each["from"], each["content"]) for each in await follower.sees()] == [("passive", "好的")]
        event = await only(world, appid=account.appid)
        assert (event.issuer, event.openid, event.fields["Content"]) == ("direct", follower.openid, "在吗")


@pytest.mark.parametrize("mode", MODES)
async def test_the_address_is_verified_as_its_console_does(gateway: World, mode: Mode) -> None:
    account = await add_direct(gateway, mode)
    told = await gateway.act("echo", appid=account.appid)
    assert told["ok"], told
    assert await metric(gateway, "wxgate_pushes_total", receiver="direct", result="echo") == 1


async def test_the_address_is_not_verified_with_another_token(gateway: World) -> None:
    account = await add_direct(gateway)
    letter = Sealer.of_direct(gateway, account).other(token="another").seal("<xml/>")
    answer = await gateway.fetch(f"/wechat/direct/{account.appid}?{letter.ask(echostr='1').query}")
    assert (answer.status, answer.text) == (403, "bad_signature")


@pytest.mark.parametrize("mode", [Mode.SAFE, Mode.COMPATIBLE])
async def test_a_plain_push_to_an_account_that_encrypts_is_refused(gateway: World, mode: Mode) -> None:
    account = await add_direct(gateway, mode)
    sealer = Sealer.of_direct(gateway, account)
    plain = text_message(account.user_name)
    answer = await post(gateway, f"/wechat/direct/{account.appid}", sealer.seal(plain).carry(plain.encode()))
    assert (answer.status, answer.text) == (400, "malformed")
    assert await recorded(gateway, appid=account.appid) == []


async def test_an_encrypted_push_to_an_account_in_plaintext_mode_is_refused(gateway: World) -> None:
    account = await add_direct(gateway, Mode.PLAINTEXT)
    safe = Sealer.of_platform(gateway, account=account.user_name).other(token=account.push.tokens[0].reveal())
    letter = safe.seal(text_message(account.user_name))
    answer = await post(gateway, f"/wechat/direct/{account.appid}", letter)
    assert (answer.status, answer.text) == (400, "malformed")


async def test_a_plain_push_with_a_wrong_signature_is_refused(gateway: World) -> None:
    account = await add_direct(gateway, Mode.PLAINTEXT)
    letter = Sealer.of_direct(gateway, account).seal(text_message(account.user_name))
    for spoiled in (letter.ask(signature="0" * 40), letter.ask(signature=None), letter.ask(nonce="5")):
        answer = await post(gateway, f"/wechat/direct/{account.appid}", spoiled)
        assert (answer.status, answer.text) == (403, "bad_signature")
    assert await recorded(gateway, appid=account.appid) == []


@pytest.mark.parametrize("encrypt_type", ["aes", None])
async def test_a_plain_body_is_refused_in_compatible_mode_though_its_signature_is_right(
    gateway: World, encrypt_type: str | None
) -> None:
    account = await add_direct(gateway, Mode.COMPATIBLE)
    seen = Sealer.of_direct(gateway, account).seal(text_message(account.user_name))
    forged = seen.carry(text_message(account.user_name, content="退款").encode())
    letter = forged.ask(encrypt_type=encrypt_type, msg_signature=None)
    answer = await post(gateway, f"/wechat/direct/{account.appid}", letter)
    assert (answer.status, answer.text) == (400, "malformed")
    assert await recorded(gateway, appid=account.appid) == []


async def test_a_message_for_another_account_is_refused(gateway: World) -> None:
    account = await add_direct(gateway, Mode.PLAINTEXT)
    letter = Sealer.of_direct(gateway, account).seal(text_message("gh_of_somebody"))
    answer = await post(gateway, f"/wechat/direct/{account.appid}", letter)
    assert (answer.status, answer.text) == (403, "wrong_appid")


@pytest.mark.parametrize(
    ("format", "body"), [(Format.XML, b'{"Encrypt": "x"}'), (Format.JSON, b"<xml></xml>")]
)
async def test_the_other_format_is_refused(gateway: World, format: Format, body: bytes) -> None:
    account = await add_direct(gateway, format=format)
    letter = Letter("timestamp=1&nonce=2&msg_signature=3", body)
    answer = await post(gateway, f"/wechat/direct/{account.appid}", letter)
    assert (answer.status, answer.text) == (400, "malformed")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"Encrypt": {"a": 1}}',
        b'{"Encrypt": "\xff"}',
        b'{"a":' * 5000,
        b'{"Encrypt": ""}',
        b"{}",
    ],
    ids=["cut", "list", "nested", "not UTF-8", "bottomless", "empty", "nothing"],
)
async def test_json_that_is_no_push_is_refused(gateway: World, body: bytes) -> None:
    account = await add_direct(gateway, format=Format.JSON)
    answer = await post(
        gateway, f"/wechat/direct/{account.appid}", Letter("timestamp=1&nonce=2&msg_signature=3", body)
    )
    assert (answer.status, answer.text) == (400, "malformed")


async def test_json_with_a_zero_character_is_answered_like_any_other(
    tmp_path: Path, database_url: str
) -> None:
    """No database stores a zero character; answering 503 would only let WeChat bring it again."""
    async with Harness(
        tmp_path, database_url=database_url, handlers=answering("好的"), ticket=False
    ) as world:
        account = await add_direct(world, format=Format.JSON)
        fields = {
            "ToUserName": account.user_name,
            "FromUserName": "o\0User",
            "CreateTime": 1_700_000_000,
            "MsgType": "text",
            "Content": "你\0好",
            "MsgId": 5,
        }
        letter = Sealer.of_direct(world, account).seal(json.dumps(fields))
        answer = await post(world, f"/wechat/direct/{account.appid}", letter)
        assert answer.status == 200
        assert (await only(world, appid=account.appid)).fields["Content"] == "你\0好"


async def test_a_news_reply_in_json_is_a_list_of_articles_with_numbers_as_numbers(tmp_path: Path) -> None:
    news = reply.News((reply.Article("标题", "描述", "https://example.com/a.png", "https://example.com"),))
    async with Harness(tmp_path, handlers=answering(news), ticket=False) as world:
        account = await add_direct(world, Mode.PLAINTEXT, Format.JSON)
        letter = Sealer.of_direct(world, account).seal(
            json.dumps(
                {
                    "ToUserName": account.user_name,
                    "FromUserName": "oUser",
                    "CreateTime": 1_700_000_000,
                    "MsgType": "text",
                    "Content": "新闻",
                    "MsgId": 5,
                }
            )
        )
        answer = await post(world, f"/wechat/direct/{account.appid}", letter)
        assert answer.headers["content-type"].startswith("application/json")
        fields = json.loads(answer.body)
        assert (fields["ToUserName"], fields["FromUserName"]) == ("oUser", account.user_name)
        assert fields["ArticleCount"] == 1
        assert isinstance(fields["CreateTime"], int)
        assert [item["Title"] for item in fields["Articles"]["item"]] == ["标题"]


async def test_the_same_message_in_two_formats_is_one(tmp_path: Path) -> None:
    async with Harness(tmp_path, handlers=answering("好的"), ticket=False) as world:
        account = await add_direct(world)
        sealer = Sealer.of_direct(world, account)
        letters = [sealer.seal(text_message(account.user_name), nonce=str(n)) for n in range(3)]
        answers = [await post(world, f"/wechat/direct/{account.appid}", letter) for letter in letters]
        assert len({sealer.open(answer) for answer in answers}) == 1
        assert len(messages(await recorded(world, appid=account.appid))) == 1
