"""A small server that receives the emulator's pushes and answers them as a test wants."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

from wxgate.protocol.envelope import OpenedPush, PushKeys, PushQuery, open_push, seal_reply
from wxgate.protocol.replies import Text, render


@dataclass(slots=True)
class Arrived:
    """One request as it came."""

    method: str
    path: str
    query: bytes
    body: bytes
    content_type: str

    def opened(self, keys: PushKeys, *, now: int) -> OpenedPush:
        """Verify and open it as a gateway would."""
        return open_push(keys, PushQuery.parse(self.query), self.body, now=now, max_age=60)


Answer = Callable[[Arrived], Awaitable[bytes]]


async def success(arrived: Arrived) -> bytes:
    """Say that it was received."""
    return b"success"


@dataclass
class Receiver:
    """Listens on a free port; `answer` may be changed at any time."""

    answer: Answer = success
    status: int = 200
    arrived: list[Arrived] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        arrived = Arrived(
            request.method,
            request.path,
            request.rel_url.raw_query_string.encode(),
            await request.read(),
            request.headers.get("Content-Type", ""),
        )
        self.arrived.append(arrived)
        return web.Response(body=await self.answer(arrived), status=self.status)


def answer_text(keys: PushKeys, content: str, *, now: Callable[[], int]) -> Answer:
    """Make an answer that replies to every message with a text."""

    async def answer(arrived: Arrived) -> bytes:
        push = arrived.opened(keys, now=now())
        to, sender = str(push.fields["FromUserName"]), str(push.fields["ToUserName"])
        reply = render(Text(content), to_user=to, from_user=sender, created_at=now(), format=push.format)
        return seal_reply(keys, push, reply, timestamp=now(), random=b"0123456789abcdef")

    return answer


async def never(arrived: Arrived) -> bytes:
    """Do not answer at all."""
    await asyncio.sleep(30)
    return b""
