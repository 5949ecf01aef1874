"""What WeChat calls, as raw ASGI ahead of all middleware: verified, made durable, answered in WeChat's terms.

Every answer is plaintext `success`, a sealed reply, or one short word of plain text with a 4xx that says
what was wrong with the push; never JSON, HTML or a trace. 503 asks WeChat to come again, when a push could
not be recorded.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256

import structlog

from wxgate.custody.records import DirectAccount, Exchange, Platform
from wxgate.custody.registry import Served
from wxgate.errors import InvalidPush, StalePush, StorageError, UnknownReceiver, WrongAppid
from wxgate.events.attempts import Gone
from wxgate.events.code_audits import TOLD_BEFORE
from wxgate.events.reception import Answered
from wxgate.events.records import EventKind, NewEvent, Recorded
from wxgate.events.release_test import Question
from wxgate.events.release_testing import NOTE as RELEASE_TEST
from wxgate.protocol.envelope import (
    Format,
    OpenedPush,
    PushKeys,
    PushQuery,
    check_echo,
    open_push,
    seal_reply,
)
from wxgate.protocol.messages import (
    CodeAuditEvent,
    Event,
    Message,
    dedup_key,
    message_key,
    parse_message,
)
from wxgate.protocol.pushes import (
    ComponentEvent,
    Unauthorized,
    oddities,
    parse_component_event,
    redact,
)
from wxgate.protocol.replies import parse_reply, render
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import trace_of
from wxgate.server.asgi import Receive, Scope, Send, client_ip, read_body, send_plain, wait_for_disconnect
from wxgate.server.follow import FollowedClock
from wxgate.server.node import Node
from wxgate.server.push_lines import make_line

log = structlog.get_logger("wxgate.pushes")

SUCCESS = b"success"

XML_TYPE = b"application/xml; charset=utf-8"
JSON_TYPE = b"application/json; charset=utf-8"
TEXT_TYPE = b"text/plain; charset=utf-8"

EXCHANGE_SECONDS = 60.0
"""How long a handler of an authorization waits for its exchange, which rarely takes one."""

_APPID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an appid in an address can look like; nothing else is worth a look into the database."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to WeChat, and the word it is counted under.

    `event_id` and `fresh` tell which record the push is in, and whether it was the first to bring it.
    """

    body: bytes
    result: str
    content_type: bytes = TEXT_TYPE
    event_id: int | None = None
    fresh: bool = True

    def of(self, recorded: Recorded | Answered) -> "Answer":
        """Name the record this answers."""
        event_id = recorded.event_id if isinstance(recorded, Answered) else recorded.event.id
        return replace(self, event_id=event_id, fresh=recorded.fresh)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One push as it arrived."""

    query: PushQuery
    body: bytes
    source_ip: str
    gone: Gone


class Pushes:
    """The endpoint under /wechat/."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._limit = node.settings.push_limit
        self._window = node.settings.push_window
        self._proxies = node.settings.proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began, at = time.perf_counter(), self._node.clock.now()
        receiver, explanation = "unknown", ""
        parts: Sequence[str] = ()
        status, answer = 200, Answer(b"", "")
        try:
            receiver, parts = _route(scope["path"])
            query = PushQuery.parse(scope["query_string"])
            match scope["method"]:
                case "POST":
                    body = await read_body(scope, receive, self._limit)
                    gone = partial(wait_for_disconnect, receive)
                    arrival = Arrival(query, body, client_ip(scope, self._proxies), gone)
                    answer = await self._accept(parts, arrival)
                case "GET" | "HEAD":
                    answer = await self._echo(parts, query)
                case _:
                    status, answer = 405, Answer(b"method_not_allowed", "method_not_allowed")
        except InvalidPush as fault:
            status, answer = fault.status_hint, Answer(fault.reason.encode(), fault.reason)
            explanation = str(fault)
            log.warning(
                "push.refused",
                path=scope["path"],
                reason=fault.reason,
                wechat_code=fault.code,
                explanation=explanation,
                source_ip=client_ip(scope, self._proxies),
            )
        except asyncio.CancelledError:
            raise
        except StorageError as trouble:
            # While the database is away this is one line for each push; it says all there is to know.
            status, answer = 503, Answer(b"try_again", "not_recorded")
            explanation = str(trouble)
            log.error("push.not_recorded", path=scope["path"], error=explanation)
        except Exception as error:
            status, answer = 503, Answer(b"try_again", "not_recorded")
            trace = trace_of(error)
            log.exception("push.not_recorded", path=scope["path"], exc_info=False, exception=trace)
        self._node.metrics.pushes.labels(receiver, answer.result).inc()
        seconds = time.perf_counter() - began
        self._node.metrics.push_seconds.observe(seconds)
        self._node.push_recorder.note(
            make_line(
                parts,
                at=at,
                source_ip=client_ip(scope, self._proxies),
                status=status,
                result=answer.result,
                is_reply=answer.content_type is not TEXT_TYPE,
                milliseconds=round(seconds * 1000),
                event_id=answer.event_id,
                fresh=answer.fresh,
                explanation=explanation,
            )
        )
        await send_plain(send, status, answer.body, answer.content_type)

    async def _accept(self, parts: Sequence[str], arrival: Arrival) -> Answer:
        match parts:
            case ["direct", appid]:
                return await self._accept_direct(appid, arrival)
            case [platform, "events"]:
                return await self._accept_component_event(platform, arrival)
            case [platform, "messages", appid]:
                return await self._accept_platform_message(platform, appid, arrival)
            case _:
                raise UnknownReceiver("no such push address; see /authorize and /wechat in the documentation")

    async def _accept_component_event(self, appid: str, arrival: Arrival) -> Answer:
        served = await self._platform(appid)
        opened = await self._open(served, arrival)
        now = self._node.clock.now()
        event = parse_component_event(opened.fields, received_at=int(now.timestamp()))
        if odd := oddities(event):
            # It is kept and handled as far as it reads; somebody should look what WeChat has changed.
            self._node.metrics.odd_pushes.labels(event.info_type).inc()
            log.warning("push.odd_fields", platform=appid, name=event.info_type, fields=odd)
        if event.platform != appid:
            raise WrongAppid("the event inside names another platform", found=event.platform)
        tested = self._node.release_testing.concerns(event)
        # Custody first: applied twice does no harm, but recorded and never applied would.
        exchange = None
        if not tested or await self._was_kept(event):
            exchange = await self._node.intake.accept(event)
        shown = redact(opened.fields)
        new = NewEvent(
            dedup_key=sha256(b"component\0" + appid.encode() + b"\0" + opened.plain).hexdigest(),
            issuer=appid,
            appid=_account_of(event),
            kind=EventKind.COMPONENT,
            name=event.info_type,
            openid="",
            msg_id=None,
            created_at=event.created_at,
            received_at=now,
            source_ip=arrival.source_ip,
            fields=shown,
        )
        if tested:
            await self._node.release_testing.note(event, new)
            noted = await self._node.reception.note(new, RELEASE_TEST)
            return Answer(SUCCESS, "release_test" if noted.fresh else "duplicate").of(noted)
        recorded = await self._node.reception.announce(
            new, parse_component_event(shown, received_at=event.created_at), after=self._end_of(exchange)
        )
        return Answer(SUCCESS, event.info_type if recorded.fresh else "duplicate").of(recorded)

    async def _was_kept(self, event: ComponentEvent) -> bool:
        """Tell whether one of WeChat's test accounts leaves that was kept like a merchant's before."""
        if not isinstance(event, Unauthorized):
            return False
        return await self._node.authorizations.load(event.platform, event.appid) is not None

    def _end_of(self, exchange: Exchange | None) -> Callable[[], Awaitable[object]] | None:
        """Let a handler wait until the account that has just authorised can be called."""
        if exchange is None:
            return None
        return partial(self._node.exchanges.wait, exchange.id, seconds=EXCHANGE_SECONDS)

    async def _accept_platform_message(self, platform: str, appid: str, arrival: Arrival) -> Answer:
        served = await self._platform(platform)
        keys, opened = served.keys, await self._open(served, arrival)
        message = parse_message(opened.fields)
        await self._check_receiver(appid, message)
        new = self._new_event(platform, appid, message, opened, arrival)
        if (question := self._node.release_testing.recognise(appid, message)) is not None:
            return await self._answer_release_test(question, keys, opened, new, message)
        if not await self._node.authorizations.is_live(platform, appid):
            log.warning("push.not_authorized", platform=platform, appid=appid, name=new.name)
            noted = await self._node.reception.note(new, "the account is not authorised to this platform")
            return Answer(SUCCESS, "not_authorized").of(noted)
        if isinstance(message, CodeAuditEvent) and await self._node.code_audits.pushed(new, message):
            return Answer(SUCCESS, "told_before").of(await self._node.reception.note(new, TOLD_BEFORE))
        return await self._answer(keys, opened, new, message, arrival)

    async def _answer_release_test(
        self, question: Question, keys: PushKeys, opened: OpenedPush, new: NewEvent, message: Message
    ) -> Answer:
        """Answer WeChat's checker, which no handler and no subscriber hears of."""
        testing = self._node.release_testing
        reply = await testing.answer(question, new, message)
        noted = await self._node.reception.note(testing.cleaned(new, question), RELEASE_TEST)
        if reply is None:
            return Answer(b"", "release_test").of(noted)
        return self._sealed(keys, opened, reply, "release_test").of(noted)

    async def _accept_direct(self, appid: str, arrival: Arrival) -> Answer:
        served = await self._direct(appid)
        opened = await self._open(served, arrival)
        message = parse_message(opened.fields)
        expected = served.record.user_name
        if expected and message.account != expected:
            raise WrongAppid("the message inside is for another account", found=message.account)
        new = self._new_event(DIRECT_ISSUER, appid, message, opened, arrival)
        return await self._answer(served.keys, opened, new, message, arrival)

    async def _answer(
        self, keys: PushKeys, opened: OpenedPush, new: NewEvent, message: Message, arrival: Arrival
    ) -> Answer:
        # A scan of a login is the gateway's own to answer, ahead of everybody else who hears of it.
        given = await self._node.login.chat.reply(new.appid, message)
        answered = await self._node.reception.answer(new, message, gone=arrival.gone, given=given)
        if answered.reply is None:
            # Who is held has hung up by now; should it be a proxy that did not, WeChat has all the same.
            return Answer(SUCCESS, "held" if answered.held else "success").of(answered)
        return self._sealed(keys, opened, answered.reply, "replied").of(answered)

    def _sealed(self, keys: PushKeys, opened: OpenedPush, reply: str, result: str) -> Answer:
        if opened.format is Format.JSON:
            reply = _as_json(reply)
        now = int(self._node.clock.now().timestamp())
        sealed = seal_reply(keys, opened, reply, timestamp=now, random=os.urandom(16))
        return Answer(sealed, result, JSON_TYPE if opened.format is Format.JSON else XML_TYPE)

    async def _echo(self, parts: Sequence[str], query: PushQuery) -> Answer:
        match parts:
            case ["direct", appid]:
                keys = (await self._direct(appid)).keys
            case [platform, "events"] | [platform, "messages", _]:
                keys = (await self._platform(platform)).keys
            case _:
                raise UnknownReceiver("no such push address")
        return Answer(check_echo(keys, query).encode(), "echo")

    async def _open(self, served: Served[Platform] | Served[DirectAccount], arrival: Arrival) -> OpenedPush:
        opened = await self._open_in_time(served.keys, arrival)
        key_index = opened.key_index if opened.encrypted else None
        self._node.key_uses.saw(served.record, token_index=opened.token_index, key_index=key_index)
        return opened

    async def _open_in_time(self, keys: PushKeys, arrival: Arrival) -> OpenedPush:
        clock = self._node.clock
        try:
            return self._open_at(clock.now(), keys, arrival)
        except StalePush:
            if not isinstance(clock, FollowedClock):
                raise
            # Somebody moved the emulator's clock a moment ago, and this push was faster than our next look.
            await clock.look()
            return self._open_at(clock.now(), keys, arrival)

    def _open_at(self, now: datetime, keys: PushKeys, arrival: Arrival) -> OpenedPush:
        seconds = int(now.timestamp())
        return open_push(keys, arrival.query, arrival.body, now=seconds, max_age=self._window)

    async def _platform(self, appid: str) -> Served[Platform]:
        served = await self._node.registry.platform(appid)
        if served is None:
            raise UnknownReceiver(f"no platform {appid} here")
        return served

    async def _direct(self, appid: str) -> Served[DirectAccount]:
        served = await self._node.registry.direct(appid)
        if served is None:
            raise UnknownReceiver(f"no direct account {appid} here")
        return served

    async def _check_receiver(self, appid: str, message: Message) -> None:
        """Refuse a message sent to another account's address: the signature does not cover the URL."""
        expected = await self._node.accounts.user_name(appid)
        if expected and message.account != expected:
            raise WrongAppid("the message inside is for another account", found=message.account)

    def _new_event(
        self, issuer: str, appid: str, message: Message, opened: OpenedPush, arrival: Arrival
    ) -> NewEvent:
        is_event = isinstance(message, Event)
        return NewEvent(
            dedup_key=dedup_key(issuer, appid, message, opened.plain),
            issuer=issuer,
            appid=appid,
            kind=EventKind.EVENT if is_event else EventKind.MESSAGE,
            name=message.event if isinstance(message, Event) else message.type,
            openid=message.openid,
            msg_id=message.msg_id,
            created_at=message.created_at,
            received_at=self._node.clock.now(),
            source_ip=arrival.source_ip,
            fields=opened.fields,
            plain=opened.plain.decode("utf-8", "replace"),
            message_key=message_key(appid, message, opened.plain),
        )


def _route(path: str) -> tuple[str, list[str]]:
    """Split /wechat/... into its parts and the word this receiver is counted under."""
    parts = path.strip("/").split("/")[1:]
    if not all(_APPID.fullmatch(part) for part in parts):
        raise UnknownReceiver("the address has a part that is no appid")
    return ("direct" if parts[:1] == ["direct"] else "platform"), parts


def _account_of(event: ComponentEvent) -> str:
    """Name the account an event is about, also where its InfoType is not known yet."""
    if (known := getattr(event, "appid", None)) is not None:
        return str(known)
    found = event.raw.get("AuthorizerAppid") or event.raw.get("appid")
    return found if isinstance(found, str) else ""


def _as_json(reply: str) -> str:
    """Write a recorded passive reply as the JSON a receiver with data format JSON gets."""
    parsed = parse_reply(reply)
    return render(
        parsed.reply,
        to_user=parsed.to_user,
        from_user=parsed.from_user,
        created_at=parsed.created_at,
        format=Format.JSON,
    )
