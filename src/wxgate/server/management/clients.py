"""API keys over HTTP: made, listed, ended, and what was done with them."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from wxgate.custody.clients import AuditLine, Client, ClientScope, Reach, read_networks
from wxgate.custody.issuing import NAME_LIMIT, NewClient
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node


class ClientOut(BaseModel):
    """An API key, without the key: only a digest of it is kept."""

    id: str
    name: str
    scopes: list[ClientScope]
    platforms: list[str]
    accounts: list[str]
    tags: list[str]
    everything: bool
    may_renew: bool
    networks: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewClientOut(ClientOut):
    """An API key just made; `key` is shown this once."""

    key: str


class ClientIn(Given):
    """What an API key is to be; `everything` says that it is meant to be narrowed by nothing."""

    name: str = Field(min_length=1, max_length=NAME_LIMIT)
    scopes: frozenset[ClientScope] = Field(min_length=1)
    platforms: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    everything: bool = False
    may_renew: bool = True
    networks: tuple[str, ...] = ()
    days: int | None = Field(None, ge=1, le=36_500)


class AuditOut(BaseModel):
    """What one key did to one target in the same way within a moment; `count` says how often."""

    first_at: datetime
    last_at: datetime
    client: str
    action: str
    issuer: str
    account: str
    ip: str
    outcome: str
    count: int


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["clients"])

    @router.get("/clients")
    async def list_clients(caller: Caller) -> list[ClientOut]:
        """List the API keys."""
        need_everything(caller)
        return [ClientOut(**_described(one)) for one in await node.clients.list()]

    @router.post("/clients", status_code=201)
    async def add_client(caller: Caller, wanted: ClientIn) -> NewClientOut:
        """Make an API key; the answer is the only place where it is ever shown."""
        need_everything(caller)
        client, key = await node.clients.add(
            NewClient(
                name=wanted.name,
                scopes=wanted.scopes,
                reach=Reach(wanted.platforms, wanted.accounts, wanted.tags),
                everything=wanted.everything,
                may_renew=wanted.may_renew,
                networks=read_networks(wanted.networks),
                valid_for=timedelta(days=wanted.days) if wanted.days else None,
            )
        )
        return NewClientOut(**_described(client), key=key.reveal())

    @router.get("/clients/{client}")
    async def show_client(caller: Caller, client: str) -> ClientOut:
        """Show what an API key may do."""
        need_everything(caller)
        return ClientOut(**_described(await node.clients.require(client)))

    @router.delete("/clients/{client}")
    async def revoke_client(caller: Caller, client: str) -> ClientOut:
        """End an API key for ever; every node knows within seconds."""
        need_everything(caller)
        await node.clients.revoke(client)
        return ClientOut(**_described(await node.clients.require(client)))

    @router.get("/audit")
    async def read_audit(
        caller: Caller,
        client: str | None = None,
        account: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[AuditOut]:
        """List what API keys did, newest first."""
        need_everything(caller)
        await node.audit.flush()
        return [
            _line(one) for one in await node.store.audit.read(client=client, account=account, limit=limit)
        ]

    return router


def _described(client: Client) -> dict[str, Any]:
    reach = client.reach
    return {
        "id": client.id,
        "name": client.name,
        "scopes": sorted(client.scopes),
        "platforms": sorted(reach.platforms),
        "accounts": sorted(reach.accounts),
        "tags": sorted(reach.tags),
        "everything": reach.is_everything,
        "may_renew": client.may_renew,
        "networks": [str(network) for network in client.networks],
        "created_at": client.created_at,
        "expires_at": client.expires_at,
        "revoked_at": client.revoked_at,
        "last_used_at": client.last_used_at,
    }


def _line(line: AuditLine) -> AuditOut:
    return AuditOut(**{name: getattr(line, name) for name in AuditOut.model_fields})
