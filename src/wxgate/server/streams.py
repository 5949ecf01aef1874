"""The stream of events: server-sent events for applications that cannot be reached from here.

GET /v1/events/stream with an API key of the scope `events`. Every event carries its position as id; whoever
comes back with it (`Last-Event-ID`, or ?after=) misses nothing that is kept and gets nothing twice.
"""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qs

import structlog

from wxgate.custody.clients import Client, ClientScope
from wxgate.errors import BadRequest, ConfigError, GatewayError, RequestRefused, StorageError, TooManyAttempts
from wxgate.events import sse
from wxgate.events.filters import Matcher, check_filter
from wxgate.events.payload import payload
from wxgate.events.records import Event, Filter
from wxgate.events.topics import topic
from wxgate.secret import trace_of
from wxgate.server.asgi import Receive, Scope, Send, client_ip
from wxgate.server.node import Node
from wxgate.server.reach import reaches
from wxgate.server.refusals import NOT_ALLOWED, UNEXPECTED, Refusal, refuse
from wxgate.server.requests import PRIVATE, Asked, check_appid, send_json

log = structlog.get_logger("wxgate.streams")

PATH = "/v1/events/stream"

MOST_STREAMS = 1000
MOST_STREAMS_EACH = 20
"""Streams at once on one node, and those of one key."""

HEARTBEAT_SECONDS = 15.0
"""How often a silent stream says that it lives, and looks whether its key is still good."""

STUCK_SECONDS = 60.0
"""How long a reader may take nothing before it is let go; it can come back and go on."""

TROUBLE_SECONDS = 1.0

RETRY_MILLISECONDS = 2000

NOW = "now"

LISTS = ("platform", "account", "tag", "name", "openid")
"""Parameters that may be repeated, in the order of a filter's fields."""

MOST_PARAMETERS = 500

_POSITION = re.compile(r"[0-9]{1,18}")

HEAD = [
    *PRIVATE,
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back until its buffer is full
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stream is asked for; `after` is None for one that begins now."""

    filter: Filter
    after: int | None


def read_wanted(query: bytes, last_event_id: str | None) -> Wanted:
    """Read what a stream is to be; raises BadRequest or ConfigError that says what is wrong with it."""
    try:
        given = parse_qs(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except ValueError:
        raise BadRequest("the query is not understood") from None
    if unknown := sorted(given.keys() - {*LISTS, "after"}):
        raise BadRequest(f"{unknown[0]} is no parameter of this; there are after, {', '.join(LISTS)}")
    where = check_filter(Filter(*(tuple(given.get(name, ())) for name in LISTS)))
    starts = given.get("after", [NOW])
    if len(starts) > 1:
        raise BadRequest("after is given twice")
    # A reader that comes back sends the address it began with, and in the header how far it has come.
    return Wanted(where, _read_position(last_event_id or starts[0]))


class EventStreams:
    """Answers requests for the stream."""

    def __init__(self, node: Node, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._node = node
        self._heartbeat_seconds = heartbeat_seconds
        self._open = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked(scope, receive, "", client_ip(scope, self._node.settings.proxies))
        if scope["method"] != "GET":
            await self._refuse(send, NOT_ALLOWED, [(b"allow", b"GET")])
            return
        client_id = ""
        try:
            client = await self._node.admission.admit(asked.bearer(), asked.ip)
            client_id = client.id
            wanted = read_wanted(scope["query_string"], asked.header(b"last-event-id"))
            await self._check(client, wanted.filter)
            async with self._place(client):
                position = await self._start(wanted)
                stream = _Stream(self._node, client, asked, wanted.filter, position, self._heartbeat_seconds)
                self._count("ok")
                await self._note(client_id, asked, "ok")
                await stream.run(send)
        except GatewayError as error:
            refusal = refuse(BadRequest(str(error)) if type(error) is ConfigError else error)
            if not isinstance(error, RequestRefused | ConfigError):
                log.warning("stream.refused", error=str(error))
            await self._note(client_id, asked, refusal.code)
            await self._refuse(send, refusal)
        except Exception as error:
            log.exception("stream.not_opened", exc_info=False, exception=trace_of(error))
            await self._note(client_id, asked, UNEXPECTED.code)
            await self._refuse(send, UNEXPECTED)

    async def _check(self, client: Client, where: Filter) -> None:
        """Refuse what the key is not for: it would be a stream without events."""
        node = self._node
        node.admission.require(client, ClientScope.EVENTS)
        for platform in where.platforms:
            node.admission.require(client, ClientScope.EVENTS, issuer=platform)
        for appid in where.accounts:
            target = await node.targets.find(check_appid(appid))
            node.admission.require(client, ClientScope.EVENTS, target)

    async def _start(self, wanted: Wanted) -> int:
        newest = await self._node.feed.newest()
        if wanted.after is None:
            return newest
        if wanted.after > newest:
            raise BadRequest(
                f"no event has come to position {wanted.after} yet, the newest has {newest}; this id is from "
                "another gateway or database: begin again without it, or with ?after=0"
            )
        return wanted.after

    @contextlib.asynccontextmanager
    async def _place(self, client: Client) -> AsyncIterator[None]:
        """Hold one of the places there are for streams."""
        if self._open[client.id] >= MOST_STREAMS_EACH:
            raise TooManyAttempts(
                f"this key has {MOST_STREAMS_EACH} streams open on this node already", retry_after=5
            )
        if self._open.total() >= MOST_STREAMS:
            raise TooManyAttempts("too many streams of all keys are open on this node", retry_after=5)
        self._open[client.id] += 1
        self._node.metrics.event_streams.inc()
        try:
            async with self._node.feed.reading():
                yield
        finally:
            self._node.metrics.event_streams.dec()
            self._open[client.id] -= 1
            if not self._open[client.id]:
                del self._open[client.id]

    async def _note(self, client_id: str, asked: Asked, outcome: str) -> None:
        if client_id:
            await self._node.audit.note(client_id, "event_stream", ip=asked.ip, outcome=outcome)

    async def _refuse(
        self, send: Send, refusal: Refusal, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        self._count(refusal.code)
        await send_json(send, refusal.status, refusal.body(), [*refusal.headers(), *(headers or ())])

    def _count(self, outcome: str) -> None:
        self._node.metrics.api.labels("event_stream", outcome).inc()


class _Stream:
    """One stream, from its first byte to its last."""

    def __init__(
        self, node: Node, client: Client, asked: Asked, where: Filter, position: int, heartbeat: float
    ) -> None:
        self._node = node
        self._client = client
        self._asked = asked
        self._filter = where
        self._matcher = Matcher(where)
        self._position = position
        self._heartbeat = heartbeat
        self._sent_at = 0.0

    async def run(self, send: Send) -> None:
        """Send events until the reader goes, the key ends, or the node does."""
        await send({"type": "http.response.start", "status": 200, "headers": HEAD})
        pump = asyncio.create_task(self._pump(send), name="event stream")
        gone = asyncio.create_task(self._hung_up(), name="watch a stream's reader")
        try:
            await asyncio.wait([pump, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)

    async def _pump(self, send: Send) -> None:
        try:
            await self._send(send, sse.write_retry(RETRY_MILLISECONDS) + sse.write_place(self._position))
            while True:
                chunk = await self._next()
                if not await self._is_good():
                    break
                if chunk:
                    await self._send(send, chunk)
        except TimeoutError:
            log.warning("stream.stuck", client=self._client.id)
            return
        except Exception as error:
            log.exception("stream.failed", exc_info=False, exception=trace_of(error))
        await self._send(send, b"", last=True)

    async def _next(self) -> bytes:
        """Wait for events and write those that are wanted; nothing where the stream need not speak yet."""
        loop = asyncio.get_running_loop()
        silent_until = self._sent_at + self._heartbeat
        try:
            found = await self._node.feed.after(self._position, seconds=max(0.0, silent_until - loop.time()))
            written = [_write(event) for event in found if await self._shows(event)]
        except StorageError as trouble:
            log.warning("stream.not_read", error=str(trouble))
            await asyncio.sleep(TROUBLE_SECONDS)
            found, written = (), []
        if found:
            self._position = found[-1].position or self._position
        if not written and loop.time() >= silent_until:
            return sse.write_place(self._position)
        return b"".join(written)

    async def _shows(self, event: Event) -> bool:
        if event.noted:
            return False
        tags = await self._node.targets.tags(event.appid) if self._filter.tags else frozenset()
        return self._matcher.matches(event, tags) and await reaches(self._node, self._client, event)

    async def _is_good(self) -> bool:
        """Look whether the stream may go on: a key may be revoked while it is used."""
        if self._node.feed.ended:
            return False
        try:
            self._client = await self._node.admission.admit(self._asked.bearer(), self._asked.ip)
        except StorageError:
            return True
        except RequestRefused as refused:
            log.info("stream.ended", client=self._client.id, reason=str(refused))
            return False
        return True

    async def _send(self, send: Send, body: bytes, *, last: bool = False) -> None:
        async with asyncio.timeout(STUCK_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": not last})
        self._sent_at = asyncio.get_running_loop().time()

    async def _hung_up(self) -> None:
        while (await self._asked.receive())["type"] != "http.disconnect":
            pass


def _write(event: Event) -> bytes:
    document = json.dumps(payload(event), ensure_ascii=False, separators=(",", ":"))
    return sse.write(document, event=topic(event.kind, event.name), id=event.position or 0)


def _read_position(text: str) -> int | None:
    if text == NOW:
        return None
    if not _POSITION.fullmatch(text):
        raise BadRequest(f"after is the id of an event of this stream, 0 for the oldest, or {NOW}")
    return int(text)
