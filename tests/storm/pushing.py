"""A storm of sealed pushes over kept connections, every answer opened; and a subscriber that counts."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from wxgate.protocol.envelope import PushKeys, open_reply, seal_push

PLATFORM = "wxstormplatform001"
ACCOUNT = "wxstormaccount0001"
USER_NAME = "gh_storm0000001"
TOKEN = "stormtoken"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
KEYS = PushKeys.make(PLATFORM, [TOKEN], [AES_KEY])

ANSWER_SECONDS = 60.0
"""How long an answer may take before the run is given up; only a hanging server takes so long."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One attempt of one message, ready to be written."""

    number: int
    wire: bytes


def seal(number: int, *, now: int) -> Sealed:
    """Seal one attempt of a message; every attempt has a nonce and random bytes of its own."""
    plain = (
        f"<xml><ToUserName><![CDATA[{USER_NAME}]]></ToUserName>"
        f"<FromUserName><![CDATA[oStormUser{number % 500:018d}]]></FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[第 {number} 条]]></Content><MsgId>{10**18 + number}</MsgId></xml>"
    )
    query, body = seal_push(
        KEYS,
        plain.encode(),
        timestamp=now,
        nonce=os.urandom(4).hex(),
        random=os.urandom(16),
        receiver=("ToUserName", USER_NAME),
    )
    head = (
        f"POST /wechat/{PLATFORM}/messages/{ACCOUNT}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Sealed(number, head.encode() + body)


async def push(port: int, attempts: Sequence[Sealed], *, connections: int) -> list[tuple[int, str]]:
    """Send all attempts to a node, and return the number of each message with the answer, opened."""
    queue = iter(attempts)
    answers: list[tuple[int, str]] = []

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            for attempt in queue:
                writer.write(attempt.wire)
                async with asyncio.timeout(ANSWER_SECONDS):
                    body = await read_message(reader)
                answers.append((attempt.number, _open(body)))

    await asyncio.gather(*(send() for _ in range(connections)))
    return answers


def _open(body: bytes) -> str:
    return body.decode() if body == b"success" else open_reply(KEYS, body)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """Read one HTTP message and return its body."""
    _, body = await _read(reader)
    return body


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    return headers, await reader.readexactly(int(headers.get("content-length", "0")))


@dataclass(slots=True)
class Subscriber:
    """A server that takes every delivery and counts how often each event came."""

    url: str
    came: Counter[str]


@contextlib.asynccontextmanager
async def subscriber() -> AsyncIterator[Subscriber]:
    """Serve a counting subscriber on a free port."""
    came: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                headers, _ = await _read(reader)
                came[headers["webhook-id"]] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Subscriber(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", came)
    finally:
        server.close()
