"""The keys that sign ID tokens, over HTTP: never the private half."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from wxgate.login.describing import describe_key
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_everything
from wxgate.server.node import Node


class SigningKeyOut(BaseModel):
    """A key that signs a realm's ID tokens, or will."""

    kid: str
    realm: str
    algorithm: str
    created_at: datetime
    signs_from: datetime


class RotateKeysIn(Given):
    """How the keys of a realm are turned over."""

    at_once: bool = Field(
        False, description="The new keys sign now and the old ones go: for when a key may have leaked."
    )


Rotating = Annotated[RotateKeysIn, Body(default_factory=RotateKeysIn)]


def add_routes(router: APIRouter, node: Node) -> None:
    """Add the routes."""

    @router.get("/realms/{realm}/keys")
    async def list_signing_keys(caller: Caller, realm: str) -> list[SigningKeyOut]:
        """List the keys that are published, and from when each signs."""
        need_everything(caller)
        await node.login.configuration.require_realm(realm)
        return [SigningKeyOut(**describe_key(one)) for one in await node.login.keys.keys(realm)]

    @router.post("/realms/{realm}/keys/rotate")
    async def rotate_signing_keys(caller: Caller, realm: str, given: Rotating) -> list[SigningKeyOut]:
        """Publish new keys, which sign a day later."""
        need_everything(caller)
        await node.login.configuration.require_realm(realm)
        made = await node.login.keys.rotate(realm, at_once=given.at_once)
        return [SigningKeyOut(**describe_key(one)) for one in made]
