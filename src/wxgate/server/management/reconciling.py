"""Reconciling over HTTP: WeChat's list of authorised accounts against ours, now or as it was last time."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.custody.reconcile import FindingKind, Outcome
from wxgate.errors import NotFound
from wxgate.server.management.scope import Caller, need_platform
from wxgate.server.node import Node


class FindingOut(BaseModel):
    """One difference, and what was done about it."""

    appid: str
    kind: FindingKind
    outcome: Outcome
    detail: str


class ReconcileOut(BaseModel):
    """What came of comparing one platform's authorizations with WeChat's list."""

    platform: str
    dry_run: bool
    began_at: datetime
    done_at: datetime
    listed: int = Field(description="How many accounts WeChat lists, without its own test accounts.")
    held: int = Field(description="How many were authorised here before, revoked ones not counted.")
    tests: int = Field(description="How many of WeChat's test accounts were listed and left out.")
    counts: dict[FindingKind, int]
    findings: list[FindingOut]
    findings_left_out: int = Field(description="How many more there were than are kept.")


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["platforms"])

    @router.post("/platforms/{platform}/reconcile")
    async def reconcile(caller: Caller, platform: str, dry_run: bool = False) -> ReconcileOut:
        """Compare with WeChat's list now and mend what is safe; a dry run changes nothing.

        Answers when it is done, which takes a while for thousands of accounts. While it runs somewhere,
        another one is refused with 409 `already_running`; so is a second dry run on the same node.
        """
        need_platform(caller, platform)
        report = await node.reconciler.reconcile(platform, dry_run=dry_run)
        return ReconcileOut.model_validate(report.as_document())

    @router.get("/platforms/{platform}/reconcile")
    async def last_reconcile(caller: Caller, platform: str) -> ReconcileOut:
        """Show what came of the last time, whichever node did it."""
        need_platform(caller, platform)
        await node.registry.require_platform(platform)
        last = await node.reconciler.last(platform)
        if last is None:
            raise NotFound(f"platform {platform} was not reconciled yet")
        return ReconcileOut.model_validate(last)

    return router
