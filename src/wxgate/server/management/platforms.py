"""Platforms over HTTP: how they stand, their credentials, links for merchants, and their list at WeChat."""

from dataclasses import asdict
from datetime import datetime, timedelta

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.custody.records import AuthorizationState, LinkChoices, Platform
from wxgate.events.release_test import ReleaseStep
from wxgate.server.management.given import Given
from wxgate.server.management.keys import KeysOut, keys_out
from wxgate.server.management.scope import Caller, need_platform
from wxgate.server.node import Node
from wxgate.server.overview import platform_status


class TicketOut(BaseModel):
    """The newest component_verify_ticket, by its age."""

    health: str
    age_seconds: int | None


class PlatformOut(BaseModel):
    """A platform: what WeChat's console asks for, and how it stands."""

    appid: str
    name: str
    events_url: str
    messages_url: str
    authorize_url: str
    tokens: int = Field(description="How many push tokens are good: the current one, and the one before.")
    aes_keys: int = Field(description="The same of AES keys.")
    keys: KeysOut
    ticket: TicketOut
    component_token_expires_at: datetime | None
    authorizations: dict[str, int] = Field(description="How many authorizations are in which state.")
    created_at: datetime


class InviteIn(Given):
    """A link for one merchant, bound to a reference of your own."""

    reference: str = Field(min_length=1, max_length=1000)
    auth_type: int = 3
    biz_appid: str | None = None
    category_ids: tuple[int, ...] = ()
    days: int | None = Field(None, ge=1, le=3650)
    uses: int = Field(1, ge=0, le=1_000_000)
    return_url: str | None = None


class InviteOut(BaseModel):
    """The link, and how long and how often it is good."""

    url: str
    id: str
    reference: str
    expires_at: datetime
    uses: int


class LackingOut(BaseModel):
    """An account that lacks a permission set; `was_granted` where it had it once."""

    appid: str
    name: str
    kind: str
    state: AuthorizationState
    reference: str
    was_granted: bool
    link: str = Field(description="Where the merchant authorises again.")


class MissingOut(BaseModel):
    """Who lacks one permission set, of the accounts it is for; `unsuited` counts those of other kinds."""

    platform: str
    set_id: int
    set_name: str
    set_name_zh: str
    live: int
    unsuited: int
    lacking: list[LackingOut]


class ReleaseStepOut(BaseModel):
    """One step of WeChat's release test; `ok` is null while a code is being exchanged."""

    step: ReleaseStep
    at: datetime
    ok: bool | None
    received: str
    answered: str
    reason: str
    reason_zh: str


class ReleaseRunOut(BaseModel):
    """One run of WeChat's release test with one of its accounts."""

    platform: str
    appid: str
    ok: bool | None
    steps: list[ReleaseStepOut]


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["platforms"])

    @router.get("/platforms")
    async def list_platforms(caller: Caller) -> list[PlatformOut]:
        """List the platforms the key reaches."""
        return [
            await _described(node, one)
            for one in await node.store.platforms.list_platforms()
            if caller.reach.has_issuer(one.appid) and not caller.reach.names_accounts
        ]

    @router.get("/platforms/{platform}")
    async def show_platform(caller: Caller, platform: str) -> PlatformOut:
        """Show a platform."""
        need_platform(caller, platform)
        return await _described(node, await node.registry.require_platform(platform))

    @router.post("/platforms/{platform}/invites", status_code=201)
    async def make_invite(caller: Caller, platform: str, wanted: InviteIn) -> InviteOut:
        """Make a link with which a merchant authorises the platform."""
        need_platform(caller, platform)
        await node.registry.require_platform(platform)
        made, link = await node.links.invite(
            platform,
            reference=wanted.reference,
            choices=LinkChoices(wanted.auth_type, wanted.biz_appid, wanted.category_ids),
            valid_for=timedelta(days=wanted.days or node.settings.invite_days),
            max_uses=wanted.uses,
            return_url=wanted.return_url,
        )
        return InviteOut(
            url=link, id=made.id, reference=made.reference, expires_at=made.expires_at, uses=made.max_uses
        )

    @router.get("/platforms/{platform}/missing-permission/{set_id}")
    async def list_missing_permission(caller: Caller, platform: str, set_id: int) -> MissingOut:
        """List who must authorise again after a permission set was added, with a link each."""
        need_platform(caller, platform)
        report = await node.missing.report(platform, set_id)
        return MissingOut.model_validate(asdict(report))

    @router.get("/platforms/{platform}/release-tests")
    async def list_release_tests(caller: Caller, platform: str) -> list[ReleaseRunOut]:
        """List how WeChat's release tests (全网发布检测) of a platform went, the newest first."""
        need_platform(caller, platform)
        await node.registry.require_platform(platform)
        runs = await node.release_testing.runs(platform)
        return [ReleaseRunOut.model_validate(run.as_document()) for run in runs]

    return router


async def _described(node: Node, platform: Platform) -> PlatformOut:
    base, status = node.settings.public_base_url, await platform_status(node, platform)
    age = status.ticket.age
    return PlatformOut(
        appid=platform.appid,
        name=platform.name,
        events_url=f"{base}/wechat/{platform.appid}/events",
        messages_url=f"{base}/wechat/{platform.appid}/messages/$APPID$",
        authorize_url=f"{base}/authorize/{platform.appid}",
        tokens=len(platform.push.tokens),
        aes_keys=len(platform.push.aes_keys),
        keys=await keys_out(node, platform),
        ticket=TicketOut(
            health=status.ticket.health, age_seconds=None if age is None else round(age.total_seconds())
        ),
        component_token_expires_at=status.token.expires_at if status.token else None,
        authorizations=dict(status.authorizations),
        created_at=platform.created_at,
    )
