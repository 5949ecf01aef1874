"""Another third party on an account: a real server with keys, tickets and tokens of its own.

It stands for whoever else an account has authorised, and knows nothing of the gateway under test. What it
replies is for the test to say:

    async with Outsider(emulator.url, name="别家客服") as other:
        await other.authorized_by(appid)
        other.answer = "an answer from elsewhere"
"""

import asyncio
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from wxgate.errors import WeChatError
from wxgate.protocol.envelope import OpenedPush, PushKeys, PushQuery, open_push, seal_reply
from wxgate.protocol.messages import Message, parse_message
from wxgate.protocol.pushes import VerifyTicket, parse_component_event
from wxgate.protocol.replies import Reply, from_handler, render

Answer = str | Reply | bytes | None | Callable[[Message], Any]
"""A text or another reply, bytes to send as they are, None for `success`, or a function that decides."""

GENEROUS = 10**11  # an outsider does not look at its clock, so that the emulator's may be anywhere


@dataclass(slots=True)
class Outsider:
    """A third party beside the gateway; `heard` lists what it was told of, `delay` makes it slow."""

    emulator_url: str
    name: str = "Another platform"
    answer: Answer = None
    delay: float = 0.0
    appid: str = ""
    url: str = ""
    heard: list[Message] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    _ticket: str = ""
    _secret: str = field(default="", repr=False)
    _keys: PushKeys | None = field(default=None, repr=False)
    _runner: web.AppRunner | None = field(default=None, repr=False)
    _http: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        """Listen on a free port, and become a platform whose first ticket has come."""
        app = web.Application()
        app.router.add_post("/events", self._hear_event)
        app.router.add_post("/messages/{appid}", self._hear_message)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._http = aiohttp.ClientSession(self.emulator_url)
        made = await self.control(
            "platforms",
            name=self.name,
            events_url=f"{self.url}/events",
            messages_url=f"{self.url}/messages/$APPID$",
        )
        self.appid, self._secret = made["appid"], made["secret"]
        self._keys = PushKeys.make(self.appid, [made["token"]], [made["aes_key"]])
        await self.control("act/ticket", platform=self.appid)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; the platform stays in the world, where nobody answers for it any more."""
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def authorized_by(self, appid: str, *, func_ids: list[int] | None = None) -> None:
        """Let an account authorise this platform, and exchange the code for a token."""
        given = await self.control("act/authorize", platform=self.appid, appid=appid, func_ids=func_ids)
        path = "/cgi-bin/component"
        secret = {
            "component_appid": self.appid,
            "component_appsecret": self._secret,
            "component_verify_ticket": self._ticket,
        }
        token = (await self.call(f"{path}/api_component_token", secret))["component_access_token"]
        body = {"component_appid": self.appid, "authorization_code": given["authorization_code"]}
        got = await self.call(f"{path}/api_query_auth", body, component_access_token=token)
        self.tokens[appid] = got["authorization_info"]["authorizer_access_token"]

    async def send(self, appid: str, openid: str, text: str) -> Any:
        """Write to a user as customer service, with a token of its own; raises WeChatError."""
        body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        return await self.call("/cgi-bin/message/custom/send", body, access_token=self.tokens[appid])

    async def call(self, path: str, body: Any, **query: str) -> Any:
        """Call WeChat's API; raises WeChatError for an errcode."""
        answer = await self._post(path, body, **query)
        if answer.get("errcode", 0) != 0:
            raise WeChatError(answer["errcode"], answer["errmsg"])
        return answer

    async def control(self, path: str, **given: Any) -> Any:
        """Do something in the emulator's world."""
        return await self._post(f"/_emulator/{path}", given)

    async def _post(self, path: str, body: Any, **query: str) -> Any:
        assert self._http is not None, "an outsider is used with `async with`"
        async with self._http.post(path, json=body, params=query) as answer:
            return await answer.json(content_type=None)

    async def _open(self, request: web.Request) -> OpenedPush:
        assert self._keys is not None
        query = PushQuery.parse(request.rel_url.raw_query_string.encode())
        return open_push(self._keys, query, await request.read(), now=0, max_age=GENEROUS)

    async def _hear_event(self, request: web.Request) -> web.Response:
        event = parse_component_event((await self._open(request)).fields)
        if isinstance(event, VerifyTicket):
            self._ticket = event.ticket.reveal()
        return web.Response(text="success")

    async def _hear_message(self, request: web.Request) -> web.Response:
        opened = await self._open(request)
        message = parse_message(opened.fields)
        self.heard.append(message)
        given = self.answer(message) if callable(self.answer) else self.answer
        if inspect.isawaitable(given):
            given = await given
        if self.delay:
            await asyncio.sleep(self.delay)
        return web.Response(body=given if isinstance(given, bytes) else self._sealed(opened, message, given))

    def _sealed(self, opened: OpenedPush, message: Message, given: Any) -> bytes:
        assert self._keys is not None
        reply = from_handler(given)
        if reply is None:
            return b"success"
        now = int(opened.query.timestamp or 0)
        text = render(reply, to_user=message.openid, from_user=message.account, created_at=now)
        return seal_reply(self._keys, opened, text, timestamp=now, random=os.urandom(16))
