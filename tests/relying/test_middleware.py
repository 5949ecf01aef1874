"""What an application with our middleware sees of WeChat's browser: the table of cookies, row by row.

The application is on another host than the gateway, so there are two sessions and two presence cookies.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness import Harness
from tests.login.scene import Scene, set_scene
from tests.relying.parties import confirm_on_phone
from tests.relying.shop import Shop, address, hops, open_shop
from wxgate.testing.browser import WeChatBrowser
from wxgate.testing.cookies import Happening

SILENT_WAY = [
    "/orders",
    "/oidc/shops/authorize",
    "/connect/oauth2/authorize",
    "/login/wechat/callback",
    "/wechat/callback",
    "/orders",
]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps."""
    async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
        yield await set_scene(world)


@pytest.fixture
async def shop(scene: Scene) -> AsyncIterator[Shop]:
    """The site of an application."""
    async with open_shop(scene) as shop:
        yield shop


@contextlib.asynccontextmanager
async def logged_in(shop: Shop) -> AsyncIterator[tuple[WeChatBrowser, str]]:
    """Somebody in WeChat who has just logged in."""
    browser = shop.scene.wechat(await shop.scene.person())
    sub = await shop.sees(browser)
    assert sub
    yield browser, sub


async def test_the_first_page_is_there_without_a_word(shop: Shop) -> None:
    browser = shop.scene.wechat(await shop.scene.person())
    page = await shop.opens(browser)
    assert page.status == 200
    assert hops(page) == SILENT_WAY
    assert await shop.sees(browser) == page.json["sub"]
    assert hops(await shop.opens(browser)) == ["/orders"]


@pytest.mark.parametrize("happening", [Happening.MAIN_SCREEN, Happening.HOME_SCREEN])
async def test_leaving_the_page_costs_nothing(shop: Shop, happening: Happening) -> None:
    async with logged_in(shop) as (browser, _):
        browser.undergo(happening)
        assert hops(await shop.opens(browser)) == ["/orders"]


@pytest.mark.parametrize("happening", [Happening.KILL_WECHAT, Happening.LOW_MEMORY])
async def test_a_kill_or_a_lack_of_memory_costs_one_invisible_redirect(
    shop: Shop, happening: Happening
) -> None:
    async with logged_in(shop) as (browser, sub):
        browser.undergo(happening)
        page = await shop.opens(browser)
        assert hops(page) == SILENT_WAY
        assert page.json["sub"] == sub
        assert hops(await shop.opens(browser)) == ["/orders"]


@pytest.mark.parametrize("clears", [True, False], ids=["iphone", "android"])
@pytest.mark.parametrize("path", ["/orders", "/"], ids=["for somebody", "for anybody"])
async def test_after_a_switch_of_accounts_nobody_sees_the_first_ones_page(
    shop: Shop, clears: bool, path: str
) -> None:
    async with logged_in(shop) as (browser, sub):
        browser.switch_account(await shop.scene.person("小红"), clear_cookies=clears)
        seen = await shop.sees(browser, path)
        assert seen != sub
        other = await shop.sees(browser)
        assert other not in (sub, None)
        assert await shop.sees(browser, "/") == other


async def test_a_script_is_told_to_navigate_and_a_form_is_never_redirected(shop: Shop) -> None:
    async with logged_in(shop) as (browser, sub):
        browser.kill_wechat()
        for method in ("GET", "POST"):
            told = await browser.fetch(f"{shop.url}/orders", method)
            assert told.status == 401
            assert told.json["error"] == "reauth_required"
        page = await browser.get(told.json["url"])
        assert page.json["sub"] == sub
        assert (await browser.fetch(f"{shop.url}/orders", "POST")).json["sub"] == sub


async def test_an_ordinary_browser_is_only_restarted(shop: Shop) -> None:
    browser = shop.scene.desktop(await shop.scene.person())
    await shop.opens(browser)
    page = await confirm_on_phone(shop.scene, browser)
    assert address(page) == f"{shop.url}/orders"
    sub = page.json["sub"]
    browser.quit()
    page = await shop.opens(browser)
    assert hops(page) == ["/orders"]
    assert page.json["sub"] == sub
    assert await shop.sees(browser, "/profile") == sub, "who has scanned has consented"


async def test_a_snapshot_is_nobody(shop: Shop) -> None:
    browser = shop.scene.wechat(await shop.scene.person())
    with browser.snapshot() as inside:
        page = await shop.opens(inside)
        assert page.status == 403
        assert "使用完整服务" in page.words
        assert inside.cookie("wxlogin") is None
        assert await shop.sees(inside, "/") is None
    assert await shop.sees(browser)


async def test_wechat_is_asked_again_after_four_hours_without_a_word(shop: Shop) -> None:
    async with logged_in(shop) as (browser, sub):
        await shop.scene.world.advance(timedelta(hours=4))
        page = await shop.opens(browser)
        assert "/connect/oauth2/authorize" in hops(page)
        assert page.json["sub"] == sub


async def test_consent_brings_the_nickname_and_a_kill_does_not_take_it_away(shop: Shop) -> None:
    async with logged_in(shop) as (browser, sub):
        await shop.opens(browser, "/profile")
        page = await browser.press("allow")
        assert address(page) == f"{shop.url}/profile"
        assert (page.json["sub"], page.json["name"]) == (sub, "小明")
        browser.kill_wechat()
        page = await shop.opens(browser)
        assert (page.json["sub"], page.json["name"]) == (sub, "小明")


async def test_two_tabs_log_in_at_once(shop: Shop) -> None:
    browser = shop.scene.wechat(await shop.scene.person())
    tab = browser.tab()
    await browser.get(f"{shop.url}/profile")
    await tab.get(f"{shop.url}/profile")
    first = await browser.press("allow")
    second = await tab.press("allow")
    assert first.json["sub"] == second.json["sub"]
    assert address(first) == address(second) == f"{shop.url}/profile"


async def test_a_logout_here_is_a_logout_there_and_stays_one(shop: Shop) -> None:
    async with logged_in(shop) as (browser, _):
        await browser.get(f"{shop.url}/wechat/logout")
        page = await browser.press()
        for _ in range(2):
            if page.url.startswith(shop.url):
                break
            page = await browser.press()
        assert page.url.startswith(f"{shop.url}/")
        assert (await browser.fetch(f"{shop.url}/")).json["sub"] is None
        page = await shop.opens(browser)
        assert page.status == 401
        assert "您已退出登录" in page.words
        live = await shop.scene.world.node.store.login.sessions.live(
            "shops", now=shop.scene.world.clock.now()
        )
        assert live == []


async def test_an_operator_who_ends_a_session_ends_it_here(shop: Shop) -> None:
    browser = shop.scene.desktop(await shop.scene.person())
    await shop.opens(browser)
    await confirm_on_phone(shop.scene, browser)
    assert await shop.sees(browser, "/")

    login = shop.scene.world.node.login
    [session] = await shop.scene.world.node.store.login.sessions.live(
        "shops", now=shop.scene.world.clock.now()
    )
    await login.subjects.end(session.sid)
    await login.oidc.backchannel.settle()

    assert await shop.sees(browser, "/") is None


async def test_a_callback_that_wechat_calls_twice_ends_well_for_both(shop: Shop) -> None:
    await shop.scene.world.control("POST", "switches", {"double_callback": True})
    browser = shop.scene.wechat(await shop.scene.person())
    page = await shop.opens(browser)
    assert browser.doubled is not None
    assert (page.status, browser.doubled.status) == (200, 200)
    assert page.json["sub"] == browser.doubled.json["sub"]
    assert await shop.sees(browser) == page.json["sub"]
