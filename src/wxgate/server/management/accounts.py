"""Accounts over HTTP: who acts for them, in which state, and what the operator wrote on them."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from wxgate.custody.clients import Client, Labels
from wxgate.custody.credentials import check_appid, check_host, check_tag
from wxgate.custody.records import AccountInfo, Authorization, AuthorizationFilter, AuthorizationState
from wxgate.errors import NotFound
from wxgate.protocol import permissions
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.server.management.given import Given
from wxgate.server.management.keys import KeysOut, keys_out
from wxgate.server.management.scope import Caller, need_account, need_everything
from wxgate.server.node import Node
from wxgate.server.overview import Right, account_infos, rights


class PermissionSetOut(BaseModel):
    """A permission set (权限集)."""

    id: int
    name: str
    name_zh: str


class AuthorizationOut(BaseModel):
    """One platform's right to act for an account."""

    platform: str
    appid: str
    name: str
    kind: str
    state: AuthorizationState
    reason: str
    reference: str
    permission_sets: list[PermissionSetOut]
    has_refresh_token: bool
    authorized_at: datetime
    updated_at: datetime


class RefreshTokenChangeOut(BaseModel):
    """One change of a refresh token: a fingerprint, never the value."""

    at: datetime
    reason: str
    fingerprint: str


class RightOut(AuthorizationOut):
    """An authorization with its token and the history of its refresh token."""

    token_expires_at: datetime | None
    refresh_token_history: list[RefreshTokenChangeOut]


class DirectOut(BaseModel):
    """An account with its own secret here."""

    name: str
    url: str
    mode: str
    format: str
    keys: KeysOut
    created_at: datetime


class LabelsOut(BaseModel):
    """Tags for API keys, and the hosts whose pages the account signs for."""

    tags: list[str]
    hosts: list[str]


class AccountOut(BaseModel):
    """An account with everything that acts for it."""

    appid: str
    name: str
    kind: str
    user_name: str
    principal_name: str
    authorizations: list[RightOut]
    direct: DirectOut | None
    labels: LabelsOut


class LabelsIn(Given):
    """Labels to add and to take away."""

    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()
    add_hosts: frozenset[str] = frozenset()
    remove_hosts: frozenset[str] = frozenset()


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["accounts"])

    @router.get("/authorizations")
    async def list_authorizations(
        caller: Caller,
        platform: str | None = None,
        appid: str | None = None,
        state: AuthorizationState | None = None,
    ) -> list[AuthorizationOut]:
        """List the authorizations the key reaches."""
        wanted = AuthorizationFilter(platform, appid, frozenset({state} if state else ()))
        found, infos = await node.authorizations.find(wanted), await account_infos(node)
        labels = await node.store.labels.list()
        return [
            AuthorizationOut(**_described(one, infos.get(one.appid)))
            for one in found
            if _reaches(caller, one, labels.get(one.appid, Labels()))
        ]

    @router.get("/accounts/{appid}")
    async def show_account(caller: Caller, appid: str) -> AccountOut:
        """Show an account."""
        await need_account(node, caller, appid)
        return await _account(node, caller, appid)

    @router.post("/accounts/{appid}/labels")
    async def label_account(caller: Caller, appid: str, wanted: LabelsIn) -> LabelsOut:
        """Add tags and hosts to an account, and take some away.

        Tags say what other keys reach, so this needs a key for everything.
        """
        need_everything(caller)
        check_appid(appid)
        tags, hosts = map(check_tag, wanted.add_tags), map(check_host, wanted.add_hosts)
        kept = await node.store.labels.change(
            appid,
            add=Labels(frozenset(tags), frozenset(hosts)),
            remove=Labels(wanted.remove_tags, wanted.remove_hosts),
        )
        node.targets.forget(appid)
        return _labels(kept)

    return router


def _reaches(client: Client, one: Authorization, labels: Labels) -> bool:
    return client.reach.has_issuer(one.platform) and client.reach.has_account(one.appid, labels.tags)


async def _account(node: Node, client: Client, appid: str) -> AccountOut:
    held = [one for one in await rights(node, appid) if client.reach.has_issuer(one.authorization.platform)]
    direct = None
    if client.reach.has_issuer(DIRECT_ISSUER):
        direct = await node.store.platforms.load_direct(appid)
    if not held and direct is None:
        raise NotFound(f"no account {appid} here: it has authorised no platform, and is no direct account")
    info = await node.accounts.load(appid)
    return AccountOut(
        appid=appid,
        name=info.nick_name if info else "",
        kind=info.kind if info else "",
        user_name=info.user_name if info else "",
        principal_name=info.principal_name if info else "",
        authorizations=[_right(one, info) for one in held],
        direct=DirectOut(
            name=direct.name,
            url=f"{node.settings.public_base_url}/wechat/direct/{appid}",
            mode=direct.mode,
            format=direct.format,
            keys=await keys_out(node, direct),
            created_at=direct.created_at,
        )
        if direct
        else None,
        labels=_labels(await node.store.labels.load(appid)),
    )


def _right(right: Right, info: AccountInfo | None) -> RightOut:
    return RightOut(
        **_described(right.authorization, info),
        token_expires_at=right.token.expires_at if right.token else None,
        refresh_token_history=[
            RefreshTokenChangeOut(at=one.at, reason=one.reason, fingerprint=one.fingerprint)
            for one in right.history
        ],
    )


def _described(one: Authorization, info: AccountInfo | None) -> dict[str, Any]:
    return {
        "platform": one.platform,
        "appid": one.appid,
        "name": info.nick_name if info else "",
        "kind": info.kind if info else "",
        "state": one.state,
        "reason": one.reason,
        "reference": one.reference,
        "permission_sets": [
            PermissionSetOut(id=id, name=permissions.name(id), name_zh=permissions.name(id, "zh"))
            for id in one.func_ids
        ],
        "has_refresh_token": one.refresh_token is not None,
        "authorized_at": one.authorized_at,
        "updated_at": one.updated_at,
    }


def _labels(labels: Labels) -> LabelsOut:
    return LabelsOut(tags=sorted(labels.tags), hosts=sorted(labels.hosts))
