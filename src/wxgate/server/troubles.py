"""What went wrong, as a page can say it: a status, a word for texts and metrics, advice for the operator."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wxgate.custody.records import Exchange
from wxgate.errors import (
    Busy,
    Explanation,
    GatewayError,
    IpNotRegistered,
    LinkRefused,
    NotFound,
    RateLimited,
    TicketMissing,
    TicketRejected,
    UpstreamError,
    WeChatError,
)
from wxgate.protocol.errcodes import errmsg, explain

LINK_STATUS = {"forged": 404, "expired": 410, "used": 410, "bad_choice": 400}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble by name; its texts are `trouble.{name}.title`, `.body` and, for some, `.operator`."""

    name: str
    status: int
    figures: Mapping[str, str] = field(default_factory=dict)
    errcode: int | None = None
    advice: Explanation | None = None


CANCELLED = Trouble("cancelled", 400)
BAD_CODE = Trouble("bad_code", 400)
PREFETCH = Trouble("prefetch", 403)
TOO_MANY = Trouble("too_many", 429)
UNKNOWN_RESULT = Trouble("unknown_result", 404)


def trouble_of(error: GatewayError, platform: str = "") -> Trouble:
    """Say what an error means for the visitor; what only the log should know stays out."""
    match error:
        case LinkRefused():
            return Trouble(error.reason, LINK_STATUS[error.reason])
        case NotFound():
            return Trouble("unknown_platform", 404)
        case TicketMissing():
            return Trouble("ticket_missing", 503, {"platform": platform})
        case UpstreamError():
            return Trouble("unreachable", 502)
        case WeChatError():
            return _refusal(error)
        case _:
            return Trouble("not_ready", 503)


def trouble_of_exchange(failed: Exchange) -> Trouble:
    """Say why a code came to nothing."""
    if failed.errcode is None:
        return Trouble("unreachable", 502)
    return _refusal(WeChatError(failed.errcode, errmsg(failed.errcode)))


def _refusal(error: WeChatError) -> Trouble:
    match error:
        case IpNotRegistered():
            name, status = "ip_not_registered", 503
        case TicketRejected():
            name, status = "ticket_rejected", 503
        case Busy() | RateLimited():
            name, status = "busy", 503
        case WeChatError(errcode=61010):
            name, status = "code_expired", 410
        case WeChatError(errcode=61009):
            name, status = "code_invalid", 400
        case _:
            name, status = "wechat_refused", 502
    return Trouble(name, status, errcode=error.errcode, advice=explain(error))
