"""A whole third-party platform's server, small and real: it keeps its ticket, exchanges codes and answers.

The tests break it by overriding one method.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from wxgate.emulator.running import RunningEmulator
from wxgate.emulator.world import Platform
from wxgate.protocol.envelope import OpenedPush, PushKeys, PushQuery, open_push, seal_reply
from wxgate.protocol.replies import Text, render

EMPTY = b""
SUCCESS = b"success"


class ThirdParty:
    """Serves /events and /messages/{appid}, and passes WeChat's release test."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self.wechat = emulator.url
        self.emulator = emulator
        self.platform: Platform = emulator.world.put_platform({"name": "另一家"})
        self.keys = PushKeys.make(self.platform.appid, [self.platform.token], [self.platform.aes_key])
        self.ticket = ""
        self.code = ""
        self.jobs: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/events", self._events)
        app.router.add_post("/messages/{appid}", self._messages)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http = aiohttp.ClientSession(self.wechat)
        url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.emulator.world.put_platform(
            {
                "appid": self.platform.appid,
                "events_url": f"{url}/events",
                "messages_url": f"{url}/messages/$APPID$",
            }
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in list(self.jobs):
            job.cancel()
        await asyncio.gather(*self.jobs, return_exceptions=True)
        await self.http.close()
        await self._runner.cleanup()

    async def accept(self, event: OpenedPush) -> bytes:
        """Take in an event of the platform's own."""
        if event.fields["InfoType"] == "component_verify_ticket":
            self.ticket = str(event.fields["ComponentVerifyTicket"])
        if event.fields["InfoType"] == "authorized":
            self.code = str(event.fields["AuthorizationCode"])
        return SUCCESS

    async def answer(self, message: OpenedPush) -> bytes:
        """Answer a message as the release test wants it."""
        content = str(message.fields.get("Content", ""))
        if message.fields["MsgType"] == "event":
            return self.reply(message, f"{message.fields['Event']}from_callback")
        if content == "TESTCOMPONENT_MSG_TYPE_TEXT":
            return self.reply(message, "TESTCOMPONENT_MSG_TYPE_TEXT_callback")
        if content.startswith("QUERY_AUTH_CODE:"):
            code = content.removeprefix("QUERY_AUTH_CODE:")
            return await self.answer_code(code, str(message.fields["FromUserName"]))
        return SUCCESS

    async def answer_code(self, code: str, openid: str) -> bytes:
        """Answer nothing, and do the work afterwards."""
        job = asyncio.create_task(self.work(code, openid))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
        return EMPTY

    async def work(self, code: str, openid: str) -> None:
        """Exchange a code and write to a user."""
        await self.send(await self.exchange(code), openid, f"{code}_from_api")

    def reply(self, message: OpenedPush, content: str) -> bytes:
        """Write a sealed reply."""
        return self.seal(message, self.render(message, content))

    def render(self, message: OpenedPush, content: str) -> str:
        """Write a reply."""
        to, sender = str(message.fields["FromUserName"]), str(message.fields["ToUserName"])
        return render(Text(content), to_user=to, from_user=sender, created_at=self.now())

    def seal(self, message: OpenedPush, reply: str) -> bytes:
        """Seal a reply."""
        return seal_reply(self.keys, message, reply, timestamp=self.now(), random=b"0123456789abcdef")

    async def exchange(self, code: str) -> str:
        """Turn a code into an access token."""
        token = await self.call(
            "/cgi-bin/component/api_component_token",
            component_appid=self.platform.appid,
            component_appsecret=self.platform.secret,
            component_verify_ticket=self.ticket,
        )
        granted = await self.call(
            f"/cgi-bin/component/api_query_auth?component_access_token={token['component_access_token']}",
            component_appid=self.platform.appid,
            authorization_code=code,
        )
        info = granted.get("authorization_info", {})
        return str(info.get("authorizer_access_token", ""))

    async def send(self, token: str, openid: str, content: str) -> None:
        """Send a customer-service message."""
        body: dict[str, Any] = {"touser": openid, "msgtype": "text", "text": {"content": content}}
        await self.call(f"/cgi-bin/message/custom/send?access_token={token}", **body)

    async def call(self, path: str, **body: Any) -> dict[str, Any]:
        """Call WeChat's API."""
        async with self.http.post(path, json=body) as answer:
            data: dict[str, Any] = await answer.json(content_type=None)
            return data

    def now(self) -> int:
        """Return WeChat's time."""
        return self.emulator.clock.seconds()

    def _open(self, query: str, body: bytes) -> OpenedPush:
        return open_push(self.keys, PushQuery.parse(query.encode()), body, now=self.now(), max_age=600)

    async def _events(self, request: web.Request) -> web.Response:
        opened = self._open(request.rel_url.raw_query_string, await request.read())
        return web.Response(body=await self.accept(opened))

    async def _messages(self, request: web.Request) -> web.Response:
        opened = self._open(request.rel_url.raw_query_string, await request.read())
        return web.Response(body=await self.answer(opened))
