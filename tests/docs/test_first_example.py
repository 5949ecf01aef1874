"""The first thing a reader copies is short, and really answers WeChat."""

import contextlib
import runpy
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.docs.pages import ROOT, blocks_of
from tests.harness import serving
from wxgate.custody.records import DirectAccount, PushCredentials
from wxgate.emulator.running import RunningEmulator
from wxgate.protocol.envelope import Format, Mode, PushKeys, open_reply, seal_push
from wxgate.protocol.replies import ParsedReply, Text, TransferCustomerService, parse_reply
from wxgate.protocol.xml import Renderable, render
from wxgate.secret import AppSecret, EncodingAESKey, PushToken

TOKEN, AES_KEY = "documentationToken", "documentationEncodingAESKeyForItsTests00001"
USER_NAME, OPENID = "gh_d0c0d0c0d0c0", "oReaderOfTheDocumentation0001"


@dataclass(frozen=True, slots=True)
class Served:
    """An example at work, with one direct account."""

    url: str
    gateway: Any
    http: aiohttp.ClientSession
    appid: str

    async def push(self, content: str, msg_id: str = "1", openid: str = OPENID) -> ParsedReply | None:
        """Send what a user wrote, as WeChat does; return the reply the user sees, or None for silence."""
        now = int(time.time())
        plain: dict[str, Renderable] = {
            "ToUserName": USER_NAME,
            "FromUserName": openid,
            "CreateTime": now,
            "MsgType": "text",
            "Content": content,
            "MsgId": msg_id,
        }
        keys = PushKeys.make(self.appid, [TOKEN], [AES_KEY])
        query, body = seal_push(
            keys,
            render(plain).encode(),
            timestamp=now,
            nonce="415670741",
            random=b"documentation-01",
            receiver=("ToUserName", USER_NAME),
            openid=openid,
        )
        url = f"{self.url}/wechat/direct/{self.appid}?{query}"
        async with self.http.post(url, data=body) as answer:
            assert answer.status == 200
            reply = open_reply(keys, await answer.read())
        return None if reply == "success" else parse_reply(reply)


@contextlib.asynccontextmanager
async def served(program: Path, folder: Path, appid: str = "wxd0c0000000000001") -> AsyncIterator[Served]:
    """Serve an example in an empty folder, with the settings it has there: all at their defaults."""
    with contextlib.chdir(folder):
        example = SimpleNamespace(**runpy.run_path(str(program)))
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving(example.app, listener), aiohttp.ClientSession() as http:
            await example.gateway.node.store.platforms.put_direct(
                DirectAccount(
                    appid=appid,
                    name="documentation",
                    secret=AppSecret("emulated-secret-of-the-shop"),
                    user_name=USER_NAME,
                    push=PushCredentials((PushToken(TOKEN),), (EncodingAESKey(AES_KEY),)),
                    mode=Mode.SAFE,
                    format=Format.XML,
                    created_at=datetime.now(UTC),
                )
            )
            yield Served(url, example.gateway, http, appid)


@pytest.mark.parametrize(
    ("page", "said"), [("README.md", "You said: hello"), ("README.zh.md", "您说：hello")]
)
async def test_the_first_example_has_ten_lines_at_most_and_answers(
    page: str, said: str, tmp_path: Path
) -> None:
    first = next(block for block in blocks_of(ROOT / page) if block.info.startswith("python"))
    assert len(first.text.splitlines()) <= 10
    program = tmp_path / "echo.py"
    program.write_text(first.text, "utf-8")

    async with served(program, tmp_path) as example:
        reply = await example.push("hello")

    assert text_of(reply) == said
    assert reply is not None
    assert (reply.to_user, reply.from_user) == (OPENID, USER_NAME)


async def test_the_echo_example_answers_as_the_readme_does(tmp_path: Path) -> None:
    async with served(ROOT / "examples/echo.py", tmp_path) as example:
        reply = await example.push("hello")

    assert text_of(reply) == "You said: hello"


async def test_the_mounted_example_serves_wechat_beside_its_site(tmp_path: Path) -> None:
    async with served(ROOT / "examples/mounted.py", tmp_path) as example:
        assert await example.push("hello") is None
        async with example.http.get(f"{example.url}/healthz") as health:
            assert health.status == 200
        async with example.http.get(f"{example.url}/not-a-page") as site:
            assert site.status == 404


async def test_the_customer_service_example_answers_in_its_three_ways(tmp_path: Path) -> None:
    async with RunningEmulator(scenario="demo") as wechat:
        (tmp_path / "wxgate.env").write_text(f"WXGATE_API_BASE_URL={wechat.url}\n")
        shop = wechat.world.accounts["wxe0000000000shop1"]
        openid = wechat.world.openid(wechat.world.users["xiaoming"], shop)
        wechat.world.conversations.user_wrote(shop.appid, openid)

        async with served(ROOT / "examples/customer_service.py", tmp_path, shop.appid) as example:
            at_once = await example.push("hours", "1")
            person = await example.push("人工", "2")
            later = await example.push("why?", "3", openid)

        seen = await wechat.control("GET", "inbox", appid=shop.appid, openid=openid)
    assert text_of(at_once) == "Open from nine to six."
    assert person is not None
    assert person.reply == TransferCustomerService()
    assert later is None
    assert [message["content"] for message in seen] == ["I thought about 'why?' and have no answer."]


def text_of(parsed: ParsedReply | None) -> str:
    """Return the text of a reply that is one."""
    assert parsed is not None
    assert isinstance(parsed.reply, Text)
    return parsed.reply.content
