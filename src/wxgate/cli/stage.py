"""Where the demo's story plays: both sides' addresses, and the questions that are asked of each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from wxgate.custody.records import Authorization, KeptToken
from wxgate.custody.sources import authorizer_key
from wxgate.errors import GatewayError
from wxgate.protocol.tokens import TokenKey
from wxgate.server.node import Node

T = TypeVar("T")

PATIENCE_SECONDS = 15.0
"""How long a step waits for what the gateway does in its own time."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """The emulator, the gateway, a node on the gateway's own database, and who is in the story."""

    session: aiohttp.ClientSession
    emulator: str
    gateway: str
    node: Node
    platform: str
    account: str
    account_name: str
    openid: str
    follower: str

    @property
    def token_key(self) -> TokenKey:
        """The key of the token with which the platform acts for the account."""
        return authorizer_key(self.platform, self.account)

    async def load_right(self) -> Authorization:
        """Load the account's authorization from the gateway's database."""
        found = await self.node.authorizations.load(self.platform, self.account)
        if found is None:
            raise GatewayError("there is no authorization in the gateway's database")
        return found

    async def get(self, url: str) -> Any:
        """Get a JSON document from either side."""
        async with self.session.get(url) as answer:
            return await answer.json()

    async def control(self, path: str, **given: object) -> Any:
        """Post to the emulator's control plane."""
        return await post(self.session, f"{self.emulator}/_emulator/{path}", given)

    async def calls(self, path: str) -> list[Any]:
        """List the calls of an API path as WeChat saw them."""
        return list(await self.get(f"{self.emulator}/_emulator/calls?path={path}"))

    async def pushes(self, kind: str) -> list[Any]:
        """List WeChat's pushes of one kind with what became of them."""
        return list(await self.get(f"{self.emulator}/_emulator/pushes?kind={kind}"))

    async def last_seen(self, source: str) -> str:
        """Return the newest text of one kind that the follower saw."""
        query = f"appid={self.account}&openid={self.openid}"
        entries = await self.get(f"{self.emulator}/_emulator/inbox?{query}")
        seen = [entry["content"] for entry in entries if entry["from"] == source]
        expect(seen, f"the follower has seen no {source} message")
        return str(seen[-1])

    async def try_token(self, kept: KeptToken) -> int:
        """Ask WeChat itself what it thinks of a token; return the errcode."""
        query = {"access_token": kept.token.reveal(), "openid": self.openid}
        async with self.session.get(f"{self.emulator}/cgi-bin/user/info", params=query) as answer:
            return int((await answer.json(content_type=None)).get("errcode", 0))

    async def wait_for_token(self, key: TokenKey) -> KeptToken:
        """Wait until a token is in the gateway's database."""
        return await self.until(
            f"the {key.kind} token is in the database", lambda: self.node.store.tokens.load(key)
        )

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something to see; raise when patience is at its end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if seen := await look():
                return seen
            await asyncio.sleep(LOOK_SECONDS)
        raise GatewayError(f"waited {PATIENCE_SECONDS:.0f} s in vain until {what}")


def expect(held: object, failure: str) -> None:
    """Stop the story when a check does not hold."""
    if not held:
        raise GatewayError(failure)


async def post(session: aiohttp.ClientSession, url: str, given: Mapping[str, object]) -> Any:
    """Post to the emulator's control plane; raise GatewayError with what it says when it refuses."""
    async with session.post(url, json=given) as answer:
        data = await answer.json()
        if answer.status != 200:
            raise GatewayError(f"{answer.url.path} answered {answer.status}: {data}")
        return data
