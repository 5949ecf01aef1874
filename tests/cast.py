"""More than one of everything: platforms, direct accounts and nodes beside those of the harness."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any

from tests.harness import World, listen, serving
from wxgate.custody.links import FLOW_KEPT, fingerprint
from wxgate.custody.records import DirectAccount, Flow, Platform, PushCredentials
from wxgate.events.handlers import Handlers
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PreAuthCode, PushToken, Secret
from wxgate.server.app import create_app
from wxgate.server.node import Node


async def add_platform(world: World, name: str = "另一家平台", *, ticket: bool = True) -> Platform:
    """Make another platform in WeChat, served by the same gateway."""
    theirs = await world.control("POST", "platforms", {"name": name})
    appid = theirs["appid"]
    addresses = {
        "events_url": world.url(f"/wechat/{appid}/events"),
        "messages_url": world.url(f"/wechat/{appid}/messages/$APPID$"),
    }
    await world.control("POST", "platforms", {"appid": appid, **addresses})
    platform = Platform(
        appid=appid,
        name=name,
        secret=AppSecret(theirs["secret"]),
        push=PushCredentials((PushToken(theirs["token"]),), (EncodingAESKey(theirs["aes_key"]),)),
        redirect_key=Secret("another key for tenants"),
        created_at=datetime.now(UTC),
    )
    await world.node.store.platforms.put_platform(platform)
    if ticket:
        await world.act("ticket", platform=appid)
    return platform


async def add_direct(
    world: World, mode: Mode = Mode.SAFE, format: Format = Format.XML, account: dict[str, Any] | None = None
) -> DirectAccount:
    """Give an account, a new one unless it is named, a server of its own at this gateway."""
    theirs = account or await world.add_account("直连账号")
    url = world.url(f"/wechat/direct/{theirs['appid']}")
    server = {"url": url, "mode": mode.value, "format": format.value}
    theirs = await world.control("POST", "accounts", {"appid": theirs["appid"], "server": server})
    direct = DirectAccount(
        appid=theirs["appid"],
        name=theirs["nick_name"],
        secret=AppSecret(theirs["secret"]),
        user_name=theirs["user_name"],
        push=PushCredentials(
            (PushToken(theirs["server"]["token"]),), (EncodingAESKey(theirs["server"]["aes_key"]),)
        ),
        mode=mode,
        format=format,
        created_at=datetime.now(UTC),
    )
    await world.node.store.platforms.put_direct(direct)
    return direct


@dataclass(frozen=True, slots=True)
class Follower:
    """A user who follows one account."""

    world: World
    appid: str
    openid: str

    async def writes(self, content: str = "在吗", **fields: Any) -> dict[str, Any]:
        """Write to the account; return the first push that came of it."""
        fields = {"type": "text", "content": content} | fields
        pushes = await self.world.act("message", appid=self.appid, openid=self.openid, **fields)
        first: dict[str, Any] = pushes[0]
        return first

    async def does(self, event: str, **fields: Any) -> dict[str, Any]:
        """Do something that WeChat reports as an event."""
        pushes = await self.world.act(
            "event", appid=self.appid, openid=self.openid, event=event, fields=fields
        )
        first: dict[str, Any] = pushes[0]
        return first

    async def sees(self) -> list[dict[str, Any]]:
        """List what has appeared on the user's phone."""
        seen: list[dict[str, Any]] = await self.world.control(
            "GET", f"inbox?appid={self.appid}&openid={self.openid}"
        )
        return seen


async def add_follower(world: World, appid: str) -> Follower:
    """Let somebody follow an account."""
    user = await world.control("POST", "users", {"follows": [appid]})
    return Follower(world, appid, user["openids"][appid])


async def authorized_account(world: World, platform: Platform | None = None, **fields: Any) -> dict[str, Any]:
    """Make an account that has authorised the platform, with everything that follows done."""
    account = await world.add_account(**fields)
    await authorize(world, account["appid"], platform)
    return account


async def authorize(world: World, appid: str, platform: Platform | None = None) -> None:
    """Let an account authorise a platform, and wait until its code is exchanged."""
    receiver = platform or world.platform
    told = await world.act("authorize", platform=receiver.appid, appid=appid)
    assert told["push"]["outcome"] == "success", told
    await settle(world)


async def until(check: Callable[[], Awaitable[object]], *, seconds: float = 30) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for happens elsewhere and tells nobody
            await asyncio.sleep(0.01)


async def settle(world: World) -> None:
    """Wait until every exchange and every handler under way has come to its end, or been put off."""
    await world.node.exchanges.close()
    await world.node.reception.close()


@contextlib.asynccontextmanager
async def another_node(world: World, handlers: Handlers | None = None) -> AsyncIterator[tuple[Node, str]]:
    """Serve a second node on the same database; yield it with its address."""
    node = await Node.open(world.node.settings, handlers=handlers, clock=world.clock)

    async def opened() -> Node:
        return node

    with listen() as listener:
        async with serving(create_app(opened), listener):
            yield node, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def click(world: World, pre_auth_code: str = "preauthcode@@@none") -> str:
    """Note a click as the start page does, without the page; return its flow."""
    now = world.clock.now()
    flow = Flow(
        id=token_urlsafe(16),
        platform=world.platform.appid,
        pre_auth_fingerprint=fingerprint(PreAuthCode(pre_auth_code)),
        invite=None,
        reference="",
        return_url=None,
        created_at=now,
        expires_at=now + FLOW_KEPT,
    )
    await world.node.store.links.put_flow(flow)
    return flow.id
