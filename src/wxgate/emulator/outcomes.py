"""How an attempt to push ends, and how WeChat reads what it was answered (接收普通消息, 被动回复用户消息)."""

import json
from dataclasses import dataclass
from enum import StrEnum

from wxgate.errors import InvalidReply
from wxgate.protocol import xml
from wxgate.protocol.envelope import PushKeys, open_reply
from wxgate.protocol.replies import ParsedReply, parse_reply


class Outcome(StrEnum):
    """How an attempt, or a whole push, ended."""

    SUCCESS = "success"
    EMPTY = "empty"
    REPLY = "reply"
    TIMEOUT = "timeout"
    CONNECT_ERROR = "connect_error"
    BAD_STATUS = "bad_status"
    INVALID_REPLY = "invalid_reply"
    UNSEALABLE = "unsealable"
    LOST = "lost"
    MARKED_FAILED = "marked_failed"
    WAITING = "waiting"

    @property
    def well(self) -> bool:
        """Tell whether the receiver did its part."""
        return self in (Outcome.SUCCESS, Outcome.EMPTY, Outcome.REPLY)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What WeChat makes of an answer; `plain` is the opened reply, as far as it could be opened."""

    outcome: Outcome
    problem: str | None = None
    plain: str | None = None
    reply: ParsedReply | None = None


def judge(
    keys: PushKeys, element: tuple[str, str], openid: str | None, status: int | None, raw: bytes
) -> Judgement:
    """Read the answer to a push whose envelope named `element`; `openid` is the user a reply must go to."""
    if status != 200:
        return Judgement(Outcome.BAD_STATUS, f"HTTP {status}")
    if raw == b"success":
        return Judgement(Outcome.SUCCESS)
    if element[0] == "AppId":
        return Judgement(Outcome.INVALID_REPLY, "a component event wants exactly success")
    if not raw:
        return Judgement(Outcome.EMPTY)
    plain = None
    try:
        plain = open_reply(keys, raw)
        parsed = parse_reply(xml_of(plain))
        if (parsed.to_user, parsed.from_user) != (openid, element[1]):
            raise InvalidReply("ToUserName and FromUserName are not those of the message, swapped.")
    except (InvalidReply, ValueError) as problem:
        return Judgement(Outcome.INVALID_REPLY, str(problem), plain)
    return Judgement(Outcome.REPLY, None, plain, parsed)


def xml_of(reply: str) -> str:
    """Turn a JSON reply into the XML that the protocol reads."""
    return xml.render(json.loads(reply)) if reply.startswith("{") else reply
