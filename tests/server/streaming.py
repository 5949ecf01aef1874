"""A reader of the event stream, as an application has one, and events to be read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import aiohttp

from wxgate.events.records import EventKind, EventState, NewEvent
from wxgate.events.sse import Reader, ServerSent
from wxgate.server.node import Node

SECONDS = 20
"""How long a test waits for what must come; it comes at once unless the machine is busy."""

PATH = "/v1/events/stream"

_numbers = count(1)


class OpenStream:
    """One connection to the stream."""

    def __init__(self, answer: aiohttp.ClientResponse, last_id: str) -> None:
        self.answer = answer
        self._reader = Reader(last_id)
        self._ready: list[ServerSent] = []

    @property
    def last_id(self) -> str:
        """Where the stream is."""
        return self._reader.last_id

    async def next(self) -> ServerSent:
        """Wait for the next event; StopAsyncIteration when the stream has ended."""
        async with asyncio.timeout(SECONDS):
            while not self._ready:
                chunk = await self.answer.content.readany()
                if not chunk:
                    raise StopAsyncIteration
                self._ready += self._reader.read(chunk)
        return self._ready.pop(0)

    async def take(self, number: int) -> list[ServerSent]:
        """Wait for so many events."""
        return [await self.next() for _ in range(number)]

    async def place(self) -> str:
        """Wait until the stream has said where it is."""
        async with asyncio.timeout(SECONDS):
            before = self.last_id
            while self.last_id in ("", before):
                self._ready += self._reader.read(await self.answer.content.readany())
        return self.last_id

    async def rest(self) -> list[ServerSent]:
        """Read on until the stream ends."""
        found = []
        with contextlib.suppress(StopAsyncIteration):
            while True:
                found.append(await self.next())
        return found


@contextlib.asynccontextmanager
async def streaming(base: str, key: str, query: str = "", *, last_id: str = "") -> AsyncIterator[OpenStream]:
    """Open the stream with a connection of its own, which is cut at the end."""
    headers = {"authorization": f"Bearer {key}"} | ({"last-event-id": last_id} if last_id else {})
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}{PATH}{query}", headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        yield OpenStream(answer, last_id)


def ids(events: Sequence[ServerSent]) -> list[str]:
    """List the ids of the events inside."""
    return [data(event)["id"] for event in events]


def data(event: ServerSent) -> Any:
    """Return what an event tells."""
    return json.loads(event.data)["data"]


async def record(node: Node, *, content: str = "", **changed: Any) -> str:
    """Let a node record a message of its own, and be done with it; return the public id."""
    number = next(_numbers)
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "dedup_key": f"made by hand {number}",
        "issuer": "wxplatform",
        "appid": "wxshop",
        "kind": EventKind.MESSAGE,
        "name": "text",
        "openid": "oUser",
        "msg_id": str(number),
        "created_at": int(now.timestamp()),
        "received_at": now,
        "source_ip": "203.0.113.7",
        "fields": {"MsgType": "text", "Content": content or str(number)},
        "plain": "<xml/>",
    }
    recorded = await node.store.inbox.record(
        NewEvent(**{**values, **changed}), holder="test", lease_until=now + timedelta(minutes=1)
    )
    event = recorded.event
    await node.store.inbox.finish(
        event.id, holder="test", state=EventState.DONE, reply=None, error="", now=now
    )
    node.feed.kick()
    return f"evt_{event.id}"
