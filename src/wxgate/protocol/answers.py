"""Turn the body of an API call into data or into the right error.

WeChat answers HTTP 200 for errors too, labels JSON as text/plain and sends files from the same paths;
what counts is the errcode in the body (developers.weixin.qq.com, "全局返回码").
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wxgate.errors import (
    Busy,
    CodeRejected,
    ComponentTokenRejected,
    IpNotRegistered,
    LoginCodeRejected,
    NotAuthorizedByAccount,
    RateLimited,
    RefreshTokenRejected,
    TicketRejected,
    TokenRejected,
    Unreachable,
    WeChatError,
)
from wxgate.protocol import endpoints

_RID = re.compile(r"\brid: ?([0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8})\b")
_IP = re.compile(r"(?:requestIP:|invalid ip) ?([0-9a-fA-F.:]*[0-9a-fA-F])")
_BINARY_TYPES = ("image/", "audio/", "video/", "voice/", "application/octet-stream", "application/zip")
_BINARY_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"#!AMR", b"ID3", b"PK\x03\x04", b"%PDF")

_LEAVES: Mapping[int, type[WeChatError]] = {
    -1: Busy,
    40001: TokenRejected,
    40014: TokenRejected,
    40029: LoginCodeRejected,
    40163: LoginCodeRejected,
    41008: LoginCodeRejected,
    42001: TokenRejected,
    42003: LoginCodeRejected,
    42006: ComponentTokenRejected,
    45009: RateLimited,
    45011: RateLimited,
    61003: NotAuthorizedByAccount,
    61005: TicketRejected,
    61006: TicketRejected,
    61009: CodeRejected,
    61010: CodeRejected,
    61023: RefreshTokenRejected,
}
_IP_CODES = (40164, 61004)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: `data` is the decoded JSON, or None when the body is a file."""

    status: int
    data: Any | None
    body: bytes
    content_type: str


def decode(status: int, body: bytes, content_type: str, path: str = "") -> Answer:
    """Decode an answer; raises the WeChatError of its errcode, or Unreachable if it is no answer."""
    data = _load(body)
    if isinstance(data, dict) and (errcode := _errcode(data)):
        raise error_of(errcode, str(data.get("errmsg", "")), path)
    if status != 200:
        raise Unreachable(f"{path or 'WeChat'}: HTTP {status} without an errcode.", sent=True)
    if data is None and not _is_binary(body, content_type):
        raise Unreachable(f"{path or 'WeChat'}: the answer is neither JSON nor a file.", sent=True)
    return Answer(status, data, body, content_type)


def error_of(errcode: int, errmsg: str, path: str = "") -> WeChatError:
    """Make the error that stands for an errcode."""
    rid = rid_of(errmsg)
    if errcode in _IP_CODES:
        return IpNotRegistered(errcode, errmsg, rid=rid, path=path, ip=ip_of(errmsg) or "")
    leaf = _LEAVES.get(errcode, WeChatError)
    if leaf is TokenRejected and _takes_component_token(path):
        leaf = ComponentTokenRejected
    return leaf(errcode, errmsg, rid=rid, path=path)


def rid_of(errmsg: str) -> str | None:
    """Find the request id with which WeChat's support can look a call up."""
    found = _RID.search(errmsg)
    return found[1] if found else None


def ip_of(errmsg: str) -> str | None:
    """Find the address WeChat saw us call from, as it tells for 61004 and 40164."""
    found = _IP.search(errmsg)
    return found[1] if found else None


def rid_time(rid: str) -> int | None:
    """Read the Unix time of the call from its rid: the first group is the seconds in hex."""
    try:
        return int(rid.partition("-")[0], 16)
    except ValueError:
        return None


def _load(body: bytes) -> Any | None:
    """Decode JSON as UTF-8 whatever the header says; None when it is not JSON."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return None
    try:
        # Nicknames bring raw control characters and broken UTF-8; neither may cost us the rest of the answer.
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _errcode(data: Mapping[str, Any]) -> int:
    try:
        return int(data.get("errcode") or 0)
    except (TypeError, ValueError):
        return 0


def _is_binary(body: bytes, content_type: str) -> bool:
    return content_type.lower().startswith(_BINARY_TYPES) or body.startswith(_BINARY_STARTS)


def _takes_component_token(path: str) -> bool:
    endpoint = endpoints.find(path)
    return endpoint is not None and endpoint.token is endpoints.TokenUse.COMPONENT
