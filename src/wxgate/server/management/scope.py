"""What a key with the scope `manage` may reach."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from wxgate.custody.clients import Client, ClientScope
from wxgate.custody.targets import require_platform
from wxgate.errors import BadRequest, ScopeMissing
from wxgate.server.node import Node
from wxgate.server.requests import check_appid


def calling(request: Request) -> Client:
    """Return the client that the door admitted."""
    client = request.scope["state"]["client"]
    assert isinstance(client, Client)
    return client


NOTHING = (b"", b"{}", b"null")
"""What callers' libraries send where nothing is to be sent."""


async def check_given(request: Request) -> None:
    """Refuse what a route does not take: a `dry_run` in the wrong place must not be a real run."""
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    if unknown := sorted(request.query_params.keys() - known):
        there = f"there are {', '.join(sorted(known))}" if known else "it takes none"
        raise BadRequest(f"{unknown[0]} is no parameter of this; {there}")
    takes_body = route.body_field is not None or route.openapi_extra
    if not takes_body and (await request.body()).strip() not in NOTHING:
        raise BadRequest("this takes no body; what it takes stands in the query")


Caller = Annotated[Client, Depends(calling)]


def need_everything(client: Client) -> None:
    """Raise ScopeMissing unless the key may manage whatever there is: what follows touches all of it."""
    if not client.reach.is_everything:
        raise ScopeMissing(
            "this key is for some platforms or accounts; what it asks for concerns all of them",
            missing="everything",
        )


def need_platform(client: Client, platform: str) -> None:
    """Raise ScopeMissing unless the key may manage a whole platform."""
    check_appid(platform)
    require_platform(client, ClientScope.MANAGE, platform)


async def need_account(node: Node, client: Client, appid: str, issuer: str | None = None) -> None:
    """Raise ScopeMissing unless the key may manage an account, through one issuer where it is named."""
    check_appid(appid)
    node.admission.require(client, ClientScope.MANAGE, await node.targets.find(appid), issuer=issuer)


def need_manage(client: Client) -> None:
    """Raise ScopeMissing unless the key may manage anything."""
    if ClientScope.MANAGE not in client.scopes:
        raise ScopeMissing(
            f"this key lacks the scope {ClientScope.MANAGE}", missing=f"kind:{ClientScope.MANAGE}"
        )
