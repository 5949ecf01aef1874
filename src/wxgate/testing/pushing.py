"""A client that pushes as WeChat does: sealed, signed, and reading the encrypted answer."""

import asyncio
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

import aiohttp

from wxgate.clock import Clock, SystemClock
from wxgate.emulator import plain
from wxgate.emulator.outcomes import Outcome, judge
from wxgate.errors import ConfigError, MalformedPush
from wxgate.protocol import xml
from wxgate.protocol.envelope import Format, Mode, PushKeys, PushQuery, seal_push
from wxgate.protocol.signature import sign
from wxgate.testing.answers import Answer
from wxgate.testing.calling import AddressTarget, AppTarget, ASGIApp, Target

USER_NAME = "gh_0123456789ab"
OPENID = "oTestUser00000000000000000001"


@dataclass(frozen=True, slots=True)
class SealedPush:
    """A push before it is posted; `replace` it to spoil it, post it twice to be WeChat trying again."""

    query: str
    body: bytes
    element: tuple[str, str]
    openid: str | None = None

    def asking(self, **changed: str | None) -> "SealedPush":
        """Change parameters of the query string; None takes one away."""
        pairs = dict(parse_qsl(self.query, keep_blank_values=True)) | changed
        kept = {name: value for name, value in pairs.items() if value is not None}
        return replace(self, query=urlencode(kept))


class PushClient:
    """Pushes to an ASGI application or an address, with the keys of one platform or account.

    `target` is an application, with `path` the address of its callback, or a whole URL; `$APPID$` in either
    becomes `account_appid`. `appid` is the platform's for a third-party platform, else the account's own.
    Use it with `async with`, which runs the application's lifespan; it needs no server.
    """

    def __init__(
        self,
        target: ASGIApp | str,
        path: str = "",
        *,
        appid: str,
        token: str,
        aes_key: str = "",
        mode: str = "safe",
        format: str = "xml",
        account_appid: str = "",
        user_name: str = USER_NAME,
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        if Mode(mode) is not Mode.PLAINTEXT and not aes_key:
            raise ConfigError(f"mode {mode!r} needs an aes_key, the EncodingAESKey of 43 characters")
        address = (target + path) if isinstance(target, str) else path
        self._target: Target = AddressTarget() if isinstance(target, str) else AppTarget(target)
        self._url = address.replace("$APPID$", account_appid)
        self.keys = PushKeys.make(appid, [token], [aes_key] if aes_key else [], Mode(mode), Format(format))
        self.user_name = user_name
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._msg_ids = count(24_000_000_000_000_000 + secrets.randbelow(10**15))

    async def __aenter__(self) -> Self:
        await self._target.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._target.close()

    async def text(self, content: str, *, openid: str = OPENID, **fields: Any) -> Answer:
        """Push a user's text."""
        return await self.message("text", openid=openid, Content=content, **fields)

    async def message(self, type: str, *, openid: str = OPENID, **fields: Any) -> Answer:
        """Push a user's message; `fields` are WeChat's (`MediaId` or `media_id`), and MsgId to repeat one."""
        msg_id = fields.pop("MsgId", None) or next(self._msg_ids)
        made = plain.message(
            type, fields, to=self.user_name, sender=openid, now=self._now(), msg_id=int(msg_id)
        )
        return await self.post(self.seal(self._written(made)))

    async def event(self, name: str, *, openid: str = OPENID, **fields: Any) -> Answer:
        """Push an event such as subscribe or CLICK; `fields` are WeChat's (`EventKey` or `event_key`)."""
        made = plain.event(name, fields, to=self.user_name, sender=openid, now=self._now())
        return await self.post(self.seal(self._written(made)))

    async def component_event(self, info_type: str, **fields: Any) -> Answer:
        """Push an event of a platform; answered by anything but `success` it has failed."""
        text = plain.component_event(self.keys.appid, self._now(), info_type, fields)
        return await self.post(self.seal(text))

    def seal(
        self,
        text: str,
        *,
        token: str | None = None,
        aes_key: str | None = None,
        timestamp: int | None = None,
        nonce: str | None = None,
    ) -> SealedPush:
        """Seal any plaintext, as agreed or on purpose with another token, key, timestamp or nonce.

        The envelope names the receiver that the plaintext names.
        """
        keys = self.keys
        if token is not None:
            keys = replace(keys, tokens=PushKeys.make("", [token], []).tokens)
        if aes_key is not None:
            keys = replace(keys, ciphers=PushKeys.make("", [], [aes_key]).ciphers)
        element, openid = self._addressed(text)
        query, body = seal_push(
            keys,
            text.encode(),
            timestamp=self._now() if timestamp is None else timestamp,
            nonce=nonce or str(secrets.randbelow(2**31)),
            random=os.urandom(16),
            receiver=element,
            openid=openid,
            format=self._format,
        )
        return SealedPush(query, body, element, openid)

    async def post(self, sealed: SealedPush) -> Answer:
        """Post a sealed push as it is and judge the answer as WeChat does; it waits five seconds."""
        kind = "application/json" if self._format is Format.JSON else "text/xml"
        try:
            async with asyncio.timeout(self._timeout):
                answered = await self._target.request("POST", self._with(sealed.query), sealed.body, kind)
        except TimeoutError:
            return Answer(Outcome.TIMEOUT, problem=f"no answer within {self._timeout:g} s")
        except (aiohttp.ClientError, OSError) as problem:
            return Answer(Outcome.CONNECT_ERROR, problem=f"{type(problem).__name__}: {problem}")
        judged = judge(self.keys, sealed.element, sealed.openid, answered.status, answered.body)
        return Answer(
            judged.outcome,
            judged.reply.reply if judged.reply else None,
            judged.problem,
            answered.status,
            answered.body.decode("utf-8", "replace"),
        )

    async def verifies(self) -> bool:
        """Ask for the echo by which WeChat verifies an address when it is saved."""
        stamp, nonce, echo = (
            str(self._now()),
            str(secrets.randbelow(2**31)),
            str(secrets.randbelow(2**63)),
        )
        signature = sign(self.keys.tokens[0].reveal(), stamp, nonce)
        query = PushQuery(signature=signature, timestamp=stamp, nonce=nonce, echostr=echo).encode()
        answered = await self._target.request("GET", self._with(query), b"", "text/plain")
        return answered.status == 200 and answered.body.decode("utf-8", "replace") == echo

    def _addressed(self, text: str) -> tuple[tuple[str, str], str | None]:
        """Read who a plaintext is for, and from whom; what cannot be read is for the account."""
        try:
            fields: Mapping[str, Any] = json.loads(text) if text.startswith("{") else xml.parse(text)
        except (ValueError, MalformedPush):
            fields = {}
        if "ToUserName" not in fields and "AppId" in fields:
            return ("AppId", str(fields["AppId"])), None
        sender = fields.get("FromUserName")
        return ("ToUserName", str(fields.get("ToUserName", self.user_name))), None if sender is None else str(
            sender
        )

    @property
    def _format(self) -> Format:
        return self.keys.format or Format.XML

    def _written(self, fields: Mapping[str, Any]) -> str:
        return plain.as_json(fields) if self._format is Format.JSON else plain.as_xml(fields)

    def _with(self, query: str) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}{query}"

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
