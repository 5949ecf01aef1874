"""A realm with one app of every kind, known to both sides, and people with browsers.

scene = await set_scene(world)
person = scene.wechat(await scene.person("小明"))
page = await person.get(scene.start("shop", "/healthz"))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tests.cast import add_direct, authorized_account
from tests.harness import World
from wxgate.login.records import App, AppKind, Client, Realm
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import AppSecret, Secret, fingerprint
from wxgate.testing.browser import Browser, PhoneBrowser, WeChatBrowser

REALM = "shops"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

CLIENT_SECRET = Secret("wxcs_" + "s" * 43)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a test of login sees.

    `shop` is an official account on whose behalf the platform logs people in, `own` one with its own secret
    (a direct account), `site` a website application, `program` a mini program of the platform.
    """

    world: World
    realm: Realm
    shop: App
    own: App
    site: App
    program: App
    client: Client

    def start(self, app: str, return_to: str = "/healthz", *, base: str = "", **query: str) -> str:
        """Make the address at which a login begins."""
        pairs = ({"return_to": return_to} if return_to else {}) | query
        return f"{base or self.world.gateway_url}/login/wechat/{app}?{urlencode(pairs)}"

    async def person(self, nickname: str = "小明", **fields: Any) -> str:
        """Make a person with WeChat; return who it is there."""
        made = await self.world.control("POST", "users", {"nickname": nickname, **fields})
        return str(made["id"])

    def wechat(self, person: str, **more: Any) -> WeChatBrowser:
        """Open WeChat's browser on somebody's phone."""
        return WeChatBrowser(person, self.world.emulator.url, now=self._now, **more)

    def desktop(self, person: str | None = None, **more: Any) -> Browser:
        """Open a browser on a computer; whose phone scans its codes is `person`."""
        return Browser(person, self.world.emulator.url, now=self._now, **more)

    def phone(self, **more: Any) -> PhoneBrowser:
        """Open a phone's own browser."""
        return PhoneBrowser(None, self.world.emulator.url, now=self._now, **more)

    async def openid(self, person: str, app: App) -> str:
        """Tell under which openid an app knows a person."""
        users = (await self.world.control("GET", "state"))["users"]
        openids: Mapping[str, str] = next(user["openids"] for user in users if user["id"] == person)
        return openids[app.appid]

    def _now(self) -> float:
        return self.world.clock.now().timestamp()


async def set_scene(world: World) -> Scene:
    """Make the accounts in WeChat and the apps here."""
    shop = await authorized_account(world, nick_name="晨光咖啡馆")
    own = await add_direct(world)
    site = await world.add_account("晨光官网", kind="website")
    program = await authorized_account(world, nick_name="晨光小程序", kind="mini_program")
    realms = world.node.store.login.realms
    realm = Realm(REALM, "晨光", LONG_AGO, return_to=("https://shop.example",))
    await realms.put_realm(realm)
    platform = world.platform.appid
    client = Client(
        id="wxcl_scene00000000000",
        realm=REALM,
        name="晨光商城",
        created_at=LONG_AGO,
        secret_hash=fingerprint(CLIENT_SECRET),
        redirect_uris=("https://shop.example/callback", "http://127.0.0.1/callback"),
        grants=frozenset({"authorization_code", "refresh_token"}),
        scopes=frozenset({"openid", "profile", "wechat", "offline_access"}),
    )
    await realms.put_client(client)
    apps = [
        _app("shop", AppKind.OFFICIAL, shop["appid"], platform),
        _app("own", AppKind.OFFICIAL, own.appid, DIRECT_ISSUER),
        _app("site", AppKind.WEBSITE, site["appid"], DIRECT_ISSUER, AppSecret(site["secret"])),
        _app("program", AppKind.MINI_PROGRAM, program["appid"], platform),
    ]
    for app in apps:
        await realms.put_app(app)
    return Scene(world, realm, *apps, client)


def _app(name: str, kind: AppKind, appid: str, issuer: str, secret: AppSecret | None = None) -> App:
    return App(name, REALM, kind, appid, issuer, name.capitalize(), LONG_AGO, secret)
