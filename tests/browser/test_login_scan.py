"""A login by scanning in real browsers: the screen follows by itself what the phone says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.looking import expect_to_fit, listen, shooting
from tests.harness import World
from tests.login.scanning import chat_link, scan
from tests.login.scene import Scene, set_scene
from wxgate.testing.browser import WECHAT

pytestmark = pytest.mark.browser

shoot = shooting("login-scan")


@pytest.fixture
async def scene(gateway: World) -> Scene:
    """A realm whose screens show codes."""
    return await set_scene(gateway)


@pytest.fixture
async def phone(browser: Browser) -> AsyncIterator[Page]:
    """WeChat's browser on a phone; whose it is, is the only person there."""
    context = await browser.new_context(
        user_agent=WECHAT,
        viewport={"width": 375, "height": 780},
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
    )
    yield await context.new_page()
    await context.close()


async def test_a_screen_goes_on_by_itself_when_the_phone_confirms(
    page: Page, phone: Page, scene: Scene, artifacts: Path
) -> None:
    heard, on_phone = listen(page), listen(phone)
    person = await scene.person(follows=[scene.shop.appid])
    await page.goto(scene.start("shop", "/login/done?app=shop", mode="scan"))
    await expect(page.get_by_text("请用微信扫一扫")).to_be_visible()
    await shoot(page, artifacts, "shown-zh")
    number = await page.locator(".number b").inner_text()
    await scan(scene, person, scene.shop)
    await expect(page.get_by_text("已扫码")).to_be_visible()
    await expect(page.get_by_text("请用微信扫一扫")).to_be_hidden()
    await shoot(page, artifacts, "scanned-zh")
    await phone.goto(await chat_link(scene, person, scene.shop))
    await expect(phone.locator(".number b")).to_have_text(number)
    await expect_to_fit(phone)
    await shoot(phone, artifacts, "question-zh")
    await phone.get_by_role("button", name="确认登录").tap()
    await expect(phone.get_by_role("heading", name="已确认")).to_be_visible()
    await shoot(phone, artifacts, "confirmed-zh")
    await page.wait_for_url("**/login/done?app=shop")
    await expect(page.get_by_role("heading")).to_be_visible()
    cookies = await page.context.cookies()
    assert any(cookie["name"].startswith("wxs-") for cookie in cookies)
    assert (heard, on_phone) == ([], [])


async def test_a_refusal_and_a_code_that_has_expired_offer_a_new_one(
    page: Page, phone: Page, scene: Scene, artifacts: Path
) -> None:
    person = await scene.person(follows=[scene.shop.appid])
    await page.set_viewport_size({"width": 1280, "height": 860})
    await page.goto(scene.start("shop", mode="scan", lang="en"))
    await scan(scene, person, scene.shop)
    await phone.goto(await chat_link(scene, person, scene.shop) + "?lang=en")
    await shoot(phone, artifacts, "question-en")
    await phone.get_by_role("button", name=re.compile("refuse")).tap()
    await expect(phone.get_by_role("heading", name="Refused")).to_be_visible()
    await expect(page.get_by_text("You refused this login")).to_be_visible()
    await shoot(page, artifacts, "refused-en")
    refused = await page.locator("#scan").get_attribute("data-events")
    await page.get_by_role("button", name="Get a new code").click()
    await expect(page.get_by_text("Scan this code with WeChat")).to_be_visible()
    await shoot(page, artifacts, "shown-en")
    await expect(page.locator("#scan")).not_to_have_attribute("data-events", refused or "")


async def test_a_screen_that_loses_the_answer_asks_for_it_again(
    page: Page, phone: Page, scene: Scene
) -> None:
    person = await scene.person(follows=[scene.shop.appid])
    lost = []

    async def lose(route: Route) -> None:
        if lost:
            await route.continue_()
            return
        lost.append(await route.fetch())  # the gateway has answered, and nobody hears it
        await route.abort()

    await page.route("**/redeem", lose)
    await page.goto(scene.start("shop", "/login/done?app=shop", mode="scan"))
    await scan(scene, person, scene.shop)
    await phone.goto(await chat_link(scene, person, scene.shop))
    await phone.get_by_role("button", name="确认登录").tap()
    await page.wait_for_url("**/login/done?app=shop")
    assert [answer.status for answer in lost] == [200]
    live = await scene.world.node.store.login.sessions.live("shops", now=scene.world.clock.now())
    assert sum(session.mode == "scan" for session in live) == 1
