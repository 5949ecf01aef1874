"""Tokens for other systems: read from memory, waited for, and reported when WeChat refuses them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from wxgate.custody.clients import Client, ClientScope
from wxgate.custody.jsapi import account_key
from wxgate.custody.records import KeptToken
from wxgate.custody.sources import component_key
from wxgate.custody.targets import choose_issuer, require_platform
from wxgate.errors import BadRequest, RenewalNotAllowed, TooManyAttempts
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.secret import AccessToken
from wxgate.server.node import Node
from wxgate.server.rendering import Renderings, described, seconds_left
from wxgate.server.requests import Answer, Asked

MOST_WAITING = 5000
MOST_WAITING_EACH = 200
"""Long polls at once on one node, and those of one key."""

Endpoint: TypeAlias = Callable[[Client, Asked], Awaitable[Answer]]


class Gone(Exception):
    """The caller has hung up; there is nobody to answer."""


class TokenApi:
    """Answers for access tokens of accounts and platforms, and for tickets."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rendered = Renderings()
        self._waiting = 0
        self._waiting_of = Counter[str]()

    async def read_account(self, client: Client, asked: Asked) -> Answer:
        """Answer with an account's access token."""

        async def choose(client: Client) -> TokenKey:
            return await self._account_key(client, asked)

        return await self._read(client, asked, choose)

    async def read_jsapi_ticket(self, client: Client, asked: Asked) -> Answer:
        """Answer with the ticket that signs an account's pages."""
        return await self._read_ticket(client, asked, ClientScope.JSAPI_TICKET, TokenKind.JSAPI_TICKET)

    async def read_card_ticket(self, client: Client, asked: Asked) -> Answer:
        """Answer with the ticket that signs an account's cards."""
        return await self._read_ticket(client, asked, ClientScope.WX_CARD, TokenKind.WX_CARD)

    async def read_platform(self, client: Client, asked: Asked) -> Answer:
        """Answer with a platform's component access token."""

        async def choose(client: Client) -> TokenKey:
            return await self._platform_key(client, asked, ClientScope.COMPONENT)

        return await self._read(client, asked, choose)

    async def report_account(self, client: Client, asked: Asked) -> Answer:
        """Take an account's token that WeChat refused as proof that it must be renewed."""
        return await self._report(await self._account_key(client, asked, ClientScope.REPORT), asked)

    async def report_platform(self, client: Client, asked: Asked) -> Answer:
        """Take a platform's token that WeChat refused as proof that it must be renewed."""
        return await self._report(await self._platform_key(client, asked, ClientScope.REPORT), asked)

    async def account_ticket(
        self, client: Client, asked: Asked, scope: ClientScope, kind: TokenKind
    ) -> KeptToken:
        """Return the ticket of an account for a client that may have what is signed with it."""
        return await self._kept(client, await self._account_key(client, asked, scope, kind))

    async def _read_ticket(self, client: Client, asked: Asked, scope: ClientScope, kind: TokenKind) -> Answer:
        async def choose(client: Client) -> TokenKey:
            return await self._account_key(client, asked, scope, kind)

        return await self._read(client, asked, choose)

    async def _account_key(
        self,
        client: Client,
        asked: Asked,
        scope: ClientScope | None = None,
        kind: TokenKind | None = None,
    ) -> TokenKey:
        target = await self._node.targets.find(asked.subject)
        asked.issuer = choose_issuer(client, target, asked.issuer_asked(), scope)
        return account_key(asked.issuer, target.appid, kind)

    async def _platform_key(self, client: Client, asked: Asked, scope: ClientScope) -> TokenKey:
        require_platform(client, scope, asked.subject)
        await self._node.targets.require_platform(asked.subject)
        asked.issuer = asked.subject
        return component_key(asked.subject)

    async def _read(
        self, client: Client, asked: Asked, choose: Callable[[Client], Awaitable[TokenKey]]
    ) -> Answer:
        known, seconds = asked.header(b"if-none-match"), asked.wait()
        rendered = self._rendered.of(await self._kept(client, await choose(client)))
        if known is not None and seconds and _names(known, rendered.tag):
            await self._wait_for_change(client, asked, rendered.kept, seconds)
            # Much may have happened meanwhile: the key may be revoked, the authorization withdrawn.
            client = await self._node.admission.admit(asked.bearer(), asked.ip)
            rendered = self._rendered.of(await self._kept(client, await choose(client)))
        if known is not None and _names(known, rendered.tag):
            return Answer(b"", rendered.headers, 304, "not_modified")
        return Answer(rendered.body(self._node.clock.now()), rendered.headers)

    async def _kept(self, client: Client, key: TokenKey) -> KeptToken:
        if client.may_renew:
            return await self._node.keeper.get(key)
        kept = await self._node.keeper.current(key)
        if kept is None:
            raise RenewalNotAllowed(
                f"there is no current {key.kind} token of {key.account}, and this key is read-only"
            )
        return kept

    async def _wait_for_change(self, client: Client, asked: Asked, kept: KeptToken, seconds: float) -> None:
        if self._waiting_of[client.id] >= MOST_WAITING_EACH:
            raise TooManyAttempts(
                f"{MOST_WAITING_EACH} requests of this key are waiting on this node already", retry_after=5
            )
        if self._waiting >= MOST_WAITING:
            raise TooManyAttempts("too many requests of all keys are waiting on this node", retry_after=5)
        self._waiting += 1
        self._waiting_of[client.id] += 1
        change = asyncio.create_task(
            self._node.keeper.wait_for_change(kept.key, kept.version, seconds), name="wait for a token"
        )
        hung_up = asyncio.create_task(_hung_up(asked), name="watch the caller")
        try:
            await asyncio.wait([change, hung_up], return_when=asyncio.FIRST_COMPLETED)
            if not change.done():
                raise Gone
            change.result()
        finally:
            self._waiting -= 1
            self._waiting_of[client.id] -= 1
            if not self._waiting_of[client.id]:
                del self._waiting_of[client.id]
            change.cancel()
            hung_up.cancel()

    async def _report(self, key: TokenKey, asked: Asked) -> Answer:
        rejected = (await asked.json()).get("access_token")
        if not isinstance(rejected, str) or not rejected:
            raise BadRequest('write the token that WeChat refused: {"access_token": "…"}')
        report = await self._node.keeper.report_invalid(key, AccessToken(rejected))
        if not report.renewed or report.current is None:
            message = "this is not the current token; nothing was renewed"
            return Answer.of({"result": "stale", "message": message}, outcome="stale")
        current = report.current
        left = seconds_left(current, self._node.clock.now())
        return Answer.of(
            {"result": "renewed", **described(current), "expires_in": left},
            self._rendered.of(current).headers,
            outcome="renewed",
        )


def _names(header: str, tag: str) -> bool:
    """Tell whether an If-None-Match header names a tag."""
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in header[:4096].split(","))


async def _hung_up(asked: Asked) -> None:
    while (await asked.receive())["type"] != "http.disconnect":
        pass
