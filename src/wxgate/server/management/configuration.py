"""What an operator configures, over HTTP: platforms, direct accounts, their secrets and keys, whole files.

Secrets go in and never come out; what changed is told, and of a secret only that it changed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NoReturn

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, SecretStr

from wxgate.custody.changes import Outcome
from wxgate.custody.credentials import KEPT, check_aes_key, check_appid, check_secret, check_token
from wxgate.custody.declared import Declaration, Declared, read_declaration
from wxgate.custody.edits import Effect, Kind
from wxgate.errors import BadRequest, ConfigError
from wxgate.protocol.envelope import Format, Mode
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_account, need_everything, need_platform
from wxgate.server.node import Node

YAML_BODY = {
    "requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}
}


class PlatformIn(Given):
    """What is to be kept of a platform; what is left out stays, and a new one needs all but the name."""

    name: str | None = Field(None, min_length=1, max_length=200)
    secret: SecretStr | None = None
    tokens: tuple[SecretStr, ...] = Field((), max_length=KEPT, description="Push tokens, current first.")
    aes_keys: tuple[SecretStr, ...] = Field((), max_length=KEPT, description="AES keys, current first.")


class DirectIn(PlatformIn):
    """What is to be kept of a direct account."""

    mode: Mode | None = None
    format: Format | None = None
    user_name: str | None = Field(None, max_length=64)


class RetireIn(Given):
    """Which previous values are dropped."""

    token: bool = False
    aes_key: bool = False
    even_if_used: bool = Field(False, description="Also one that WeChat used in the last day.")


class ChangeOut(BaseModel):
    """What became of one record; of a secret only that it changed."""

    kind: Kind
    appid: str
    effect: Effect
    fields: dict[str, Any]


class RenewalOut(BaseModel):
    """What came of trying a new AppSecret; `trouble` is empty when WeChat takes it."""

    appid: str
    trouble: str


class OutcomeOut(BaseModel):
    """What a request changed, or would change in a dry run."""

    dry_run: bool
    changes: list[ChangeOut]
    renewals: list[RenewalOut]


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["configuration"])

    @router.put("/platforms/{platform}")
    async def put_platform(caller: Caller, platform: str, given: PlatformIn) -> OutcomeOut:
        """Add a platform, or change what is given of one; a new token or key leaves the last one good."""
        need_platform(caller, platform)
        declared = Declared(check_appid(platform), 1, **_checked(given))
        return _told(await node.configuration.apply(Declaration("body", platforms=(declared,))))

    @router.post("/platforms/{platform}/retire")
    async def retire_platform_keys(caller: Caller, platform: str, given: RetireIn) -> OutcomeOut:
        """Drop a platform's previous push token or AES key: what comes with it is refused from now on."""
        need_platform(caller, platform)
        return await _retire(node, Kind.PLATFORM, platform, given)

    @router.delete("/platforms/{platform}")
    async def remove_platform(caller: Caller, platform: str, even_if_live: bool = False) -> OutcomeOut:
        """Remove a platform with its tickets and tokens; authorizations, their history and events stay."""
        need_platform(caller, platform)
        return _told(await node.configuration.remove(Kind.PLATFORM, platform, even_if_live=even_if_live))

    @router.put("/direct-accounts/{appid}")
    async def put_direct(caller: Caller, appid: str, given: DirectIn) -> OutcomeOut:
        """Add a direct account, or change what is given of one."""
        await need_account(node, caller, appid, DIRECT_ISSUER)
        own: dict[str, Any] = {"mode": given.mode, "format": given.format, "user_name": given.user_name}
        declared = Declared(check_appid(appid), 1, **_checked(given), **own)
        return _told(await node.configuration.apply(Declaration("body", accounts=(declared,))))

    @router.post("/direct-accounts/{appid}/retire")
    async def retire_direct_keys(caller: Caller, appid: str, given: RetireIn) -> OutcomeOut:
        """Drop a direct account's previous push token or AES key."""
        await need_account(node, caller, appid, DIRECT_ISSUER)
        return await _retire(node, Kind.ACCOUNT, appid, given)

    @router.delete("/direct-accounts/{appid}")
    async def remove_direct(caller: Caller, appid: str) -> OutcomeOut:
        """Remove a direct account with its tokens."""
        await need_account(node, caller, appid, DIRECT_ISSUER)
        return _told(await node.configuration.remove(Kind.ACCOUNT, appid))

    @router.post("/apply", openapi_extra=YAML_BODY)
    async def apply(caller: Caller, request: Request, dry_run: bool = False) -> OutcomeOut:
        """Make platforms, direct accounts and labels as a YAML file declares them: all of it, or nothing."""
        need_everything(caller)
        try:
            text = (await request.body()).decode()
        except UnicodeDecodeError:
            raise BadRequest("the body must be YAML in UTF-8") from None
        # In a thread: a large file takes seconds to read, and tokens are handed out meanwhile.
        declaration = await asyncio.to_thread(read_declaration, text, _no_references, name="body")
        return _told(await node.configuration.apply(declaration, dry_run=dry_run))

    return router


def _no_references(reference: str) -> NoReturn:
    # They would read this server's environment and files for somebody who only has a key.
    raise ConfigError("${NAME} and file: are looked up by `wxgate apply` only; write the value itself")


def _checked(given: PlatformIn) -> dict[str, Any]:
    return {
        "name": given.name,
        "secret": check_secret(given.secret.get_secret_value()) if given.secret else None,
        "tokens": _each(given.tokens, check_token),
        "aes_keys": _each(given.aes_keys, check_aes_key),
    }


def _each(given: tuple[SecretStr, ...], check: Callable[[str], Any]) -> tuple[Any, ...]:
    return tuple(check(one.get_secret_value()) for one in given)


async def _retire(node: Node, kind: Kind, appid: str, given: RetireIn) -> OutcomeOut:
    if not given.token and not given.aes_key:
        raise BadRequest('say what: {"token": true}, {"aes_key": true}, or both')
    outcome = await node.configuration.retire(
        kind, appid, token=given.token, aes_key=given.aes_key, even_if_used=given.even_if_used
    )
    return _told(outcome)


def _told(outcome: Outcome) -> OutcomeOut:
    return OutcomeOut(
        dry_run=outcome.dry_run,
        changes=[
            ChangeOut(
                kind=one.kind,
                appid=one.appid,
                effect=one.effect,
                fields={
                    name: "changed" if pair is None else {"before": pair[0], "after": pair[1]}
                    for name, pair in one.fields.items()
                },
            )
            for one in outcome.differences
        ],
        renewals=[RenewalOut(**asdict(one)) for one in outcome.renewals],
    )
