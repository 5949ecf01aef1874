"""Realms and their apps over HTTP."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from wxgate.custody.credentials import check_appid, check_secret
from wxgate.login.describing import describe_app, describe_realm
from wxgate.login.records import App, AppKind, Realm, SessionLimits
from wxgate.login.registration import NewApp
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node


class LimitsOut(BaseModel):
    """How long sessions live; `recheck` is when WeChat is silently asked again, in its own browser."""

    idle_seconds: int
    absolute_seconds: int
    recheck_seconds: int


class LimitsIn(Given):
    """How long sessions live; what is left out stays."""

    idle_seconds: int | None = Field(None, ge=60, le=34_560_000)
    absolute_seconds: int | None = Field(None, ge=60, le=34_560_000)
    recheck_seconds: int | None = Field(None, ge=60, le=34_560_000)

    def over(self, before: SessionLimits) -> SessionLimits:
        """Put what is given over what there is."""
        return SessionLimits(
            idle=_seconds(self.idle_seconds, before.idle),
            absolute=_seconds(self.absolute_seconds, before.absolute),
            recheck_after=_seconds(self.recheck_seconds, before.recheck_after),
        )


class RealmOut(BaseModel):
    """Apps that share unionids, and the OpenID issuer of that name."""

    name: str
    title: str
    issuer: str
    silent: bool
    unionid_backfill: bool
    return_to: list[str]
    limits: LimitsOut
    created_at: datetime


class RealmChange(Given):
    """What is to be different; what is left out stays."""

    title: str | None = None
    silent: bool | None = Field(None, description="Without it, even a silent login waits for a tap.")
    unionid_backfill: bool | None = Field(
        None, description="Ask WeChat for the unionid of followers whose login did not tell it."
    )
    return_to: tuple[str, ...] | None = Field(
        None, description="Origins or whole addresses that people may be sent back to."
    )
    limits: LimitsIn | None = None


class RealmIn(RealmChange):
    """A realm to be."""

    name: str


class AppOut(BaseModel):
    """An appid that a realm logs in with, without its secret."""

    name: str
    realm: str
    kind: AppKind
    appid: str
    issuer: str
    title: str
    has_secret: bool = Field(description="Whether its own AppSecret is kept with it.")
    login_url: str
    created_at: datetime


class AppChange(Given):
    """What is to be different of an app; what is left out stays."""

    title: str | None = None
    issuer: str | None = Field(None, description="A platform's appid, or `direct` for its own secret.")
    secret: SecretStr | None = Field(None, description="Its own AppSecret; it is never shown again.")


class AppIn(AppChange):
    """An app to be; kind and issuer are found out where the gateway knows the appid."""

    name: str
    appid: str
    realm: str | None = Field(None, description="Needed where there are several.")
    kind: AppKind | None = None


def add_routes(router: APIRouter, node: Node) -> None:
    """Add the routes."""
    _add_realms(router, node)
    _add_apps(router, node)


def _add_realms(router: APIRouter, node: Node) -> None:
    @router.get("/realms")
    async def list_realms(caller: Caller) -> list[RealmOut]:
        """List the realms."""
        need_everything(caller)
        return [_realm(node, one) for one in await node.login.configuration.realms()]

    @router.post("/realms", status_code=201)
    async def add_realm(caller: Caller, wanted: RealmIn) -> RealmOut:
        """Make a realm."""
        need_everything(caller)
        limits = wanted.limits.over(SessionLimits()) if wanted.limits else None
        added = await node.login.configuration.add_realm(
            wanted.name,
            title=wanted.title,
            silent=wanted.silent is not False,
            unionid_backfill=bool(wanted.unionid_backfill),
            return_to=wanted.return_to or (),
            limits=limits,
        )
        return _realm(node, added)

    @router.get("/realms/{realm}")
    async def show_realm(caller: Caller, realm: str) -> RealmOut:
        """Show a realm."""
        need_everything(caller)
        return _realm(node, await node.login.configuration.require_realm(realm))

    @router.patch("/realms/{realm}")
    async def change_realm(caller: Caller, realm: str, wanted: RealmChange) -> RealmOut:
        """Change what is given of a realm and leave the rest; its issuer stays."""
        need_everything(caller)
        given = {
            name: value
            for name in ("title", "silent", "unionid_backfill", "return_to")
            if (value := getattr(wanted, name)) is not None
        }
        if wanted.limits is not None:
            given["limits"] = wanted.limits.over((await node.login.configuration.require_realm(realm)).limits)
        return _realm(node, await node.login.configuration.change_realm(realm, **given))

    @router.delete("/realms/{realm}")
    async def remove_realm(caller: Caller, realm: str, force: bool = False) -> RealmOut:
        """Remove a realm; `force` also one with apps and clients, and then its people are forgotten, too."""
        need_everything(caller)
        return _realm(
            node, await node.login.configuration.remove_realm(realm, force=force, word="?force=true")
        )


def _add_apps(router: APIRouter, node: Node) -> None:
    @router.get("/apps")
    async def list_apps(caller: Caller, realm: str | None = None) -> list[AppOut]:
        """List the apps, of one realm or of all."""
        need_everything(caller)
        return [_app(node, one) for one in await node.login.configuration.apps(realm)]

    @router.post("/apps", status_code=201)
    async def add_app(caller: Caller, wanted: AppIn) -> AppOut:
        """Let a realm log in with an appid; the first app of a gateway makes a realm, too."""
        need_everything(caller)
        new = NewApp(
            name=wanted.name,
            appid=check_appid(wanted.appid),
            realm=wanted.realm,
            kind=wanted.kind,
            issuer=wanted.issuer,
            title=wanted.title,
            secret=check_secret(wanted.secret.get_secret_value()) if wanted.secret else None,
        )
        return _app(node, await node.login.configuration.add_app(new))

    @router.get("/apps/{app}")
    async def show_app(caller: Caller, app: str) -> AppOut:
        """Show an app."""
        need_everything(caller)
        return _app(node, await node.login.configuration.require_app(app))

    @router.patch("/apps/{app}")
    async def change_app(caller: Caller, app: str, wanted: AppChange) -> AppOut:
        """Change what is given of an app and leave the rest; its appid stays."""
        need_everything(caller)
        given = {name: value for name in ("title", "issuer") if (value := getattr(wanted, name)) is not None}
        if wanted.secret is not None:
            given["secret"] = check_secret(wanted.secret.get_secret_value())
        return _app(node, await node.login.configuration.change_app(app, **given))

    @router.delete("/apps/{app}")
    async def remove_app(caller: Caller, app: str) -> AppOut:
        """Remove an app; sessions that came by it stay until they end."""
        need_everything(caller)
        return _app(node, await node.login.configuration.remove_app(app))


def _seconds(given: int | None, before: timedelta) -> timedelta:
    return before if given is None else timedelta(seconds=given)


def _realm(node: Node, realm: Realm) -> RealmOut:
    return RealmOut(**describe_realm(realm, node.settings.public_base_url))


def _app(node: Node, app: App) -> AppOut:
    return AppOut(**describe_app(app, node.settings.public_base_url))
