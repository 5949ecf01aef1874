"""One audit of a mini program's code: how it stands, when to ask next, and the event that tells its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from wxgate.events.records import EventKind, NewEvent

FIRST_CHECK: Final = timedelta(hours=1)
"""When WeChat is first asked: most audits take longer, and most results are pushed."""

GIVE_UP_AFTER: Final = timedelta(days=30)

_OFTEN, _OFTEN_UNTIL, _SELDOM = timedelta(hours=2), timedelta(days=3), timedelta(days=1)


class AuditState(StrEnum):
    """How an audit stands; UNKNOWN when WeChat does not know it, or said nothing for a month."""

    WAITING = "waiting"
    DELAYED = "delayed"
    PASSED = "passed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"

    @property
    def is_open(self) -> bool:
        """Tell whether there is more to come."""
        return self in (AuditState.WAITING, AuditState.DELAYED)


class AuditSource(StrEnum):
    """How the state became known: noted here, by WeChat's push, or by asking."""

    NOTED = "noted"
    PUSH = "push"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeAudit:
    """A version under audit.

    `told` is False while a result has not become an event yet, as far as is known; `next_check_at` is empty
    when there is nothing left to do.
    """

    appid: str
    audit_id: str
    platform: str
    submitted_at: datetime
    state: AuditState = AuditState.WAITING
    source: AuditSource = AuditSource.NOTED
    reason: str = ""
    screenshot: str = ""
    told: bool = True
    checked_at: datetime | None = None
    next_check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """What WeChat answered about an audit; the id and the time come with the newest one only."""

    state: AuditState
    reason: str = ""
    screenshot: str = ""
    audit_id: str = ""
    submitted_at: datetime | None = None


_STATES: Final = (
    AuditState.PASSED,
    AuditState.REJECTED,
    AuditState.WAITING,
    AuditState.WITHDRAWN,
    AuditState.DELAYED,
)
"""By WeChat's number."""

EVENTS: Final[Mapping[AuditState, tuple[str, str]]] = {
    AuditState.PASSED: ("weapp_audit_success", "SuccTime"),
    AuditState.REJECTED: ("weapp_audit_fail", "FailTime"),
    AuditState.DELAYED: ("weapp_audit_delay", "DelayTime"),
}
"""The event that tells of a state, and its name for the moment."""

STATE_OF: Final = {event: state for state, (event, _) in EVENTS.items()}


def next_check(audit: CodeAudit, now: datetime) -> datetime | None:
    """Say when to ask again: after an hour, every two hours for three days, daily for a month, no more."""
    age = now - audit.submitted_at
    if age >= GIVE_UP_AFTER:
        return None
    if age < FIRST_CHECK:
        return audit.submitted_at + FIRST_CHECK
    return now + (_OFTEN if age < _OFTEN_UNTIL else _SELDOM)


def read_answer(data: Any, now: datetime) -> AuditAnswer:
    """Read the answer of get_auditstatus or get_latest_auditstatus, in either of their spellings."""
    found: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    number = _number(found.get("status"))
    known = number is not None and 0 <= number < len(_STATES)
    submitted = _number(found.get("submit_audit_time"))
    return AuditAnswer(
        _STATES[number] if known and number is not None else AuditState.UNKNOWN,
        str(found.get("reason") or ""),
        str(found.get("screenshot") or found.get("ScreenShot") or ""),
        str(found.get("auditid") or ""),
        datetime.fromtimestamp(submitted, now.tzinfo) if submitted and 0 < submitted < 2**35 else None,
    )


def event_of(audit: CodeAudit, *, account: str, now: datetime) -> NewEvent:
    """Make the event that WeChat would have pushed, marked `polled`; the same for the same result."""
    name, moment = EVENTS[audit.state]
    seconds = str(int((audit.checked_at or now).timestamp()))
    fields = {
        "ToUserName": account,
        "FromUserName": "",
        "CreateTime": seconds,
        "MsgType": "event",
        "Event": name,
        moment: seconds,
        "auditid": audit.audit_id,
        "polled": "1",
    }
    if audit.state is not AuditState.PASSED:
        fields["Reason"] = audit.reason
    if audit.state is AuditState.REJECTED:
        fields["ScreenShot"] = audit.screenshot
    parts = ("polled audit", audit.platform, audit.appid, audit.audit_id, audit.state.value)
    key = sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
    return NewEvent(
        dedup_key=key,
        issuer=audit.platform,
        appid=audit.appid,
        kind=EventKind.EVENT,
        name=name,
        openid="",
        msg_id=None,
        created_at=int(seconds),
        received_at=now,
        source_ip="",
        fields=fields,
        message_key=key,
    )


def _number(value: object) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None
