"""The events WeChat pushes to a platform itself: ticket, authorizations, registrations and filings.

Names and fields follow WeChat's pages "授权变更通知推送", "验证票据" and the fast-registration pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wxgate.errors import MalformedPush
from wxgate.protocol.statuses import explain
from wxgate.protocol.wire import as_int, many, number, odd, read, text
from wxgate.protocol.xml import Fields, Value
from wxgate.secret import AuthorizationCode, PreAuthCode, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentEvent:
    """One event for a platform; `raw` holds every field as it came, secrets included."""

    platform: str
    created_at: int
    info_type: str
    raw: Fields = field(repr=False)

    @property
    def in_words(self) -> tuple[str, ...]:
        """What the statuses mean, as far as WeChat's pages say."""
        return tuple(each.text for each in explain(self.info_type, self.raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTicket(ComponentEvent):
    """The ticket that buys the component access token; it comes every ten minutes."""

    ticket: Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized(ComponentEvent):
    """An account authorised the platform; `code` is exchanged once, `pre_auth_code` tells by which link."""

    appid: str
    code: AuthorizationCode
    code_expires_at: int
    pre_auth_code: PreAuthCode


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationUpdated(Authorized):
    """An account changed what the platform may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorized(ComponentEvent):
    """An account took the authorization back."""

    appid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FastRegistered(ComponentEvent):
    """A mini program was registered for a company or a person, or was not: `status` 0 is success."""

    appid: str = text("appid")
    status: int | None = number("status")
    message: str = text("msg")
    code: AuthorizationCode | None = None
    name: str = text("info/name", "info/idname")
    company_code: str = text("info/code")
    company_code_type: int | None = number("info/code_type")
    wechat_id: str = text("info/legal_persona_wechat", "info/wxuser")
    legal_person: str = text("info/legal_persona_name")
    component_phone: str = text("info/component_phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRegistered(ComponentEvent):
    """A trial mini program was registered, or was not."""

    appid: str = text("appid")
    status: int | None = number("status")
    message: str = text("msg")
    unique_id: str = text("info/unique_id")
    name: str = text("info/name")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialVerified(ComponentEvent):
    """A trial mini program became a formal one, or did not."""

    appid: str = text("appid")
    status: int | None = number("status")
    message: str = text("msg")
    name: str = text("info/name")
    company_code: str = text("info/code")
    company_code_type: int | None = number("info/code_type")
    wechat_id: str = text("info/legal_persona_wechat")
    legal_person: str = text("info/legal_persona_name")
    component_phone: str = text("info/component_phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationProgress(ComponentEvent):
    """A step of a mini program's verification that the platform started (notify_3rd_wxa_auth)."""

    appid: str = text("appid")
    task_id: str = text("taskid")
    task_status: int | None = number("task_status")
    apply_status: int | None = number("apply_status")
    message: str = text("message")
    provider: str = text("dispatch_info/provider")
    contact: str = text("dispatch_info/contact")
    dispatched_at: int | None = number("dispatch_info/dispatch_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationDue(ComponentEvent):
    """A mini program's verification is about to expire (notify_3rd_wxa_wxverify)."""

    appid: str = text("appid")
    expires_at: int | None = number("expired")
    message: str = text("message")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingFaceVerified(ComponentEvent):
    """The face check of an ICP filing ended: `result` 2 failed, 3 passed."""

    task_id: str = text("task_id")
    appid: str = text("verify_appid")
    result: int | None = number("result")
    along_with_auth_result: int | None = number("along_with_auth_result")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingProgress(ComponentEvent):
    """The state of an ICP filing changed (notify_apply_icpfiling_result)."""

    appid: str = text("authorizer_appid")
    status: int | None = number("beian_status")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationAndFilingProgress(ComponentEvent):
    """A combined verification and ICP filing moved on (notify_3rd_wxa_auth_and_icp)."""

    appid: str = text("appid")
    procedure_id: str = text("procedure_id")
    status: int | None = number("procedure_status")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPathResult:
    """What became of one mini program's order path; `ret_code` answers an application, `status` an audit."""

    appid: str = text("appid")
    ret_code: int | None = number("ret_code")
    audit_id: str = text("audit_id")
    status: int | None = number("status")
    applied_at: int | None = number("apply_time")
    audited_at: int | None = number("audit_time")
    reason: str = text("reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPathNotice(ComponentEvent):
    """Order paths were applied for or audited (order_path_*_result_notify)."""

    results: tuple[OrderPathResult, ...] = many(OrderPathResult, "list")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownComponentEvent(ComponentEvent):
    """An InfoType this version does not know; kept, never refused."""


INFO_TYPES: Mapping[str, type[ComponentEvent]] = {
    "component_verify_ticket": VerifyTicket,
    "authorized": Authorized,
    "updateauthorized": AuthorizationUpdated,
    "unauthorized": Unauthorized,
    "notify_third_fasteregister": FastRegistered,
    "notify_third_fastregisterbetaapp": TrialRegistered,
    "notify_third_fastverifybetaapp": TrialVerified,
    "notify_3rd_wxa_auth": VerificationProgress,
    "notify_3rd_wxa_wxverify": VerificationDue,
    "notify_icpfiling_verify_result": FilingFaceVerified,
    "notify_apply_icpfiling_result": FilingProgress,
    "notify_3rd_wxa_auth_and_icp": VerificationAndFilingProgress,
    "order_path_apply_result_notify": OrderPathNotice,
    "order_path_audit_result_notify": OrderPathNotice,
}

ESSENTIAL = (VerifyTicket, Authorized, Unauthorized)
"""What custody lives on, and therefore must be whole: WeChat is told when it is not."""

REDACTED: Final = "****"
_SECRET_NAMES = frozenset({"ComponentVerifyTicket", "AuthorizationCode", "PreAuthCode", "auth_code"})
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that a datetime can tell
_CODE_LIFETIME = 3600  # what real pushes carry when they carry it


def parse_component_event(fields: Fields, *, received_at: int = 0) -> ComponentEvent:
    """Read an opened push as the platform event it is.

    Raises MalformedPush for a push that names no platform or InfoType, and for a ticket or an authorization
    without its essentials. Nothing else is refused: `received_at` stands in for a CreateTime that is no
    number, and a field that is not as documented stays in `raw`.
    """
    info_type = _required(fields, "InfoType")
    kind = kind_of(info_type)
    created_at = _created_at(fields)
    if created_at is None:
        if issubclass(kind, ESSENTIAL):
            raise MalformedPush("The event has no CreateTime.")
        created_at = received_at
    known: dict[str, object] = {
        "platform": _required(fields, "AppId"),
        "created_at": created_at,
        "info_type": info_type,
        "raw": fields,
    }
    if issubclass(kind, VerifyTicket):
        known["ticket"] = Ticket(_required(fields, "ComponentVerifyTicket"))
    if issubclass(kind, Authorized | Unauthorized):
        known["appid"] = _required(fields, "AuthorizerAppid")
    if issubclass(kind, Authorized):
        known["code"] = AuthorizationCode(_required(fields, "AuthorizationCode"))
        expires_at = as_int(fields.get("AuthorizationCodeExpiredTime"))
        known["code_expires_at"] = expires_at or created_at + _CODE_LIFETIME
        known["pre_auth_code"] = PreAuthCode(_optional(fields, "PreAuthCode"))
    if issubclass(kind, FastRegistered) and (code := _optional(fields, "auth_code")):
        known["code"] = AuthorizationCode(code)
    return read(kind, fields, **known)


def kind_of(info_type: str) -> type[ComponentEvent]:
    """Return the class of an InfoType."""
    return INFO_TYPES.get(info_type.lower(), UnknownComponentEvent)


def oddities(event: ComponentEvent) -> tuple[str, ...]:
    """List the fields of a known event that are there, but not as WeChat documents them."""
    found = odd(type(event), event.raw)
    return found if _created_at(event.raw) is not None else ("CreateTime", *found)


def _created_at(fields: Fields) -> int | None:
    seconds = as_int(fields.get("CreateTime"))
    return seconds if seconds is not None and 0 <= seconds <= _LAST_SECOND else None


def redact(fields: Fields) -> Fields:
    """Copy an event's fields with `****` for the ticket and the codes, fit to be stored and shown.

    The copy still reads as the same event, so that handlers can be given it long after the secrets are gone.
    """
    return {name: REDACTED if name in _SECRET_NAMES else _redact_value(item) for name, item in fields.items()}


def _redact_value(value: Value) -> Value:
    if isinstance(value, dict):
        return redact(value)
    return [_redact_value(item) for item in value] if isinstance(value, list) else value


def _optional(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _required(fields: Fields, name: str) -> str:
    value = _optional(fields, name)
    if not value:
        raise MalformedPush(f"The event has no {name}.")
    return value
