"""How the API says no: one JSON shape, with what happened, what to do, and a stable word for programs.

{"error": {"code": "missing_scope", "message": "…", "message_zh": "…", "hint": "…", "missing": "…"}}
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wxgate.errors import (
    AddressRefused,
    AlreadyRunning,
    BadRequest,
    Busy,
    CircuitOpen,
    ClearsUsedUp,
    ConfigError,
    Explanation,
    GatewayError,
    HeldBack,
    HostRefused,
    KeyRefused,
    NeedsReauthorization,
    NotAuthorized,
    NotAuthorizedByAccount,
    NotFound,
    RateLimited,
    RefreshTokenRejected,
    RenewalNotAllowed,
    RenewalsExhausted,
    RequestRefused,
    ScopeMissing,
    SeveralIssuers,
    StorageError,
    TicketMissing,
    TooManyAttempts,
    UpstreamError,
    WeChatError,
)
from wxgate.protocol import errcodes

SOON = 2.0
LATER = 5.0
RATE_LIMITED = 60.0
"""Seconds after which another try makes sense, where nobody knows better."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that is no."""

    status: int
    code: str
    message: str
    message_zh: str
    hint: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None

    def body(self) -> bytes:
        """Write it as JSON."""
        texts = {"code": self.code, "message": self.message, "message_zh": self.message_zh, "hint": self.hint}
        error = {name: value for name, value in {**texts, **self.more}.items() if value not in ("", None)}
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """List the headers that go with it."""
        headers = [(b"www-authenticate", b"Bearer")] if self.status == 401 else []
        if self.retry_after is not None:
            headers.append((b"retry-after", str(math.ceil(self.retry_after)).encode()))
        return headers


NOT_ALLOWED = Refusal(
    405, "method_not_allowed", "this address does not take that method", "此地址不支持该方法"
)

NO_SUCH_ROUTE = Refusal(
    404, "no_such_route", "there is nothing at this address", "此地址不存在", "see docs/reference/http.md"
)

UNEXPECTED = Refusal(
    503,
    "unexpected",
    "this went wrong inside the gateway; its log says how",
    "网关内部出错，详情见其日志",
    "try again; if it stays, tell the operator the time of the request",
    retry_after=LATER,
)


def refuse(error: GatewayError, link: str = "", *, narrow: bool = False) -> Refusal:
    """Turn an error into an answer; `link` is where the merchant authorises (again).

    With `narrow` an errcode is explained in general: the facts of this configuration may be those of
    platforms and accounts that the key is not for.
    """
    match error:
        case RequestRefused():
            return _refuse_request(error)
        case WeChatError():
            explained = (None if narrow else error.explanation) or errcodes.explain(error)
            return _refuse_upstream(error, explained, link)
        case NotAuthorized():
            needs = isinstance(error, NeedsReauthorization)
            return _unauthorized(str(error), "needs_reauthorization" if needs else "not_authorized", link)
        case NotFound():
            hint = "`wxgate account list` and `wxgate platform list` show what there is"
            return Refusal(404, "not_found", str(error), "没有所请求的账号、平台或记录", hint)
        case SeveralIssuers():
            return Refusal(
                409, "several_issuers", str(error), "多个平台可代表该账号，请用 ?issuer= 指明",
                more={"issuers": list(error.issuers)},
            )  # fmt: skip
        case AlreadyRunning():
            return Refusal(
                409, "already_running", str(error), "该任务正在进行，请稍后查看结果",
                "wait for its result, then ask again if need be", retry_after=60,
            )  # fmt: skip
        case TicketMissing():
            return Refusal(
                503, "ticket_missing", str(error), "尚未收到 component_verify_ticket",
                "WeChat pushes one every ten minutes; `wxgate platform show` tells its age", retry_after=60,
            )  # fmt: skip
        case RenewalsExhausted():
            return Refusal(
                429, "renewals_exhausted", str(error), "新令牌接连被微信拒绝，续期无济于事",
                "find out who else renews this token, or what is wrong with the AppSecret",
                retry_after=error.retry_after,
            )  # fmt: skip
        case ClearsUsedUp():
            return Refusal(429, "clears_used_up", str(error), "本月十次清零机会已用完")
        case CircuitOpen():
            return Refusal(
                503, "fetches_stopped", str(error), "暂停获取新令牌，有效的令牌照常提供",
                "try again after Retry-After; the operator sees why in the log and with `wxgate quota show`",
                retry_after=error.retry_after,
            )  # fmt: skip
        case HeldBack():
            return Refusal(
                503, "renewal_held_back", str(error), "微信接连拒绝续期，稍后自动重试",
                "try again after Retry-After; `wxgate account show` tells what is wrong with the account",
                retry_after=error.retry_after,
            )  # fmt: skip
        case UpstreamError():
            return Refusal(
                503, "wechat_unreachable", str(error), "暂时无法连接微信，请稍后重试",
                "try again in a moment", retry_after=getattr(error, "retry_after", None) or LATER,
            )  # fmt: skip
        case StorageError():
            return Refusal(
                503, "storage_unavailable", "the gateway's database does not answer", "网关的数据库暂不可用",
                "try again in a moment", retry_after=SOON,
            )  # fmt: skip
        case ConfigError():
            return Refusal(
                503, "misconfigured", str(error), "网关配置有误，请联系运维", "the operator must mend this"
            )
        case _:
            return UNEXPECTED


def _refuse_request(error: RequestRefused) -> Refusal:
    status = error.status_hint
    match error:
        case KeyRefused():
            hint = "`wxgate client add` makes a key; it goes into the header Authorization: Bearer"
            return Refusal(status, error.reason, str(error), "缺少 API 密钥，或密钥错误、过期或已吊销", hint)
        case AddressRefused():
            hint = "`wxgate client show` lists the networks the key may be used from"
            return Refusal(status, "address_refused", str(error), "该密钥不允许从此地址使用", hint)
        case ScopeMissing():
            hint = "the operator makes a key with this scope: `wxgate client add`"
            more = {"missing": error.missing}
            return Refusal(status, "missing_scope", str(error), "该密钥缺少所需权限", hint, more)
        case HostRefused():
            hint = f"`wxgate account host APPID {error.host}` lists it"
            return Refusal(status, "host_refused", str(error), "该账号未登记此域名", hint)
        case RenewalNotAllowed():
            hint = "wait until a key that may renew has fetched it; ?wait= waits for it"
            return Refusal(status, "renewal_not_allowed", str(error), "只读密钥不能触发续期", hint)
        case TooManyAttempts():
            return Refusal(
                status, "too_many_attempts", str(error), "尝试过多，请稍后再试", retry_after=error.retry_after
            )
        case BadRequest():
            code = {413: "too_large"}.get(error.status, "bad_request")
            return Refusal(error.status, code, str(error), "请求有误")
        case _:
            return Refusal(status, "refused", str(error), "请求被拒绝")


def _refuse_upstream(error: WeChatError, explained: Explanation, link: str) -> Refusal:
    more = {
        "errcode": error.errcode,
        "errmsg": error.errmsg,
        "rid": error.rid,
        "cause": explained.cause,
        "cause_zh": explained.cause_zh,
        "hint_zh": explained.action_zh,
    }
    if isinstance(error, (RefreshTokenRejected, NotAuthorizedByAccount)):
        code = "needs_reauthorization" if isinstance(error, RefreshTokenRejected) else "not_authorized"
        return _unauthorized(error.answer, code, link, explained.action, more)
    code, status, retry_after = _upstream_word(error)
    return Refusal(status, code, error.answer, "微信返回了错误", explained.action, more, retry_after)


def _upstream_word(error: WeChatError) -> tuple[str, int, float | None]:
    match error:
        case Busy():
            return "wechat_busy", 503, LATER
        case RateLimited():
            return "wechat_rate_limited", 503, RATE_LIMITED
        case _:
            return "wechat_refused", 502, None


def _unauthorized(
    message: str, code: str, link: str, hint: str = "", more: Mapping[str, Any] | None = None
) -> Refusal:
    hint = "send the merchant the link: they authorise again" if link else hint
    return Refusal(409, code, message, "授权已失效，请商户重新授权", hint, {**(more or {}), "link": link})
