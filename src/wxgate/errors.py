"""Every error wxgate raises, by whose move it is.

GatewayError
├── ConfigError                 the operator: a setting, key or secret is missing or wrong
│   ├── BadKey                  an EncodingAESKey or sealing key has the wrong form
│   └── SeveralIssuers          several may act for an account, and nobody said which
├── InvalidPush                 the sender: a push we do not accept (never retried by us)
│   ├── PushTooLarge            body over the limit
│   ├── UnknownReceiver         no such platform or account here
│   ├── MalformedPush           not XML/JSON of the expected shape, bad base64, DTD, too deep
│   ├── BadSignature            msg_signature missing or wrong
│   ├── StalePush               timestamp outside the window
│   ├── UndecipherablePush      wrong key: padding or length is nonsense after decryption
│   └── WrongAppid              decrypts, but was meant for another appid
├── InvalidReply                the application: a passive reply WeChat would not accept
├── ReplierFailed               the application: whoever was to reply did not answer, or not well
├── WeChatError                 WeChat answered with an errcode
│   ├── TokenRejected           40001 40014 42001: the access token is no longer good
│   ├── ComponentTokenRejected  42006 or 40001/40014/42001 on the component API
│   ├── TicketRejected          61005 61006: the ticket is expired or invalid
│   ├── CodeRejected            61009 61010: the authorization code is foreign, used or expired
│   ├── LoginCodeRejected       40029 40163 41008 42003: the code of a login is used, expired or nobody's
│   ├── RefreshTokenRejected    61023: the refresh token is not the current one
│   ├── NotAuthorizedByAccount  61003: the account never authorised us, or took it back
│   ├── IpNotRegistered         61004 40164: our egress IP is not on the allow-list
│   ├── RateLimited             45009 45011: a quota is used up
│   └── Busy                    -1: WeChat asks to try again
├── UpstreamError               the network: WeChat could not be reached or answered nonsense
│   ├── Unreachable             no whole answer came back: no connection, a time-out, HTTP 5xx
│   └── CircuitOpen             fetching tokens of this kind can only fail at present, so it is not tried
├── Undeliverable               the subscriber: it cannot be reached, or must not be
├── StorageError                the database: it cannot be reached, or refused what was to be written
├── NotAuthorized               the account owner: no live authorization to act with
│   └── NeedsReauthorization    the merchant must authorise again
├── RenewalsExhausted           a token was rejected and renewed too often: something else is wrong
├── ClearsUsedUp                the ten quota clears of the month are spent
├── AlreadyRunning              the caller: somebody does the same already
├── TicketMissing               WeChat has not pushed a component_verify_ticket yet
├── NotFound                    the caller: no such platform, account, invite, flow
├── RequestRefused              the application: a request to the API that is not served
│   ├── KeyRefused              no API key, or one that is wrong, revoked or expired
│   ├── AddressRefused          the key may not be used from this address
│   ├── ScopeMissing            the key is good, but not for this
│   ├── HostRefused             a page's host that its account does not list
│   ├── RenewalNotAllowed       a read-only key asks for what would have to be fetched first
│   ├── TooManyAttempts         too many wrong keys, or too many requests that wait
│   └── BadRequest              a body, parameter or address that is not understood
├── OAuthRefused                the relying party: a request to the OpenID provider that is not served
│   ├── ClientRefused           no such client, or not its secret
│   ├── BearerRefused           an access token of ours that is absent, unknown, expired or revoked
│   └── AuthorizationRefused    an authorization request whose client is told by a redirect
└── LinkRefused                 the visitor: an invite or authorization link is forged, expired or used up
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Explanation:
    """The likely cause of one failed call and the next step, one sentence each, in English and Chinese."""

    cause: str
    action: str
    cause_zh: str
    action_zh: str


class GatewayError(Exception):
    """Root of every error wxgate raises on purpose."""


class ConfigError(GatewayError):
    """A setting, key or secret is missing or wrong; the message says what to change."""


class BadKey(ConfigError):
    """An EncodingAESKey or sealing key does not have the required form (-40004)."""


class SeveralIssuers(ConfigError):
    """Several may act for an account, and nobody said which; `issuers` lists them."""

    def __init__(self, message: str, *, issuers: tuple[str, ...]) -> None:
        super().__init__(message)
        self.issuers = issuers


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file; line and column count from one, column 0 is the whole line."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}" if self.column else str(self.line)
        return f"{place}: {self.message}"


class BadFile(ConfigError):
    """A file that was handed in has mistakes, each with its place; nothing of it was taken."""

    def __init__(self, name: str, mistakes: Sequence["Mistake"]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{name}:{mistake}" for mistake in mistakes))


class InvalidPush(GatewayError):
    """A push that cannot be accepted.

    `reason` is a stable word for metrics and answers, `status_hint` the HTTP status to answer, `code` the
    number WeChat's own sample libraries use for the same fault (-40001 to -40011).
    """

    reason: ClassVar[str] = "invalid"
    status_hint: ClassVar[int] = 400
    code: ClassVar[int] = -40002


class PushTooLarge(InvalidPush):
    """The body is larger than the configured limit."""

    reason = "too_large"
    status_hint = 413


class UnknownReceiver(InvalidPush):
    """The URL names a platform or account this gateway does not serve."""

    reason = "unknown_receiver"
    status_hint = 404
    code = -40005


class MalformedPush(InvalidPush):
    """The body is not the XML or JSON WeChat sends, or its base64 is broken."""

    reason = "malformed"


class BadSignature(InvalidPush):
    """The msg_signature (or signature in plaintext mode) is missing or does not match."""

    reason = "bad_signature"
    status_hint = 403
    code = -40001


class StalePush(InvalidPush):
    """The timestamp lies outside the accepted window."""

    reason = "stale"
    status_hint = 403
    code = -40001


class UndecipherablePush(InvalidPush):
    """The ciphertext does not open with any of the configured keys."""

    reason = "undecipherable"
    status_hint = 403
    code = -40007


class WrongAppid(InvalidPush):
    """The push opens, but was sealed for another appid; `found` tells which."""

    reason = "wrong_appid"
    status_hint = 403
    code = -40005

    def __init__(self, message: str, *, found: str) -> None:
        super().__init__(message)
        self.found = found


class InvalidReply(GatewayError):
    """A passive reply that WeChat would show to the user as a fault."""


class ReplierFailed(GatewayError):
    """Whoever was to reply to a message did not answer in time, or answered that it failed."""


class WeChatError(GatewayError):
    """WeChat answered with an errcode.

    `errcode`, `errmsg` and `rid` are WeChat's own; `path` is the API path that was called. `explanation` is
    there once somebody who knows the configuration has looked at it, and is then part of the text.
    """

    explanation: Explanation | None = None

    def __init__(self, errcode: int, errmsg: str, *, rid: str | None = None, path: str = "") -> None:
        super().__init__(f"{path or 'WeChat'}: errcode {errcode}: {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid
        self.path = path

    @property
    def answer(self) -> str:
        """What WeChat said, without our explanation."""
        return super().__str__()

    def __str__(self) -> str:
        if self.explanation is None:
            return self.answer
        return f"{self.answer.rstrip('.')}. {self.explanation.cause} {self.explanation.action}"


class TokenRejected(WeChatError):
    """The access token is no longer the good one."""


class ComponentTokenRejected(TokenRejected):
    """The component access token is no longer the good one (42006)."""


class TicketRejected(WeChatError):
    """The component_verify_ticket is expired (61005) or invalid (61006)."""


class CodeRejected(WeChatError):
    """The authorization code is foreign (61009), used or expired (61010)."""


class LoginCodeRejected(WeChatError):
    """The code of a login is used (40163), expired (42003), missing (41008) or nobody's (40029)."""


class RefreshTokenRejected(WeChatError):
    """The authorizer_refresh_token is not the current one (61023)."""


class NotAuthorizedByAccount(WeChatError):
    """The account never authorised this platform, or took it back (61003)."""


class IpNotRegistered(WeChatError):
    """Our egress IP is not on the allow-list; `ip` is the address WeChat saw."""

    def __init__(
        self, errcode: int, errmsg: str, *, rid: str | None = None, path: str = "", ip: str = ""
    ) -> None:
        super().__init__(errcode, errmsg, rid=rid, path=path)
        self.ip = ip


class RateLimited(WeChatError):
    """A quota is used up (45009 for the day, 45011 for the minute)."""


class Busy(WeChatError):
    """WeChat asks to try again (-1)."""


class UpstreamError(GatewayError):
    """WeChat could not be reached, or what came back is not an answer.

    `sent` is true when the request may have reached WeChat, so that a single-use value may have been spent.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Unreachable(UpstreamError):
    """No whole answer came back from WeChat, whomever the call was about."""


class CircuitOpen(UpstreamError):
    """Tokens of this kind are not fetched at present; `retry_after` is in seconds.

    The day's budget is used up, or WeChat failed too often in a row.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, sent=False)
        self.retry_after = retry_after


class HeldBack(UpstreamError):
    """One token is not fetched for a moment: WeChat has failed for it in a row; `retry_after` in seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, sent=False)
        self.retry_after = retry_after


class Undeliverable(GatewayError):
    """A subscriber gave no whole answer, or has an address that is not connected to."""


class StorageError(GatewayError):
    """The database could not be used; nothing of the transaction was kept, as far as anybody can tell.

    `refused` is true when the database answered but did not take the values.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class NotAuthorized(GatewayError):
    """There is no live authorization to act for this account.

    `platform` names whose it was, `link` where the merchant can authorise (again), if known.
    """

    def __init__(self, message: str, *, platform: str = "", link: str = "") -> None:
        super().__init__(message)
        self.platform = platform
        self.link = link


class NeedsReauthorization(NotAuthorized):
    """The authorization can only be mended by the merchant authorising again."""


class RenewalsExhausted(GatewayError):
    """WeChat rejected one new token after the other; none is fetched on such proof before `retry_at`.

    `retry_after` says the same in seconds from when it was raised.
    """

    def __init__(self, message: str, *, retry_at: datetime, retry_after: float) -> None:
        super().__init__(message)
        self.retry_at = retry_at
        self.retry_after = retry_after


class ClearsUsedUp(GatewayError):
    """The month's ten clearings of an appid's quota are spent; there are new ones at `renews_at`."""

    def __init__(self, message: str, *, renews_at: datetime) -> None:
        super().__init__(message)
        self.renews_at = renews_at


class AlreadyRunning(GatewayError):
    """Somebody does this already, and one at a time is enough; nothing was begun."""


class TicketMissing(GatewayError):
    """No component_verify_ticket has arrived for this platform yet."""


class NotFound(GatewayError):
    """No such platform, account, invite or flow."""


class RequestRefused(GatewayError):
    """A request to the API that is not served; `status_hint` is the HTTP status to answer."""

    status_hint: ClassVar[int] = 400


class KeyRefused(RequestRefused):
    """The API key is absent, wrong, revoked or expired; `reason` is a stable word."""

    status_hint = 401

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class AddressRefused(RequestRefused):
    """The API key may not be used from this address."""

    status_hint = 403


class ScopeMissing(RequestRefused):
    """The API key is good, but not for this; `missing` names what it lacks."""

    status_hint = 403

    def __init__(self, message: str, *, missing: str) -> None:
        super().__init__(message)
        self.missing = missing


class HostRefused(RequestRefused):
    """A signature is asked for a page on a host that its account does not list."""

    status_hint = 403

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message)
        self.host = host


class RenewalNotAllowed(RequestRefused):
    """A read-only API key asks for what would have to be fetched first."""

    status_hint = 409


class TooManyAttempts(RequestRefused):
    """Too many wrong keys from one address, or too many requests that wait; `retry_after` in seconds."""

    status_hint = 429

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadRequest(RequestRefused):
    """A body, parameter or address that is not understood; nothing was done."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class OAuthRefused(GatewayError):
    """A request to the OpenID provider is not served; `error` is the specifications' word for why.

    `status_hint` is the HTTP status to answer where the answer is not a redirect.
    """

    status_hint: int = 400

    def __init__(self, error: str, description: str, *, status: int | None = None) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status_hint = status or self.status_hint


class ClientRefused(OAuthRefused):
    """A relying party is not known, or did not prove who it is; `basic` tells how it tried to."""

    status_hint = 401

    def __init__(self, description: str, *, basic: bool = False) -> None:
        super().__init__("invalid_client", description)
        self.basic = basic


class BearerRefused(OAuthRefused):
    """An access token of ours is absent (then `error` is empty), unknown, expired or revoked."""

    status_hint = 401


class AuthorizationRefused(OAuthRefused):
    """An authorization request is refused, and its client is told at `redirect_uri`."""

    def __init__(self, error: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(error, description)
        self.redirect_uri = redirect_uri
        self.state = state


class LinkRefused(GatewayError):
    """An invite or authorization link is forged, expired or used up; `reason` is a stable word."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def told(error: Exception) -> dict[str, str]:
    """Make the fields with which a log line tells an error: what happened, why, and what to do."""
    if isinstance(error, WeChatError) and error.explanation is not None:
        return {
            "error": error.answer,
            "cause": error.explanation.cause,
            "action": error.explanation.action,
        }
    return {"error": str(error)}
