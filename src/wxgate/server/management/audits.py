"""Audits of mini programs' code over HTTP: how they stand, and one more to be watched."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.custody.clients import Labels
from wxgate.events.audit_records import AuditSource, AuditState, CodeAudit
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_account
from wxgate.server.node import Node


class AuditOut(BaseModel):
    """The audit of one submitted version."""

    appid: str
    audit_id: str
    platform: str
    submitted_at: datetime
    state: AuditState
    source: AuditSource = Field(description="How that became known: noted, by a push, or by asking (poll).")
    reason: str
    screenshot: str = Field(description="The media ids of the auditor's screenshots, with | between them.")
    checked_at: datetime | None
    next_check_at: datetime | None = Field(description="When WeChat is asked next, if no push comes before.")


class WatchIn(Given):
    """An audit that was submitted without this gateway; without an id it is the newest one."""

    audit_id: str | None = Field(None, pattern=r"^\d{1,20}$")
    platform: str | None = Field(None, description="Which platform may ask, where several may.")


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["audits"])

    @router.get("/audits")
    async def list_audits(
        caller: Caller, appid: str | None = None, state: AuditState | None = None
    ) -> list[AuditOut]:
        """List the newest audits of code that the key reaches, newest first."""
        labels = await node.store.labels.list()

        def reached(one: CodeAudit) -> bool:
            tags = labels.get(one.appid, Labels()).tags
            return caller.reach.has_issuer(one.platform) and caller.reach.has_account(one.appid, tags)

        found = await node.code_audits.find(appid=appid, state=state, keep=reached)
        return [_described(one) for one in found]

    @router.post("/accounts/{appid}/audits", status_code=201)
    async def watch_audit(caller: Caller, appid: str, wanted: WatchIn) -> AuditOut:
        """Watch an audit that was submitted elsewhere: its result becomes an event, pushed or asked for."""
        await need_account(node, caller, appid, wanted.platform)
        platform = wanted.platform or await node.calls.acting_platform(appid)
        await need_account(node, caller, appid, platform)
        return _described(await node.code_audits.watch(platform, appid, wanted.audit_id))

    return router


def _described(audit: CodeAudit) -> AuditOut:
    """Describe an audit."""
    return AuditOut(
        appid=audit.appid,
        audit_id=audit.audit_id,
        platform=audit.platform,
        submitted_at=audit.submitted_at,
        state=audit.state,
        source=audit.source,
        reason=audit.reason,
        screenshot=audit.screenshot,
        checked_at=audit.checked_at,
        next_check_at=audit.next_check_at,
    )
