"""A whole world around a gateway: WeChat in a box, a platform both sides know, accounts and users.

async with wechat(gateway) as world:
    user = await world.user()
    answer = await user.says("hello")
    assert answer.text == "You said: hello"
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wxgate.clock import ShiftedClock
from wxgate.custody.records import DirectAccount, Platform, PushCredentials
from wxgate.emulator.running import RunningEmulator
from wxgate.emulator.serving import listen, serving, url_of
from wxgate.errors import ConfigError
from wxgate.gateway import Gateway
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret
from wxgate.testing.answers import Answer, Seen
from wxgate.testing.browser import Browser, WeChatBrowser
from wxgate.testing.calling import ASGIApp
from wxgate.testing.pages import Page
from wxgate.testing.sites import Site, open_site

PATIENCE = 10.0
"""Seconds to wait for what happens beside the test, such as a customer-service message."""


@dataclass(frozen=True, slots=True)
class WeChatAccount:
    """An account in WeChat that the gateway acts for."""

    appid: str
    user_name: str
    name: str
    _world: "World"

    async def unauthorizes(self) -> Answer:
        """Let the merchant take the authorization back."""
        return await self._world._pushed("act/unauthorize", platform=self._world.platform, appid=self.appid)

    async def authorizes(self, func_ids: list[int] | None = None) -> Answer:
        """Let the merchant authorise the platform, again or with other permission sets."""
        told = await self._world.control(
            "POST", "act/authorize", platform=self._world.platform, appid=self.appid, func_ids=func_ids
        )
        await self._world.gateway.node.exchanges.close()
        return Answer.of_push(told["push"]) if told["push"] else Answer("success", attempts=0)


@dataclass(frozen=True, slots=True)
class WeChatUser:
    """A person who follows an account; `id` is their name in the emulator."""

    openid: str
    account: WeChatAccount
    _world: "World"
    id: str = ""

    def browser(self, **options: Any) -> WeChatBrowser:
        """Open WeChat's browser on this person's phone; `options` are those of `WeChatBrowser`."""
        return self._world.browser(self.id, **options)

    async def says(self, content: str) -> Answer:
        """Write a text, and return what WeChat made of the gateway's answer."""
        return await self.sends("text", Content=content)

    async def sends(self, type: str, **fields: Any) -> Answer:
        """Send a message of another type; `fields` are WeChat's (`MediaId` or `media_id`)."""
        return await self._acts("message", type=type, fields=fields)

    async def does(self, event: str, **fields: Any) -> Answer:
        """Do what WeChat reports as an event; `fields` are WeChat's (`EventKey` or `event_key`)."""
        return await self._acts("event", event=event, fields=fields)

    async def follows(self, scene: str = "") -> Answer:
        """Follow the account, by a parametric QR code where a scene is given."""
        return await self.does("subscribe", EventKey=f"qrscene_{scene}" if scene else "")

    async def unfollows(self) -> Answer:
        """Stop following."""
        return await self.does("unsubscribe")

    async def taps(self, key: str) -> Answer:
        """Tap an entry of the menu."""
        return await self.does("CLICK", EventKey=key)

    async def scans(self, scene: str) -> Answer:
        """Scan a parametric QR code as a follower."""
        return await self.does("SCAN", EventKey=scene)

    async def sees(self, at_least: int = 0) -> list[Seen]:
        """List what has appeared on the phone, oldest first; wait until there are so many things."""
        path = f"inbox?appid={self.account.appid}&openid={self.openid}"
        async with asyncio.timeout(PATIENCE):
            while len(entries := await self._world.control("GET", path)) < at_least:  # noqa: ASYNC110 - asked by HTTP
                await asyncio.sleep(0.01)
        return [Seen.of_entry(entry) for entry in entries]

    async def confirms(self, browser: Browser, *, accept: bool = True) -> Page:
        """Scan the QR code of a website's login that a browser shows, and confirm or refuse; it moves on."""
        shown = re.search(r"/connect/qrcode/(\w+)", browser.page.text if browser.page else "")
        if shown is None:
            raise ConfigError("the browser shows no QR code of a login")
        given = {"uuid": shown.group(1), "user": self.id, "accept": accept}
        told = await self._world.control("POST", "act/confirm_login", **given)
        return await browser.click(told["leads_to"] or str(browser.page and browser.page.url))

    async def _acts(self, what: str, **given: Any) -> Answer:
        given |= {"appid": self.account.appid, "openid": self.openid}
        pushes = await self._world.control("POST", f"act/{what}", **given)
        ours = [push for push in pushes if push["url"].startswith(f"{self._world.url}/")]
        if not ours:
            raise ConfigError(
                f"{self.account.appid} has authorised nobody: WeChat pushes its messages nowhere"
            )
        return Answer.of_push(ours[0])


@dataclass(frozen=True, slots=True)
class World:
    """What a test has: the gateway, WeChat beside it, and the account that has authorised the platform.

    `url` is the gateway's address, `platform` its platform's appid; `emulator` is for everything else that
    WeChat can do, as its guide describes.
    """

    gateway: Gateway
    emulator: RunningEmulator
    url: str
    platform: str
    _clock: ShiftedClock

    @property
    def account(self) -> WeChatAccount:
        """The account that was there first."""
        first = next(iter(self.emulator.world.accounts.values()), None)
        if first is None:
            raise ConfigError("there is no account in this world; await world.add_account()")
        return WeChatAccount(first.appid, first.user_name, first.nick_name, self)

    async def user(self, account: WeChatAccount | None = None, nickname: str = "小明") -> WeChatUser:
        """Let somebody new follow an account; WeChat's report of that is not pushed."""
        followed = account or self.account
        made = await self.control("POST", "users", nickname=nickname, follows=[followed.appid])
        return WeChatUser(made["openids"][followed.appid], followed, self, made["id"])

    def browser(self, user: str, **options: Any) -> WeChatBrowser:
        """Open WeChat's browser on the phone of a user of the emulator."""
        return WeChatBrowser(user, self.emulator.url, now=self.emulator.clock.now, **options)

    def computer(self, **options: Any) -> Browser:
        """Open an ordinary browser on a computer."""
        return Browser(None, self.emulator.url, now=self.emulator.clock.now, **options)

    async def add_account(
        self,
        name: str = "晨光咖啡馆",
        *,
        kind: str = "official_account",
        func_ids: list[int] | None = None,
        direct: bool = False,
        mode: str = "safe",
        format: str = "xml",
    ) -> WeChatAccount:
        """Make an account that authorises the platform, or, `direct`, has its own server at the gateway."""
        made = await self.control("POST", "accounts", nick_name=name, kind=kind)
        account = WeChatAccount(made["appid"], made["user_name"], name, self)
        if direct:
            await self._connect(made, Mode(mode), Format(format))
        else:
            await account.authorizes(func_ids)
        return account

    @asynccontextmanager
    async def site(
        self, make: Callable[[Site], ASGIApp], *, callback: str = "/wechat/callback"
    ) -> AsyncIterator[Site]:
        """Serve an application of yours that people log in to by the gateway.

        `make` is given the address and the client's issuer, id and secret, and returns the application;
        `callback` is the path of its redirect URI. In WeChat people log in by the world's account, on a
        computer by the QR code of a website application.
        """
        async with open_site(self, make, callback) as site:
            yield site

    async def happens(self, info_type: str, **fields: Any) -> Answer:
        """Push an event of the platform, such as `notify_third_fasteregister`."""
        return await self._pushed(
            "act/component-event", platform=self.platform, info_type=info_type, fields=fields
        )

    async def goes_wrong(self, path: str, action: str, **more: Any) -> None:
        """Let WeChat's API fail on the next call of a path: delay, hang, cut, status or errcode."""
        await self.control("POST", "faults", path=path, action=action, **more)

    async def switch(self, **switches: Any) -> None:
        """Turn switches of WeChat, such as `push_timeout=0.5` where nobody wants to wait five seconds."""
        await self.control("POST", "switches", **switches)

    async def calls(self, path: str = "/") -> list[dict[str, Any]]:
        """List the calls of the API that reached WeChat, with their answers."""
        found: list[dict[str, Any]] = await self.control("GET", f"calls?path={path}")
        return found

    async def advance(self, by: timedelta) -> None:
        """Move the clocks of both sides."""
        await self.control("POST", "clock", advance=by.total_seconds())
        self._clock.offset += by

    async def control(self, method: str, path: str, /, **given: Any) -> Any:
        """Talk to the emulator's control plane."""
        return await self.emulator.control(method, path, given if method == "POST" else None)

    async def _pushed(self, act: str, /, **given: Any) -> Answer:
        return Answer.of_push(await self.control("POST", act, **given))

    async def _connect(self, made: dict[str, Any], mode: Mode, format: Format) -> None:
        """Tell both sides of an account's own server, as an operator does in two consoles."""
        url = f"{self.url}/wechat/direct/{made['appid']}"
        server = {"url": url, "mode": mode.value, "format": format.value}
        theirs = (await self.control("POST", "accounts", appid=made["appid"], server=server))["server"]
        await self.gateway.node.store.platforms.put_direct(
            DirectAccount(
                appid=made["appid"],
                name=made["nick_name"],
                secret=AppSecret(made["secret"]),
                user_name=made["user_name"],
                push=_credentials(theirs),
                mode=mode,
                format=format,
                created_at=self._clock.now(),
            )
        )


@asynccontextmanager
async def wechat(
    gateway: Gateway, *, seed: int = 1, account: bool = True, **settings: Any
) -> AsyncIterator[World]:
    """Serve a gateway in a world made for one test: fresh database, fresh keys, fresh WeChat.

    The gateway's own settings hold except for the database, the keys and the addresses; `settings` win over
    all. Without `account` nobody has authorised the platform yet.
    """
    if gateway.is_open:
        raise ConfigError("the gateway is open, on its own database; give wechat() one that is not")
    clock = ShiftedClock()
    with TemporaryDirectory(prefix="wxgate-") as folder:
        async with AsyncExitStack() as stack:
            emulator = await stack.enter_async_context(RunningEmulator(seed=seed))
            listener = stack.enter_context(listen())
            url = url_of(listener)
            made_for_tests = {
                "database_url": f"sqlite:///{Path(folder) / 'wxgate.db'}",
                "keys": "",
                "key_file": Path(folder) / "wxgate.key",
                "public_base_url": url,
                "api_base_url": emulator.url,
                "mp_base_url": emulator.url,
                "open_base_url": emulator.url,
                "res_base_url": emulator.url,
                "outbound_proxy": "",
                "development_clock_url": "",
            }
            # Opened here and not by the server, so that the test is told what is wrong with the gateway.
            await gateway._open(gateway.settings(**made_for_tests | settings), clock)
            stack.push_async_callback(gateway._close)
            await stack.enter_async_context(serving(gateway.asgi(), listener))
            platform = await _register(emulator, gateway, url, clock)
            world = World(gateway, emulator, url, platform, clock)
            await world.control("POST", "act/ticket", platform=platform)
            if account:
                await world.add_account()
            yield world


async def _register(emulator: RunningEmulator, gateway: Gateway, url: str, clock: ShiftedClock) -> str:
    """Make a platform in WeChat and tell the gateway of it."""
    made = await emulator.control("POST", "platforms", {"name": "测试平台"})
    appid = str(made["appid"])
    addresses = {
        "events_url": f"{url}/wechat/{appid}/events",
        "messages_url": f"{url}/wechat/{appid}/messages/$APPID$",
        "authorize_domain": [url.removeprefix("http://")],
    }
    await emulator.control("POST", "platforms", {"appid": appid, **addresses})
    await gateway.node.store.platforms.put_platform(
        Platform(
            appid=appid,
            name=made["name"],
            secret=AppSecret(made["secret"]),
            push=_credentials(made),
            redirect_key=Secret("a key for tests"),
            created_at=clock.now(),
        )
    )
    return appid


def _credentials(made: dict[str, Any]) -> PushCredentials:
    return PushCredentials((PushToken(made["token"]),), (EncodingAESKey(made["aes_key"]),))
