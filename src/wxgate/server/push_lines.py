"""What the push log keeps of a request under /wechat/: how it was judged and answered, in one word each."""

from collections.abc import Sequence
from datetime import datetime

from wxgate.errors import UnknownReceiver
from wxgate.events.records import PushLine
from wxgate.secret import hide

SAY_MORE = frozenset({"echo", "not_authorized", "told_before"})
"""Results that say more than that a push was accepted."""

EXPLANATION_LENGTH = 500


def make_line(
    parts: Sequence[str],
    *,
    at: datetime,
    source_ip: str,
    status: int,
    result: str,
    is_reply: bool,
    milliseconds: int,
    event_id: int | None,
    fresh: bool,
    explanation: str,
) -> PushLine:
    """Write the line of a request to an address of these parts; there are none where it could not be read."""
    if result == UnknownReceiver.reason:
        parts = ()  # whoever made the address up could make up as many as they like
    return PushLine(
        at=at,
        receiver=_receiver(parts),
        appid=_account(parts),
        source_ip=source_ip,
        verdict=_verdict(status, result, fresh=fresh),
        answer=_answer(status, result, is_reply=is_reply),
        status=status,
        milliseconds=milliseconds,
        event_id=event_id,
        explanation=hide(explanation)[:EXPLANATION_LENGTH],
    )


def _receiver(parts: Sequence[str]) -> str:
    return "" if not parts else parts[0]


def _account(parts: Sequence[str]) -> str:
    match parts:
        case ["direct", appid] | [_, "messages", appid]:
            return appid
        case _:
            return ""


def _verdict(status: int, result: str, *, fresh: bool) -> str:
    if status >= 400 or result in SAY_MORE:
        return result
    if not fresh:
        return "duplicate"
    return "release_test" if result == "release_test" else "accepted"


def _answer(status: int, result: str, *, is_reply: bool) -> str:
    if status >= 500:
        return "unavailable"
    if status >= 400:
        return "refused"
    if is_reply:
        return "reply"
    return result if result in ("echo", "held") else "success"
