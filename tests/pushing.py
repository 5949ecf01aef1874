"""Pushes made by hand, for what neither WeChat nor its emulator would send, and what comes of them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.harness import Fetched, World
from wxgate.custody.records import DirectAccount, Platform
from wxgate.events.records import Event
from wxgate.protocol.envelope import Format, Mode, PushKeys, open_reply, seal_push
from wxgate.protocol.xml import Renderable, render
from wxgate.secret import EncodingAESKey, PushToken

TEXT_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Letter:
    """A push before it is posted."""

    query: str
    body: bytes

    def ask(self, **changed: object) -> "Letter":
        """Change parameters of the query; None takes one away."""
        pairs = dict(parse_qsl(self.query, keep_blank_values=True)) | changed
        return replace(
            self, query=urlencode({name: value for name, value in pairs.items() if value is not None})
        )

    def get(self, name: str) -> str:
        """Read a parameter of the query."""
        return dict(parse_qsl(self.query))[name]

    def carry(self, body: bytes) -> "Letter":
        """Change the body."""
        return replace(self, body=body)

    @property
    def encrypt(self) -> str:
        """The sealed part of an XML body."""
        found = re.search(rb"<Encrypt><!\[CDATA\[(.*?)\]\]>", self.body)
        assert found is not None
        return found[1].decode()


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals pushes for one receiver, as WeChat does."""

    keys: PushKeys
    world: World
    element: tuple[str, str]

    @classmethod
    def of_platform(cls, world: World, platform: Platform | None = None, *, account: str = "") -> "Sealer":
        """Seal for a platform, the world's own unless named: its events, or an account's messages."""
        receiver = platform or world.platform
        keys = PushKeys.make(receiver.appid, receiver.push.tokens, receiver.push.aes_keys)
        return cls(keys, world, ("ToUserName", account) if account else ("AppId", receiver.appid))

    @classmethod
    def of_direct(cls, world: World, account: DirectAccount) -> "Sealer":
        """Seal for an account's own server."""
        keys = PushKeys.make(
            account.appid,
            account.push.tokens,
            account.push.aes_keys,
            mode=account.mode,
            format=account.format,
        )
        return cls(keys, world, ("ToUserName", account.user_name))

    def seal(self, plain: str | bytes, *, at: int | None = None, nonce: str = "1320562132") -> Letter:
        """Seal one plaintext, now unless `at` says otherwise."""
        text = plain.encode() if isinstance(plain, str) else plain
        now = int(self.world.clock.now().timestamp())
        query, body = seal_push(
            self.keys,
            text,
            timestamp=now if at is None else at,
            nonce=nonce,
            random=os.urandom(16),
            receiver=self.element,
            format=self.keys.format or Format.XML,
        )
        return Letter(query, body)

    def other(
        self, *, token: str | None = None, aes_key: str | None = None, appid: str | None = None
    ) -> "Sealer":
        """Seal with something else than what was agreed."""
        made = PushKeys.make(
            appid or self.keys.appid,
            [PushToken(token)] if token else self.keys.tokens,
            [EncodingAESKey(aes_key)] if aes_key else [],
            mode=Mode.SAFE,
            format=self.keys.format,
        )
        return replace(self, keys=made if aes_key else replace(made, ciphers=self.keys.ciphers))

    def open(self, answer: Fetched) -> str:
        """Open an answer as WeChat does."""
        return open_reply(self.keys, answer.body)


def text_message(
    account: str, openid: str = "oUser", *, content: str = "你好", msg_id: int = 7, at: int = 0
) -> str:
    """Write a user's text as WeChat does."""
    return render(
        {
            "ToUserName": account,
            "FromUserName": openid,
            "CreateTime": at or 1_700_000_000,
            "MsgType": "text",
            "Content": content,
            "MsgId": msg_id,
        }
    )


def component_event(platform: str, info_type: str, *, at: int, **fields: Renderable) -> str:
    """Write a platform's own event as WeChat does."""
    return render({"AppId": platform, "CreateTime": at, "InfoType": info_type, **fields})


async def post(world: World, path: str, letter: Letter, *, base: str = "", method: str = "POST") -> Fetched:
    """Post a push to the gateway, or to another node of it."""
    url = f"{base or world.gateway_url}{path}?{letter.query}"
    async with world.http.request(
        method, url, data=letter.body, headers={"Content-Type": "text/xml"}
    ) as answer:
        return Fetched(answer.status, answer.headers, await answer.read())


async def metric(world: World, name: str, **labels: str) -> float:
    """Read one number from /metrics; what was never counted is 0."""
    page = await world.fetch("/metrics")
    for line in page.text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1] or "")) == labels:
            return float(found[2])
    return 0.0


async def recorded(world: World, appid: str | None = None) -> Sequence[Event]:
    """List what the gateway has recorded, of one account or of all, newest first."""
    return await world.node.store.inbox.find(appid=appid)


async def only(world: World, appid: str) -> Event:
    """Return the one event there is of an account."""
    found = await recorded(world, appid)
    assert len(found) == 1, [(each.name, each.fields) for each in found]
    return found[0]


def refusal(logs: Sequence[Mapping[str, Any]]) -> str:
    """Read what the log says of the one push that was refused."""
    [line] = [each for each in logs if each["event"] == "push.refused"]
    return str(line["explanation"])


def messages(events: Sequence[Event]) -> list[Event]:
    """Leave out what was pushed to the platform itself."""
    return [each for each in events if each.kind != "component"]


def is_plain(answer: Fetched) -> bool:
    """Tell whether an answer is one that WeChat may see: text, no page, no JSON, no trace."""
    return (
        answer.headers["content-type"] == TEXT_PLAIN
        and not answer.text.lstrip().startswith(("<", "{", "["))
        and "Traceback" not in answer.text
    )
