"""An application with our middleware in a real browser, on a phone: its cookies and the pages of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.looking import shooting
from tests.harness import World
from tests.login.scene import Scene, set_scene
from tests.relying.shop import Shop, open_shop
from wxgate.emulator.visitors import USER_HEADER
from wxgate.testing.browser import WECHAT
from wxgate.testing.cookies import Happening, survivors

pytestmark = pytest.mark.browser

shoot = shooting("login-middleware", fits=True)


@pytest.fixture
async def scene(gateway: World) -> Scene:
    """A realm with all its apps."""
    return await set_scene(gateway)


@pytest.fixture
async def shop(scene: Scene) -> AsyncIterator[Shop]:
    """The site of an application, on another host than the gateway."""
    async with open_shop(scene) as shop:
        yield shop


@pytest.fixture
async def phone(browser: Browser, scene: Scene) -> AsyncIterator[BrowserContext]:
    """WeChat's browser on somebody's phone."""
    person = await scene.person("小明")
    context = await browser.new_context(
        user_agent=WECHAT,
        viewport={"width": 375, "height": 780},
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
        extra_http_headers={USER_HEADER: person},
    )
    yield context
    await context.close()


async def befalls(phone: BrowserContext, happening: Happening) -> None:
    """Let something happen to the phone's cookies."""
    kept = survivors(await phone.cookies(), happening)
    await phone.clear_cookies()
    await phone.add_cookies(kept)


async def for_whom(page: Page, url: str) -> str:
    """Open a page of the shop and tell for whom it was made."""
    answer = await page.goto(url)
    assert answer is not None
    assert page.url.partition("#")[0] == url, await page.content()
    told: dict[str, str] = await answer.json()
    return told["sub"]


async def test_a_killed_wechat_and_two_tabs_are_not_noticed_and_a_logout_is(
    phone: BrowserContext, shop: Shop, artifacts: Path
) -> None:
    page, tab = await phone.new_page(), await phone.new_page()
    sub = await for_whom(page, f"{shop.url}/orders")
    assert sub
    await befalls(phone, Happening.KILL_WECHAT)
    assert await for_whom(page, f"{shop.url}/orders") == sub
    assert await for_whom(tab, f"{shop.url}/orders") == sub

    await page.goto(f"{shop.url}/wechat/logout")
    await shoot(page, artifacts, "logout")
    await page.get_by_role("button", name="退出登录").click()
    await expect(page).to_have_url(f"{shop.url}/")
    answer = await tab.goto(f"{shop.url}/orders")
    assert answer is not None
    assert answer.status == 401
    await expect(tab.get_by_role("heading")).to_have_text("您已退出登录")
    await shoot(tab, artifacts, "logged-out")


async def test_who_refuses_or_comes_back_in_vain_sees_a_page_and_a_button(
    phone: BrowserContext, shop: Shop, artifacts: Path
) -> None:
    page = await phone.new_page()
    await page.goto(f"{shop.url}/profile")
    await page.get_by_role("button", name="拒绝").click()
    await expect(page.get_by_role("heading")).to_have_text("您取消了登录")
    await shoot(page, artifacts, "cancelled")
    await page.get_by_role("link", name="用微信登录").click()
    await page.get_by_role("button", name="允许").click()
    await expect(page.get_by_text("小明")).to_be_visible()

    await phone.clear_cookies(name="wxlogin")
    await phone.add_cookies([{"name": "wxlogin-l", "value": "2", "url": shop.url}])
    await page.goto(f"{shop.url}/orders?lang=en")
    await expect(page.get_by_role("heading")).to_have_text("The login did not hold")
    await shoot(page, artifacts, "loop")
