"""Merchants authorise by clicks in a real browser, through our pages and the emulator's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, Request, Route, expect

from tests.browser.looking import expect_to_fit, listen, shooting
from tests.harness import World
from wxgate.custody.records import LinkChoices
from wxgate.custody.renewing import HOLD_MOST

pytestmark = pytest.mark.browser

shoot = shooting("authorize")

WECHAT_ON_A_PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 MicroMessenger/8.0.49 NetType/WIFI Language/zh_CN"
)


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser complains of, such as a violated content security policy."""
    return listen(page)


@pytest.fixture
async def phone(browser: Browser) -> AsyncIterator[Page]:
    """WeChat's browser on a phone."""
    context = await browser.new_context(
        user_agent=WECHAT_ON_A_PHONE,
        viewport={"width": 375, "height": 780},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
    )
    yield await context.new_page()
    await context.close()


def entry(world: World, query: str = "") -> str:
    """Make the address of the entry page."""
    return world.url(f"/authorize/{world.platform.appid}{query}")


async def make_invite(world: World, return_url: str | None = None) -> str:
    """Make an invite for one use; return its address."""
    _, address = await world.node.links.invite(
        world.platform.appid,
        reference="tenant-7",
        choices=LinkChoices(),
        valid_for=timedelta(days=7),
        return_url=return_url,
    )
    return address


async def confirm(page: Page, nick_name: str) -> None:
    """Pick an account on WeChat's page and confirm."""
    await page.get_by_label(nick_name).check()
    await page.locator("button[type=submit]").click()


async def test_a_merchant_authorises_on_a_computer(
    page: Page, gateway: World, artifacts: Path, complaints: list[str]
) -> None:
    shop = await gateway.add_account("晨光咖啡馆", principal_name="上海晨光餐饮管理有限公司")
    await gateway.add_account("晨光外卖", kind="mini_program")
    await page.goto(entry(gateway))
    await shoot(page, artifacts, "entry-zh")
    await page.get_by_role("link", name="公众号", exact=True).click()
    await expect(page.get_by_role("link", name="公众号", exact=True)).to_have_attribute(
        "aria-current", "true"
    )
    await page.get_by_role("link", name="在电脑上授权").click()
    await expect(page.get_by_text("晨光外卖")).to_have_count(0)
    await shoot(page, artifacts, "wechat-pc")
    await page.get_by_label("群发与通知").uncheck()
    await confirm(page, "晨光咖啡馆")
    await expect(page.get_by_role("heading", name="授权成功")).to_be_visible()
    await expect(page.get_by_role("heading", name="晨光咖啡馆")).to_be_visible()
    await expect(page.get_by_text(shop["appid"])).to_be_visible()
    await expect(page.get_by_text("消息管理")).to_be_visible()
    await expect(page.get_by_text("群发与通知")).to_have_count(0)
    await page.wait_for_url("**/result/*")
    assert "auth_code" not in page.url
    await shoot(page, artifacts, "authorized-zh")
    assert complaints == []


async def test_a_merchant_authorises_on_a_phone(phone: Page, gateway: World, artifacts: Path) -> None:
    heard = listen(phone)
    await gateway.add_account("晨光外卖", kind="mini_program")
    await phone.goto(entry(gateway))
    await expect_to_fit(phone)
    await shoot(phone, artifacts, "phone-entry")
    await phone.get_by_role("link", name="用微信授权").tap()
    await phone.wait_for_url("**/wxaopen/safe/bindcomponent?*")
    await shoot(phone, artifacts, "wechat-h5")
    await confirm(phone, "晨光外卖")
    await expect(phone.get_by_role("heading", name="授权成功")).to_be_visible()
    await expect(phone.get_by_text("小程序", exact=True)).to_be_visible()
    await expect_to_fit(phone)
    await shoot(phone, artifacts, "phone-authorized")
    assert heard == []


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_entry_page_fits_every_screen(
    page: Page, gateway: World, artifacts: Path, width: int, lang: str
) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(entry(gateway, f"?lang={lang}&auth_type=6&category_id_list=1|7|11|15"))
    await expect_to_fit(page)
    await shoot(page, artifacts, f"entry-{lang}-{width}")


async def test_the_language_is_switched_by_a_click_and_the_choices_stay(page: Page, gateway: World) -> None:
    await page.goto(entry(gateway, "?auth_type=2"))
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", name="Authorise 云店通")).to_be_visible()
    await expect(page.get_by_role("link", name="Mini program")).to_have_attribute("aria-current", "true")
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_role("heading", name="授权给云店通")).to_be_visible()


async def test_wechat_learns_the_origin_of_a_click_and_nothing_more(page: Page, gateway: World) -> None:
    await gateway.add_account()
    seen: list[tuple[str, str | None]] = []

    async def note(request: Request) -> None:
        if request.is_navigation_request():
            seen.append((request.url, await request.header_value("referer")))

    page.on("request", note)
    await page.goto(await make_invite(gateway))
    await page.locator("#pc").click()
    await expect(page.get_by_text("晨光咖啡馆")).to_be_visible()
    referers = {urlsplit(url).path.rpartition("/")[2]: referer for url, referer in seen}
    assert referers["start"] == referers["componentloginpage"] == gateway.gateway_url + "/"


async def test_wechats_page_opened_without_a_click_is_refused_so_the_entry_page_matters(
    page: Page, gateway: World
) -> None:
    answer = await gateway.fetch(f"/authorize/{gateway.platform.appid}/start?kind=pc")
    await page.goto(answer.location)
    await expect(page.get_by_role("alert")).to_contain_text("授权入口页所在域名：空")


async def test_a_start_link_from_a_bookmark_is_led_to_the_entry_page(page: Page, gateway: World) -> None:
    await gateway.add_account()
    await page.goto(entry(gateway, "/start?kind=pc&auth_type=1"))
    assert page.url == entry(gateway, "?auth_type=1")
    await page.locator("#pc").click()
    await expect(page.get_by_text("晨光咖啡馆")).to_be_visible()


async def test_a_visitor_at_another_name_of_the_server_ends_up_at_the_public_one(
    page: Page, gateway: World
) -> None:
    await gateway.add_account()
    await page.goto(entry(gateway).replace("127.0.0.1", "localhost"))
    await page.locator("#pc").click()
    await page.wait_for_url(entry(gateway, "?auth_type=3"))
    await page.locator("#pc").click()
    await expect(page.get_by_text("晨光咖啡馆")).to_be_visible()


@pytest.mark.parametrize("order", ["push_first", "at_once", "redirect_first"])
@pytest.mark.parametrize("identical", [True, False], ids=["one_code", "two_codes"])
async def test_the_code_arrives_twice_in_any_order(
    page: Page, gateway: World, order: str, identical: bool
) -> None:
    switches = {"authorized_push": order, "codes_identical": identical, "redirect_head_start": 0.1}
    await gateway.control("POST", "switches", switches)
    account = await gateway.add_account()
    await page.goto(entry(gateway))
    await page.locator("#pc").click()
    await confirm(page, "晨光咖啡馆")
    await expect(page.get_by_text(account["appid"])).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="授权成功")).to_be_visible()
    if identical:
        assert len(await gateway.calls("/cgi-bin/component/api_query_auth")) == 1


async def test_a_merchant_who_returns_without_a_code_can_start_again(
    page: Page, gateway: World, artifacts: Path
) -> None:
    await gateway.add_account()
    await page.goto(entry(gateway))
    await page.locator("#pc").click()
    await page.wait_for_url("**/componentloginpage?*")
    return_address = parse_qs(urlsplit(page.url).query)["redirect_uri"][0]
    await page.goto(return_address)
    await expect(page.get_by_role("heading", name="没有完成授权")).to_be_visible()
    await shoot(page, artifacts, "cancelled")
    await page.get_by_role("link", name="重新开始授权").click()
    await page.locator("#pc").click()
    await confirm(page, "晨光咖啡馆")
    await expect(page.get_by_role("heading", name="授权成功")).to_be_visible()


async def test_an_invite_is_used_once(page: Page, gateway: World, artifacts: Path) -> None:
    account = await gateway.add_account()
    address = await make_invite(gateway)
    await page.goto(address)
    await shoot(page, artifacts, "invite")
    await page.locator("#pc").click()
    await confirm(page, "晨光咖啡馆")
    await expect(page.get_by_role("heading", name="授权成功")).to_be_visible()
    authorization = await gateway.node.authorizations.load(gateway.platform.appid, account["appid"])
    assert authorization is not None
    assert authorization.reference == "tenant-7"
    await page.goto(address)
    await expect(page.get_by_role("heading", name="链接已使用过")).to_be_visible()
    await shoot(page, artifacts, "used")


async def test_the_merchant_is_taken_on_to_the_tenants_own_site(
    page: Page, gateway: World, artifacts: Path
) -> None:
    arrived: list[Request] = []

    async def shop(route: Route) -> None:
        arrived.append(route.request)
        await route.fulfill(body="<h1>shop</h1>", content_type="text/html")

    await page.route("https://shop.example.com/**", shop)
    await gateway.add_account()
    await page.goto(await make_invite(gateway, return_url="https://shop.example.com/back"))
    await page.locator("#pc").click()
    await confirm(page, "晨光咖啡馆")
    await expect(page.get_by_role("link", name="返回继续")).to_be_visible()
    await shoot(page, artifacts, "authorized-onward")
    await expect(page.get_by_role("heading", name="shop")).to_be_visible()
    fields = parse_qs(urlsplit(arrived[0].url).query)
    assert (fields["state"], fields["reference"]) == (["authorized"], ["tenant-7"])
    assert await arrived[0].header_value("referer") is None


async def test_trouble_is_explained_to_the_operator(page: Page, gateway: World, artifacts: Path) -> None:
    closed = {"appid": gateway.platform.appid, "ip_whitelist": ["203.0.113.9"]}
    await gateway.control("POST", "platforms", closed)
    await page.goto(entry(gateway))
    await page.locator("#pc").click()
    await expect(page.get_by_role("heading", name="平台配置未完成")).to_be_visible()
    await page.get_by_text("给平台运营人员").click()
    await expect(page.get_by_text("微信看到的调用来源 127.0.0.1")).to_be_visible()
    await shoot(page, artifacts, "trouble")
    await gateway.control("POST", "platforms", {**closed, "ip_whitelist": None})
    await gateway.add_account()
    # However long that took: the gateway has tried by itself meanwhile, and holds back what fails for longer.
    await gateway.advance(HOLD_MOST)
    await page.get_by_role("link", name="再试一次").click()
    await page.locator("#pc").click()
    await expect(page.get_by_text("晨光咖啡馆")).to_be_visible()
