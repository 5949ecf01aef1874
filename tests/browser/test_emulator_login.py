"""The emulator's login pages in a real browser: consent on a phone, the QR page, wxLogin.js' frame."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tests.browser.looking import shooting
from wxgate.emulator.running import RunningEmulator
from wxgate.emulator.world import Account
from wxgate.testing.browser import WECHAT

pytestmark = pytest.mark.browser

shoot = shooting("emulator")

LANDED = "You are back"


class Site:
    """A site that embeds WeChat's QR code and is led back to."""

    def __init__(self) -> None:
        self.page = ""

    async def start(self) -> str:
        """Serve on a free port; return the address."""
        app = web.Application()
        app.router.add_get("/back", self._back)
        app.router.add_get("/embed", self._embed)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _back(self, request: web.Request) -> web.Response:
        return web.Response(text=f"<h1>{LANDED}</h1>", content_type="text/html")

    async def _embed(self, request: web.Request) -> web.Response:
        return web.Response(text=self.page, content_type="text/html")


@pytest.fixture
def site() -> Site:
    """A site that is not served yet."""
    return Site()


@pytest.fixture
async def back(site: Site) -> AsyncIterator[str]:
    """The site's address."""
    yield await site.start()
    await site.runner.cleanup()


@pytest.fixture
async def wechat() -> AsyncIterator[RunningEmulator]:
    """WeChat in a box with two people."""
    async with RunningEmulator() as emulator:
        emulator.world.put_user({"id": "ming", "nickname": "小明 🐱"})
        emulator.world.put_user({"id": "hong", "nickname": "小红"})
        yield emulator


@pytest.fixture
async def phone(browser: Browser) -> AsyncIterator[Page]:
    """WeChat's browser on a phone."""
    context = await browser.new_context(
        user_agent=WECHAT, viewport={"width": 375, "height": 780}, is_mobile=True, has_touch=True
    )
    yield await context.new_page()
    await context.close()


def query(account: Account, back: str, scope: str) -> str:
    """Write what a login link asks for."""
    return (
        f"?appid={account.appid}&redirect_uri={quote(f'{back}/back', safe='')}&response_type=code"
        f"&scope={scope}&state=s1"
    )


async def test_a_person_picks_who_they_are_and_allows(
    phone: Page, wechat: RunningEmulator, back: str, artifacts: Path
) -> None:
    shop = wechat.world.put_account({"nick_name": "街角面馆"})
    wechat.world.switches.change({"require_fragment": True})
    url = f"{wechat.url}/connect/oauth2/authorize{query(shop, back, 'snsapi_userinfo')}"
    await phone.goto(f"{url}#wechat_redirect")
    await shoot(phone, artifacts, "picker")
    await phone.get_by_role("button", name="小明").click()
    await expect(phone.get_by_role("heading", name="街角面馆")).to_be_visible()
    assert await phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await shoot(phone, artifacts, "consent")
    await phone.get_by_role("button", name="允许").click()
    await expect(phone.get_by_text(LANDED)).to_be_visible()
    landed = phone.url
    await phone.goto(url)
    await expect(phone.get_by_role("alert")).to_contain_text("#wechat_redirect")

    assert "/back?code=" in landed
    assert [each.user for each in wechat.world.logins.of_state("s1")] == ["ming"]


async def test_the_qr_page_follows_the_phone(
    page: Page, phone: Page, wechat: RunningEmulator, back: str, artifacts: Path
) -> None:
    site = wechat.world.put_account({"kind": "website", "nick_name": "网店"})
    await page.goto(f"{wechat.url}/connect/qrconnect{query(site, back, 'snsapi_login')}#wechat_redirect")
    await expect(page.get_by_role("img")).to_be_visible()
    await shoot(page, artifacts, "qr")
    uuid = wechat.world.qr_logins.all()[0].uuid
    await wechat.control("POST", "act/scan_login", {"uuid": uuid, "user": "ming"})
    await expect(page.get_by_role("status")).to_contain_text("扫描成功")
    await phone.goto(f"{wechat.url}/connect/confirm?uuid={uuid}")
    await phone.get_by_role("button", name="小红").click()
    await shoot(phone, artifacts, "confirm")
    await phone.get_by_role("button", name="同意").click()
    await expect(page.get_by_text(LANDED)).to_be_visible()

    assert "state=s1" in page.url
    assert [each.user for each in wechat.world.logins.of_state("s1")] == ["hong"]


@pytest.mark.parametrize("self_redirect", ["false", "true"])
async def test_the_frame_of_wx_login_js_leads_the_page_or_itself_back(
    page: Page, wechat: RunningEmulator, site: Site, back: str, artifacts: Path, self_redirect: str
) -> None:
    account = wechat.world.put_account({"kind": "website", "nick_name": "网店"})
    site.page = f"""<!doctype html><h1>Log in</h1><div id="here"></div>
        <script src="{wechat.url}/connect/zh_CN/htmledition/js/wxLogin.js"></script>
        <script>new WxLogin({{self_redirect: {self_redirect}, id: "here", appid: "{account.appid}",
          scope: "snsapi_login", redirect_uri: "{quote(f"{back}/back", safe="")}", state: "s1"}})</script>"""
    await page.goto(f"{back}/embed")
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_role("img")).to_be_visible()
    await shoot(page, artifacts, f"frame-{self_redirect}")
    if self_redirect == "true":
        await wechat.control("POST", "act/confirm_login", {"state": "s1", "user": "ming"})
        await expect(frame.get_by_text(LANDED)).to_be_visible()
        assert page.url.endswith("/embed")
    else:
        await wechat.control("POST", "act/confirm_login", {"state": "s1", "user": "ming"})
        await expect(page.get_by_role("heading", name=LANDED)).to_be_visible()
        assert "/back?code=" in page.url


async def test_refusing_after_the_scan_leads_back_without_a_code(
    page: Page, wechat: RunningEmulator, back: str
) -> None:
    site = wechat.world.put_account({"kind": "website"})
    await page.goto(f"{wechat.url}/connect/qrconnect{query(site, back, 'snsapi_login')}")
    refusal = {"state": "s1", "user": "ming", "accept": False}
    await wechat.control("POST", "act/confirm_login", refusal)
    await expect(page.get_by_text(LANDED)).to_be_visible()

    assert page.url == f"{back}/back?state=s1"
