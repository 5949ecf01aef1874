"""Quotas over HTTP: how many calls are left, and the clearings that make the counts begin anew."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel

from wxgate.client.quota import Reading
from wxgate.custody.clients import ClientScope
from wxgate.custody.quota import Cleared, QuotaReport, Unread
from wxgate.custody.records import ClearWay
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.custody.targets import choose_issuer
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey, TokenKind
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_platform
from wxgate.server.node import Node
from wxgate.server.requests import check_appid

Paths = Annotated[
    tuple[str, ...], Query(alias="path", max_length=20, description="API paths; without one the usual ones.")
]


class ClearsOut(BaseModel):
    """How many clearings of this month are used and left."""

    used: int
    left: int
    renews_at: datetime


class QuotaOut(BaseModel):
    """How an appid's quotas stand; a path WeChat tells nothing of has `errcode` and `message`."""

    appid: str
    issuer: str
    kind: TokenKind
    paths: list[dict[str, Any]]
    clears: ClearsOut
    resets_at: datetime


class ClearIn(Given):
    """What proves the right to clear: the token, or the AppSecret; without it the token is tried first."""

    by: ClearWay | None = None


Clearing = Annotated[ClearIn, Body(default_factory=ClearIn)]


class ClearedOut(BaseModel):
    """A clearing that WeChat took."""

    appid: str
    by: ClearWay
    clears: ClearsOut


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["quotas"])

    @router.get("/platforms/{platform}/quota")
    async def read_platform_quota(caller: Caller, platform: str, paths: Paths = ()) -> QuotaOut:
        """Tell how many calls a platform has left today."""
        need_platform(caller, platform)
        await node.registry.require_platform(platform)
        return _report(await node.quotas.show(component_key(platform), paths))

    @router.post("/platforms/{platform}/quota/clear")
    async def clear_platform_quota(caller: Caller, platform: str, given: Clearing) -> ClearedOut:
        """Begin a platform's counts anew: ten times a month, WeChat's console and this together."""
        need_platform(caller, platform)
        await node.registry.require_platform(platform)
        return _cleared(await node.quotas.clear(component_key(platform), given.by))

    @router.get("/accounts/{appid}/quota")
    async def read_account_quota(
        caller: Caller,
        appid: str,
        issuer: str | None = None,
        paths: Paths = (),
    ) -> QuotaOut:
        """Tell how many calls an account has left today, for one issuer's token."""
        return _report(await node.quotas.show(await key_of(caller, appid, issuer), paths))

    @router.post("/accounts/{appid}/quota/clear")
    async def clear_account_quota(
        caller: Caller, appid: str, given: Clearing, issuer: str | None = None
    ) -> ClearedOut:
        """Begin an account's counts anew."""
        return _cleared(await node.quotas.clear(await key_of(caller, appid, issuer), given.by))

    async def key_of(caller: Caller, appid: str, issuer: str | None) -> TokenKey:
        target = await node.targets.find(check_appid(appid))
        chosen = choose_issuer(caller, target, issuer, ClientScope.MANAGE)
        return direct_key(appid) if chosen == DIRECT_ISSUER else authorizer_key(chosen, appid)

    return router


def _report(report: QuotaReport) -> QuotaOut:
    key = report.key
    return QuotaOut(
        appid=key.account,
        issuer=key.issuer,
        kind=key.kind,
        paths=[_reading(reading) for reading in report.readings],
        clears=_clears(report),
        resets_at=report.resets_at,
    )


def _reading(reading: Reading | Unread) -> dict[str, Any]:
    told = asdict(reading)
    if isinstance(reading, Reading) and not reading.daily_limit:
        told |= {"daily_limit": None, "remain": None}  # WeChat tells of no limit
    return told


def _cleared(cleared: Cleared) -> ClearedOut:
    return ClearedOut(appid=cleared.key.account, by=cleared.way, clears=_clears(cleared))


def _clears(told: QuotaReport | Cleared) -> ClearsOut:
    return ClearsOut(used=told.clears.used, left=told.clears.left, renews_at=told.clears.renews_at)
