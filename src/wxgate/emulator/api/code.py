"""The code API of mini programs, as far as audits go: submit, ask, take back (代码管理)."""

from collections.abc import Mapping

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.component import OK
from wxgate.emulator.api.gate import BUSINESS, Route, route
from wxgate.emulator.world import World, refusal
from wxgate.emulator.world.audits import AuditStatus, CodeAudit


def _submit(world: World, call: Call) -> Json:
    _from_a_platform(call)
    items = call.data.get("item_list", [])
    if not isinstance(items, list) or len(items) > 5:
        raise refusal(85006)
    audit = world.audits.submit(call.issued.appid, call.text("version_desc"))
    return {**OK, "auditid": audit.id}


def _status(world: World, call: Call) -> Json:
    _from_a_platform(call)
    id = call.data.get("auditid")
    if not isinstance(id, int):
        raise refusal(85012)
    return {**OK, **_told(world.audits.get(call.issued.appid, id), "screenshot")}


def _latest(world: World, call: Call) -> Json:
    _from_a_platform(call)
    audit = world.audits.latest(call.issued.appid)
    if audit is None:
        raise refusal(85058)
    return {
        **OK,
        "auditid": str(audit.id),  # a text here and a number above, as in WeChat's samples
        **_told(audit, "ScreenShot"),
        "user_version": audit.user_version,
        "user_desc": audit.user_desc,
        "submit_audit_time": audit.submitted_at,
    }


def _undo(world: World, call: Call) -> Json:
    _from_a_platform(call)
    world.audits.undo(call.issued.appid)
    return {**OK}


def _told(audit: CodeAudit, screenshot: str) -> Json:
    told: Json = {"status": int(audit.status)}
    if audit.status in (AuditStatus.REJECTED, AuditStatus.DELAYED):
        told["reason"] = audit.reason
    if audit.status is AuditStatus.REJECTED:
        told[screenshot] = audit.screenshot
    return told


def _from_a_platform(call: Call) -> None:
    if call.issued.platform is None:
        raise refusal(86000)


ROUTES: Mapping[str, Route] = {
    "/wxa/submit_audit": route("POST", BUSINESS, _submit),
    "/wxa/get_auditstatus": route("POST", BUSINESS, _status),
    "/wxa/get_latest_auditstatus": route("GET", BUSINESS, _latest),
    "/wxa/undocodeaudit": route("GET", BUSINESS, _undo),
}
