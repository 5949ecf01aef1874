"""The process is killed while it exchanges the code of a login: the person gets in all the same."""

import asyncio
from datetime import UTC, datetime

from tests.crash.scene import Scene
from wxgate.login.records import App, AppKind, Realm
from wxgate.secret import AppSecret
from wxgate.testing.browser import WeChatBrowser

EXCHANGE = "/sns/oauth2/access_token"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_node_that_dies_with_a_code_in_its_hands_costs_one_more_redirect(scene: Scene) -> None:
    secret = AppSecret(scene.emulator.world.accounts[scene.appid].secret)
    async with scene.store() as store:
        await store.login.realms.put_realm(Realm("shops", "Shops", LONG_AGO))
        app = App("shop", "shops", AppKind.OFFICIAL, scene.appid, "direct", "Shop", LONG_AGO, secret)
        await store.login.realms.put_app(app)
    [user] = scene.emulator.world.users
    browser = WeChatBrowser(user, scene.emulator.url, now=scene.emulator.clock.now)
    await scene.fault(EXCHANGE, "after")
    start = f"{scene.process.url}/login/wechat/shop?return_to=/healthz"
    visit = asyncio.create_task(browser.get(start))
    await scene.until_fault_hit()
    await scene.crash()
    await asyncio.gather(visit, return_exceptions=True)
    callback = next(url for url in browser.visited if "/login/wechat/callback" in url)
    page = await browser.get(callback)
    assert page.status == 200
    assert page.came_by("/connect/oauth2/authorize")
    assert page.url.startswith(f"{scene.process.url}/healthz")
    codes = [call["query"]["code"] for call in await scene.calls(EXCHANGE)]
    assert len(codes) == len(set(codes)) == 2
    async with scene.store() as store:
        [session] = await store.login.sessions.live("shops", now=scene.now())
    assert session.openid == scene.openid
