"""Judges what a server answered and called in a release test (全网发布检测); pure."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wxgate.emulator.release_words import Finding, find
from wxgate.errors import (
    BadSignature,
    InvalidPush,
    InvalidReply,
    MalformedPush,
    UndecipherablePush,
    WrongAppid,
)
from wxgate.protocol import xml
from wxgate.protocol.envelope import PushKeys, open_reply
from wxgate.protocol.replies import ParsedReply, Text, parse_reply

SHOWN = 200
"""How much of an unexpected answer a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back for one push; `problem` says why nothing did: too_slow, unreachable or not_sent."""

    url: str
    status: int | None
    body: bytes
    problem: str = ""
    why: str = ""
    seconds: float = 5.0

    @property
    def is_silent(self) -> bool:
        """Tell whether the server took the push and said nothing to the user."""
        return self.status == 200 and self.body in (b"", b"success")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The reply that is due: from whom, to whom, what; `optional` where silence is no fault any more."""

    openid: str
    user_name: str
    text: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """One call of WeChat's API by the server under test.

    `origin`, `platform` and `appid` are those of the token it came with; `token` is the token itself.
    """

    data: Mapping[str, Any]
    answer: Mapping[str, Any]
    token: str = ""
    origin: str = ""
    platform: str | None = None
    appid: str | None = None

    @property
    def errcode(self) -> int:
        """The errcode it was answered with, 0 for success."""
        return int(self.answer.get("errcode", 0))

    @property
    def issued(self) -> str:
        """The access token an exchange gave."""
        info = self.answer.get("authorization_info")
        return str(info.get("authorizer_access_token", "")) if isinstance(info, Mapping) else ""


@dataclass(frozen=True, slots=True)
class ApiTest:
    """What the API text is about: the code of the message, that of the `authorized` push, and who asked."""

    platform: str
    appid: str
    openid: str
    code: str
    other_code: str
    text: str
    patience: float


def judge_acknowledgement(heard: Heard) -> Finding:
    """Judge the answer to a component event, which is exactly `success`."""
    if failure := _judge_transport(heard):
        return failure
    return find("success_good") if heard.body == b"success" else find("success_wanted", found=_shown(heard))


def judge_text(keys: PushKeys, heard: Heard, wanted: Wanted) -> Finding:
    """Judge the passive reply to a text or an event."""
    if failure := _judge_transport(heard):
        return failure
    if heard.is_silent:
        code = "silent_event" if wanted.optional else "silent"
        return find(code, found=_shown(heard), expected=wanted.text)
    if failure := _judge_envelope(heard.body):
        return failure
    try:
        plain = open_reply(keys, heard.body)
    except InvalidReply as fault:
        return _why_shut(fault, keys.appid)
    try:
        parsed = parse_reply(plain)
    except InvalidReply as fault:
        return find("reply_invalid", fault=fault)
    return _judge_content(parsed, wanted)


def plain_of(keys: PushKeys, heard: Heard) -> str | None:
    """Return what a sealed answer says inside, None where it is not sealed or does not open."""
    try:
        return open_reply(keys, heard.body) if b"Encrypt" in heard.body else None
    except InvalidReply:
        return None


def judge_api_text(
    heard: Heard, exchanges: Sequence[Called], sends: Sequence[Called], test: ApiTest
) -> Finding:
    """Judge the empty answer, the exchange of the code and the customer-service message."""
    if failure := _judge_transport(heard):
        return failure
    if not heard.is_silent:
        return find("answered_at_once", seconds=heard.seconds, found=_shown(heard))
    # The answer to one may have been lost on the way, and another code been exchanged after it.
    granted = {one.issued: one for one in exchanges if not one.errcode}
    if not granted:
        return _why_no_exchange(exchanges, sends, test)
    if not sends:
        return find("no_custom_message", seconds=test.patience)
    send = next((one for one in sends if not one.errcode), sends[-1])
    if (failure := _judge_send(send, granted, test)) is not None:
        return failure
    if granted[send.token].data.get("authorization_code") != test.code:
        return find("api_text_other_code")
    return find("api_text_success" if heard.body else "api_text_good")


def is_settled(sends: Sequence[Called]) -> bool:
    """Tell whether there is no need to wait any longer: a customer-service message went through."""
    return any(not one.errcode for one in sends)


def _why_no_exchange(exchanges: Sequence[Called], sends: Sequence[Called], test: ApiTest) -> Finding:
    if exchanges:
        return find("exchange_refused", **_refusal(exchanges[-1]))
    return find("sent_without_exchange" if sends else "code_not_exchanged", seconds=test.patience)


def _judge_send(send: Called, granted: Container[str], test: ApiTest) -> Finding | None:
    if (send.origin, send.platform, send.appid) != ("authorizer", test.platform, test.appid):
        owner = " ".join(str(part) for part in (send.origin, send.platform, send.appid) if part)
        return find("send_wrong_token", found=owner or f"errcode {send.errcode}")
    if send.errcode:
        return find("send_refused", **_refusal(send))
    if send.token not in granted:
        return find("send_wrong_token", found="authorizer …" + send.token[-6:])
    if send.data.get("touser") != test.openid:
        return find("send_wrong_user", found=send.data.get("touser"), expected=test.openid)
    if send.data.get("msgtype") != "text":
        return find("send_no_text", kind=send.data.get("msgtype"))
    text = send.data.get("text")
    content = text.get("content") if isinstance(text, Mapping) else None
    return None if content == test.text else find("wrong_text", found=content, expected=test.text)


def _judge_transport(heard: Heard) -> Finding | None:
    match heard.problem:
        case "too_slow":
            return find("too_slow", seconds=heard.seconds)
        case "unreachable":
            return find("unreachable", url=heard.url, why=heard.why)
        case "not_sent":
            return find("not_sent", why=heard.why)
    return None if heard.status == 200 else find("bad_status", status=heard.status)


def _judge_envelope(body: bytes) -> Finding | None:
    """Tell what is wrong with an answer that is no envelope at all."""
    text = body.strip()
    if text[:1] in (b"{", b"[", b'"'):
        return find("json")
    try:
        fields = xml.parse(body)
    except MalformedPush as fault:
        return find("unencrypted") if text[:1] != b"<" else find("no_xml", fault=fault)
    return None if "Encrypt" in fields else find("unencrypted")


def _why_shut(fault: InvalidReply, appid: str) -> Finding:
    match fault.__cause__:
        case WrongAppid(found=found):
            return find("wrong_appid", found=found, expected=appid)
        case BadSignature():
            return find("signature_wrong")
        case UndecipherablePush():
            return find("undecipherable")
        case InvalidPush() as cause:
            return find("envelope_incomplete", fault=cause)
    return find("reply_invalid", fault=fault)


def _judge_content(parsed: ParsedReply, wanted: Wanted) -> Finding:
    if (parsed.to_user, parsed.from_user) != (wanted.openid, wanted.user_name):
        return find(
            "not_swapped",
            openid=wanted.openid,
            user_name=wanted.user_name,
            to=parsed.to_user,
            sender=parsed.from_user,
        )
    if not isinstance(parsed.reply, Text):
        return find("no_text", kind=type(parsed.reply).__name__)
    if parsed.reply.content != wanted.text:
        return find("wrong_text", found=parsed.reply.content, expected=wanted.text)
    return find("text_good", expected=wanted.text)


def _refusal(call: Called) -> dict[str, Any]:
    return {"errcode": call.errcode, "errmsg": call.answer.get("errmsg", "")}


def _shown(heard: Heard) -> str:
    text = heard.body[:SHOWN].decode("utf-8", "replace")
    return repr(text) + ("…" if len(heard.body) > SHOWN else "")
