"""Relying parties over HTTP: the applications that log people in through a realm."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.login.describing import describe_client
from wxgate.login.records import SessionLimits
from wxgate.login.registration import NewClient
from wxgate.server.management.given import Given
from wxgate.server.management.login.realms import LimitsIn, LimitsOut
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node


class LoginClientOut(BaseModel):
    """A relying party, without its secret: only a fingerprint of it is kept."""

    client_id: str
    realm: str
    name: str
    public: bool = Field(description="It can keep no secret, and uses PKCE in its place.")
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    pairwise: bool
    sector: str
    grants: list[str]
    scopes: list[str]
    require_pkce: bool
    algorithm: str
    limits: LimitsOut | None
    disabled_at: datetime | None
    created_at: datetime


class SecretLoginClientOut(LoginClientOut):
    """A relying party with the secret it has from now on; it is shown this once."""

    client_secret: str | None = None


class LoginClientChange(Given):
    """What is to be different; what is left out stays."""

    name: str | None = None
    redirect_uris: tuple[str, ...] | None = Field(None, description="Compared exactly; https, or localhost.")
    post_logout_redirect_uris: tuple[str, ...] | None = None
    backchannel_logout_uri: str | None = Field(None, description="Empty for none.")
    pairwise: bool | None = Field(None, description="Give it another `sub` for a person than others get.")
    sector: str | None = Field(None, description="Clients of one sector get the same pairwise subjects.")
    grants: frozenset[str] | None = None
    scopes: frozenset[str] | None = Field(None, description="What it may ask for, such as `wechat`.")
    require_pkce: bool | None = None
    algorithm: str | None = Field(None, description="RS256 or ES256.")
    limits: LimitsIn | None = None

    def given(self, before: SessionLimits) -> dict[str, object]:
        """List what is given; what is left out of the limits is as `before`."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "limits"}
        given = {name: value for name, value in fields.items() if value is not None}
        if self.limits is not None:
            given["limits"] = self.limits.over(before)
        return given


class LoginClientEdit(LoginClientChange):
    """What is to be different; a client that is disabled is turned away until it is enabled again."""

    disabled: bool | None = None


class LoginClientIn(LoginClientChange):
    """A relying party to be."""

    name: str
    public: bool = False


def add_routes(router: APIRouter, node: Node) -> None:
    """Add the routes."""

    @router.get("/clients")
    async def list_login_clients(caller: Caller, realm: str | None = None) -> list[LoginClientOut]:
        """List the relying parties, of one realm or of all."""
        need_everything(caller)
        return [
            LoginClientOut(**describe_client(one)) for one in await node.login.configuration.clients(realm)
        ]

    @router.post("/realms/{realm}/clients", status_code=201)
    async def add_login_client(caller: Caller, realm: str, wanted: LoginClientIn) -> SecretLoginClientOut:
        """Make a relying party; the answer is the only place where its secret is shown."""
        need_everything(caller)
        before = (await node.login.configuration.require_realm(realm)).limits
        new = NewClient(**wanted.given(before))  # type: ignore[arg-type]  # fields of the same names
        client, secret = await node.login.configuration.add_client(realm, new)
        return SecretLoginClientOut(
            **describe_client(client), client_secret=secret.reveal() if secret else None
        )

    @router.get("/clients/{client}")
    async def show_login_client(caller: Caller, client: str) -> LoginClientOut:
        """Show a relying party, named by its id, or by its name where only one has that."""
        need_everything(caller)
        return LoginClientOut(**describe_client(await node.login.configuration.require_client(client)))

    @router.patch("/clients/{client}")
    async def change_login_client(caller: Caller, client: str, wanted: LoginClientEdit) -> LoginClientOut:
        """Change what is given of a relying party and leave the rest."""
        need_everything(caller)
        found = await node.login.configuration.require_client(client)
        limits = found.limits or (await node.login.configuration.require_realm(found.realm)).limits
        changed = await node.login.configuration.change_client(found.id, **wanted.given(limits))
        return LoginClientOut(**describe_client(changed))

    @router.post("/clients/{client}/rotate-secret")
    async def rotate_login_client_secret(caller: Caller, client: str) -> SecretLoginClientOut:
        """Give a relying party a new secret, shown this once; the one before is refused from now on."""
        need_everything(caller)
        changed, secret = await node.login.configuration.rotate_secret(client)
        return SecretLoginClientOut(**describe_client(changed), client_secret=secret.reveal())

    @router.delete("/clients/{client}")
    async def remove_login_client(caller: Caller, client: str) -> LoginClientOut:
        """Remove a relying party with its codes and tokens."""
        need_everything(caller)
        return LoginClientOut(**describe_client(await node.login.configuration.remove_client(client)))
