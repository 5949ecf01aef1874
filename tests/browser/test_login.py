"""People log in in a real browser: in WeChat, outside it, on a computer; and whatever else they do there."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.looking import expect_to_fit, listen, path_of, shooting
from tests.harness import World
from tests.login.scene import Scene, set_scene
from tests.pushing import metric
from wxgate.server.login.pages import STATUS
from wxgate.testing.browser import PHONE, WECHAT
from wxgate.testing.cookies import Happening, survivors

pytestmark = pytest.mark.browser

shoot = shooting("login")

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "login-handover.md"

AUTHORIZE = "wxgate_login_attempts_total"


@pytest.fixture
async def scene(gateway: World) -> Scene:
    """A realm with one app of every kind, and one person with WeChat."""
    return await set_scene(gateway)


@pytest.fixture
async def wechat(browser: Browser) -> AsyncIterator[BrowserContext]:
    """WeChat's browser on a phone."""
    context = await browser.new_context(
        user_agent=WECHAT,
        viewport={"width": 375, "height": 780},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
    )
    yield context
    await context.close()


async def befall(context: BrowserContext, happening: Happening) -> None:
    """Let something happen to the cookies."""
    kept = survivors(await context.cookies(), happening)
    await context.clear_cookies()
    await context.add_cookies(kept)


async def logins(scene: Scene, app: str = "shop", mode: str = "silent") -> float:
    """Count the logins by way of WeChat."""
    return await metric(scene.world, AUTHORIZE, app=app, mode=mode, outcome="session")


async def test_in_wechat_people_say_no_think_again_and_come_back_in_any_odd_way(
    wechat: BrowserContext, scene: Scene, artifacts: Path
) -> None:
    await scene.person("小明🌱")
    page = await wechat.new_page()
    heard = listen(page)
    await page.goto(scene.start("shop", "/login/done?app=shop", mode="consent"))
    await page.get_by_role("button", name="拒绝").tap()
    await expect(page.get_by_role("heading", name="没有登录")).to_be_visible()
    assert path_of(page) == "/login/ended/cancelled"
    await expect_to_fit(page)
    await shoot(page, artifacts, "cancelled-zh")
    await page.get_by_role("link", name="English").tap()
    await expect(page.get_by_role("heading", name="Not logged in")).to_be_visible()
    await shoot(page, artifacts, "cancelled-en")
    # A page that ends without a login says so by its status too, which Chromium writes down.
    assert [each for each in heard if "400" not in each] == []
    await page.get_by_role("link", name="Try again").tap()
    await page.get_by_role("button", name="允许").tap()
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    await shoot(page, artifacts, "done-zh")
    await page.reload()
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    # Back to WeChat's consent page, and once more through a door that is open already.
    await page.go_back()
    await page.goto(scene.start("shop", "/login/done?app=shop"))
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    assert await logins(scene, mode="consent") == 1


@pytest.mark.parametrize("app", ["own", "shop"])
async def test_a_double_callback_and_two_tabs_end_well(
    wechat: BrowserContext, scene: Scene, app: str
) -> None:
    await scene.person()
    await scene.world.control("POST", "switches", {"double_callback": True})
    first, second = await wechat.new_page(), await wechat.new_page()
    for page in (first, second):
        await page.goto(scene.start(app, f"/login/done?app={app}", mode="consent"))
    for page in (second, first):
        await page.get_by_role("button", name="允许").tap()
        await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()


async def test_lost_cookies_cost_nothing_but_those_that_never_stay_are_explained(
    wechat: BrowserContext, scene: Scene, artifacts: Path
) -> None:
    await scene.person()
    page = await wechat.new_page()
    target = scene.start("shop", "/login/done?app=shop")
    await page.goto(target)
    assert page.url == scene.world.url("/login/done?app=shop#"), "WeChat's fragment is not handed on"
    before = next(each for each in await wechat.cookies() if each["name"] == "wxs-shops")
    await befall(wechat, Happening.KILL_WECHAT)
    await page.goto(target)
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    after = next(each for each in await wechat.cookies() if each["name"] == "wxs-shops")
    assert after["value"] == before["value"]
    await wechat.clear_cookies()
    await page.goto(target)
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    for _ in range(2):
        await wechat.clear_cookies(name="wxs-shops")
        await page.goto(target)
    await expect(page.get_by_role("heading", name="浏览器没有保存登录状态")).to_be_visible()
    await expect_to_fit(page)
    await shoot(page, artifacts, "loop-zh")
    await page.get_by_role("link", name="再试一次").tap()
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()


async def test_a_snapshot_explains_itself_and_logs_nobody_in(
    wechat: BrowserContext, scene: Scene, artifacts: Path
) -> None:
    await scene.person()
    await scene.world.control("POST", "switches", {"snapshot": True})
    page = await wechat.new_page()
    await page.goto(scene.start("shop"))
    await expect(page.get_by_role("heading", name="请使用完整服务")).to_be_visible()
    assert [each for each in await wechat.cookies() if each["name"] == "wxs-shops"] == []
    await shoot(page, artifacts, "snapshot-zh")
    await page.get_by_role("link", name="English").tap()
    await shoot(page, artifacts, "snapshot-en")


async def test_logging_out_lasts_until_a_tap(wechat: BrowserContext, scene: Scene, artifacts: Path) -> None:
    await scene.person()
    page = await wechat.new_page()
    heard = listen(page)
    target = scene.start("shop", "/login/done?app=shop")
    await page.goto(target)
    await page.goto(scene.world.url("/login/logout"))
    await expect(page.get_by_role("heading", name="退出登录？")).to_be_visible()
    await shoot(page, artifacts, "logout-zh")
    await page.get_by_role("button", name="退出登录").tap()
    await expect(page.get_by_role("heading", name="已退出登录")).to_be_visible()
    await shoot(page, artifacts, "logged-out-zh")
    await page.goto(target)
    await expect(page.get_by_role("link", name="微信登录")).to_be_visible()
    await shoot(page, artifacts, "tap-zh")
    assert await logins(scene) == 1
    await page.get_by_role("link", name="微信登录").tap()
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    assert heard == []


async def test_outside_wechat_a_phone_gets_the_address_to_take_along(
    browser: Browser, scene: Scene, artifacts: Path
) -> None:
    context = await browser.new_context(
        user_agent=PHONE, viewport={"width": 375, "height": 780}, device_scale_factor=2, is_mobile=True,
        has_touch=True, permissions=["clipboard-read", "clipboard-write"], locale="en-GB",
    )  # fmt: skip
    page = await context.new_page()
    heard = listen(page)
    target = scene.start("shop", "/login/done?app=shop")
    await page.goto(target)
    await expect(page.get_by_role("heading", name="Open this in WeChat")).to_be_visible()
    await expect_to_fit(page)
    await shoot(page, artifacts, "open-en")
    await page.get_by_role("button", name="Copy the address").tap()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == target
    await page.get_by_role("link", name="中文").tap()
    await shoot(page, artifacts, "open-zh")
    assert heard == []
    await context.close()


async def test_on_a_computer_wechats_code_is_shown_in_a_page_of_ours(
    page: Page, scene: Scene, artifacts: Path
) -> None:
    person = await scene.person()
    heard = listen(page)
    await page.goto(scene.start("site", "/login/done?app=site", mode="qr"))
    frame = page.frame_locator("#wx_login iframe")
    await expect(frame.get_by_role("img")).to_be_visible()
    await shoot(page, artifacts, "qr-zh")
    state = urlsplit(await page.get_by_role("link", name="二维码没有显示").get_attribute("href") or "").query
    scanned = {"state": dict(pair.split("=") for pair in state.split("&"))["state"], "user": person}
    await scene.world.act("scan_login", **scanned)
    await scene.world.act("confirm_login", accept=True, **scanned)
    await expect(page.get_by_role("heading", name="登录成功")).to_be_visible()
    assert heard == []
    await page.goto(scene.start("site", mode="qr", lang="en", prompt="login"))
    await expect(frame.get_by_role("img")).to_be_visible()
    await shoot(page, artifacts, "qr-en")


async def test_the_guides_page_with_wechats_code_works_as_it_is_shown(page: Page, scene: Scene) -> None:
    person = await scene.person()
    [shown] = re.findall(r"```html\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    shown = f"<!doctype html>{shown}".replace("https://login.example.com", scene.world.gateway_url)

    async def account(request: web.Request) -> web.Response:
        return web.Response(text=shown, content_type="text/html")

    served = web.Application()
    served.router.add_get("/account", account)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await scene.world.node.store.login.realms.put_realm(replace(scene.realm, return_to=(site,)))
    await page.goto(f"{site}/account")
    frame = page.locator("#wechat iframe")
    await expect(page.frame_locator("#wechat iframe").get_by_role("img")).to_be_visible()
    query = dict(parse_qsl(urlsplit(await frame.get_attribute("src") or "").query))
    scanned = {"state": query["state"], "user": person}
    await scene.world.act("scan_login", **scanned)
    await scene.world.act("confirm_login", accept=True, **scanned)
    await page.wait_for_url(f"{site}/account?wx_code=*", timeout=30_000)
    await runner.cleanup()


async def test_every_end_without_a_login_fits_the_smallest_phone_in_both_languages(
    page: Page, scene: Scene, artifacts: Path
) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    for lang in ("zh", "en"):
        for word in STATUS:
            back = "&again=/login/wechat/shop&back=/healthz" if word != "done" else ""
            await page.goto(scene.world.url(f"/login/ended/{word}?app=shop&lang={lang}{back}"))
            if await page.locator("summary").count():
                await page.locator("summary").click()
            await expect_to_fit(page)
            if word in ("app_unavailable", "bad_return", "stranger", "no_app"):
                await shoot(page, artifacts, f"{word}-{lang}-320")
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(scene.world.url("/login/ended/app_unavailable?app=shop&lang=en"))
    await shoot(page, artifacts, "unavailable-dark")
