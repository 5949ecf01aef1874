"""`wxgate.testing.PushClient`: WeChat's side of the wire for any application, ours or another's."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from aiohttp import web

from wxgate.errors import ConfigError
from wxgate.protocol.envelope import Mode, PushKeys, PushQuery, check_echo, open_push, seal_reply
from wxgate.protocol.messages import Event, Message, TextMessage, parse_message
from wxgate.protocol.pushes import parse_component_event
from wxgate.protocol.replies import Text, TransferCustomerService, render
from wxgate.testing import PushClient

APPID, TOKEN, AES_KEY = "wx0123456789abcdef", "aToken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
FAR = 10**11


class Foreign:
    """Somebody else's ASGI application: it opens pushes and answers as it is told."""

    def __init__(self, mode: str = "safe") -> None:
        self.keys = PushKeys.make(APPID, [TOKEN], [AES_KEY], Mode(mode), None)
        self.paths: list[str] = []
        self.heard: list[Message] = []
        self.told: list[str] = []
        self.life: list[str] = []
        self.answer: Any = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while self.life[-1:] != ["lifespan.shutdown"]:
                self.life.append((await receive())["type"])
                await send({"type": f"{self.life[-1]}.complete"})
            return
        self.paths.append(scope["path"])
        body = (await receive())["body"]
        status, answer = await self.respond(scope, body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer[:3], "more_body": True})
        await send({"type": "http.response.body", "body": answer[3:]})

    async def respond(self, scope: MutableMapping[str, Any], body: bytes) -> tuple[int, bytes]:
        """Answer one request."""
        query = PushQuery.parse(scope["query_string"])
        if scope["method"] == "GET":
            return 200, check_echo(self.keys, query).encode()
        opened = open_push(self.keys, query, body, now=0, max_age=FAR)
        if "InfoType" in opened.fields:
            self.told.append(parse_component_event(opened.fields).info_type)
            return 200, b"success"
        message = parse_message(opened.fields)
        self.heard.append(message)
        if isinstance(self.answer, bytes):
            return 200, self.answer
        if self.answer is None:
            return 200, b"success"
        if callable(self.answer):
            return await self.answer()  # type: ignore[no-any-return]
        reply = render(
            self.answer, to_user=message.openid, from_user=message.account, created_at=1, format=opened.format
        )
        return 200, seal_reply(self.keys, opened, reply, timestamp=1, random=b"0123456789abcdef")


def client(app: Any, path: str = "/callback", **options: Any) -> PushClient:
    """Make a client with the keys both sides know."""
    return PushClient(app, path, appid=APPID, token=TOKEN, aes_key=AES_KEY, **options)


async def test_a_message_arrives_and_its_encrypted_reply_is_opened() -> None:
    app = Foreign()
    app.answer = Text("您好")
    async with client(app) as wechat:
        answer = await wechat.text("在吗", openid="oReader")

    [message] = app.heard
    assert isinstance(message, TextMessage)
    assert (message.content, message.openid, message.account) == ("在吗", "oReader", wechat.user_name)
    assert (answer.text, answer.outcome, answer.status) == ("您好", "reply", 200)
    assert app.paths == ["/callback"]
    assert app.life == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize("mode", ["plaintext", "compatible", "safe"])
@pytest.mark.parametrize("format", ["xml", "json"])
async def test_every_mode_and_format_is_spoken(mode: str, format: str) -> None:
    app = Foreign(mode)
    app.answer = TransferCustomerService()
    async with client(app, mode=mode, format=format) as wechat:
        assert (await wechat.event("CLICK", EventKey="MENU")).transferred

    [event] = app.heard
    assert isinstance(event, Event)
    assert (event.event, event.key) == ("CLICK", "MENU")


async def test_an_event_of_a_platform_wants_success() -> None:
    app = Foreign()
    async with client(app) as wechat:
        answer = await wechat.component_event("unauthorized", AuthorizerAppid="wx1")

    assert (answer.outcome, app.told) == ("success", ["unauthorized"])


async def test_appid_in_the_address_is_the_accounts() -> None:
    app = Foreign()
    async with client(app, "/wx/$APPID$/messages?tenant=7", account_appid="wxshop") as wechat:
        await wechat.text("hi")
        assert await wechat.verifies()

    assert app.paths == ["/wx/wxshop/messages"] * 2


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"errcode": 0}', "Encrypt"),
        (b"<html>", "XML"),
        (render(Text("hi"), to_user="o", from_user="gh", created_at=1).encode(), "Encrypt"),
    ],
)
async def test_what_wechat_would_not_take_is_said_in_words(body: bytes, problem: str) -> None:
    app = Foreign()
    app.answer = body
    async with client(app) as wechat:
        answer = await wechat.text("hi")

    assert (answer.outcome, answer.fault, answer.text) == ("invalid_reply", True, None)
    assert problem in str(answer.problem)


async def test_a_status_and_a_slow_answer_are_faults() -> None:
    app = Foreign()

    async def failed() -> tuple[int, bytes]:
        return 500, b"oops"

    async def never() -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    async with client(app, timeout=0.05) as wechat:
        app.answer = failed
        assert (await wechat.text("hi")).problem == "HTTP 500"
        app.answer = never
        assert (await wechat.text("hi")).outcome == "timeout"


async def test_a_push_can_be_sent_again_and_spoiled() -> None:
    app = Foreign()
    async with client(app) as wechat:
        await wechat.text("once")
        sealed = wechat.seal(
            "<xml><ToUserName>gh</ToUserName><FromUserName>o</FromUserName><CreateTime>1</CreateTime>"
            "<MsgType>text</MsgType><Content>twice</Content><MsgId>7</MsgId></xml>"
        )
        for _ in range(2):
            assert (await wechat.post(sealed)).silent
        for spoiled in (
            sealed.asking(msg_signature="0" * 40),
            sealed.asking(timestamp=None),
            wechat.seal("<xml/>", token="another"),
            wechat.seal("<xml/>", aes_key="k" * 43),
        ):
            with pytest.raises(Exception, match=r"signature|timestamp|appid|padding|decrypt|Sealed|block"):
                await wechat.post(spoiled)

    assert [message.msg_id for message in app.heard[1:]] == ["7", "7"]


async def test_two_messages_are_two_and_one_can_be_repeated() -> None:
    app = Foreign()
    async with client(app) as wechat:
        for fields in ({}, {}, {"MsgId": 7}, {"MsgId": 7}):
            await wechat.text("hi", **fields)

    ids = [message.msg_id for message in app.heard]
    assert ids[2:] == ["7", "7"]
    assert len(set(ids)) == 3


async def test_a_server_is_pushed_to_by_its_address() -> None:
    app = Foreign()
    app.answer = Text("over HTTP")

    async def serve(request: web.Request) -> web.Response:
        scope = {"method": request.method, "query_string": request.rel_url.raw_query_string.encode()}
        status, body = await app.respond(scope, await request.read())
        return web.Response(status=status, body=body)

    site = web.Application()
    site.router.add_route("*", "/wx/{appid}", serve)
    runner = web.AppRunner(site)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with client(f"{url}/wx/", "$APPID$", account_appid="wxshop") as wechat:
            assert (await wechat.text("hi")).text == "over HTTP"
            assert await wechat.verifies()
        async with client(f"{url}/nowhere", "") as wechat:
            assert (await wechat.text("hi")).problem == "HTTP 404"
    finally:
        await runner.cleanup()
    async with client(url, "/wx/1") as wechat:
        answer = await wechat.text("hi")
        assert (answer.outcome, answer.fault) == ("connect_error", True)


async def test_an_application_without_a_lifespan_will_do() -> None:
    foreign = Foreign()

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan here"
        await foreign(scope, receive, send)

    async with client(app) as wechat:
        assert (await wechat.text("hi")).silent


async def test_an_application_that_does_not_start_is_told() -> None:
    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        async with client(app):
            pass


def test_a_mode_that_encrypts_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="aes_key"):
        PushClient("http://127.0.0.1:1", appid=APPID, token=TOKEN)
