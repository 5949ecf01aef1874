"""Somebody on a computer logs in at an application elsewhere by WeChat's own page, and later thinks again."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests import harness
from tests.browser.looking import path_of, shooting
from tests.login.scene import CLIENT_SECRET, Scene, set_scene

pytestmark = pytest.mark.browser

shoot = shooting("login-handover", fits=True)


async def _back(_: Request) -> Response:
    return HTMLResponse("<h1>Back at the shop</h1>")


async def on_wechats_page(page: Page, start: str) -> str:
    """Begin to log in, and go to WeChat's own page; return the id of the code that it shows."""
    await page.goto(start)
    await page.get_by_role("link", name="No code to be seen?").click()
    await expect(page.get_by_role("img")).to_be_visible()
    assert path_of(page) == "/connect/qrconnect"
    return str(await page.get_by_role("img").get_attribute("src")).rpartition("/")[2]


async def test_wechats_own_page_leads_back_to_the_application_with_a_code_or_with_a_refusal(
    page: Page, gateway: harness.World, artifacts: Path
) -> None:
    scene: Scene = await set_scene(gateway)
    person = await scene.person("小明🌱")
    with harness.listen() as listener:
        site = f"http://shop.localhost:{listener.getsockname()[1]}"
        await gateway.node.store.login.realms.put_realm(replace(scene.realm, return_to=(site,)))
        async with harness.serving(Starlette(routes=[Route("/{rest:path}", _back)]), listener):
            asked = {"return_to": f"{site}/wechat?tab=2", "mode": "qr", "lang": "en"}

            uuid = await on_wechats_page(page, scene.start("site", state="first", **asked))
            await shoot(page, artifacts, "wechats-page")
            await scene.world.act("confirm_login", uuid=uuid, user=person)
            await expect(page.get_by_role("heading", name="Back at the shop")).to_be_visible()
            told = {name: value for name, [value] in parse_qs(urlsplit(page.url).query).items()}
            assert (path_of(page), told["tab"], told["state"]) == ("/wechat", "2", "first")
            redeemed = {
                "code": told["wx_code"],
                "return_to": asked["return_to"],
                "client_id": scene.client.id,
                "client_secret": CLIENT_SECRET.reveal(),
            }
            async with aiohttp.ClientSession() as session:
                answer = await session.post(gateway.url("/login/redeem"), data=redeemed)
                assert (answer.status, (await answer.json())["name"]) == (200, "小明🌱")

            again = scene.start("site", state="again", prompt="login", **asked)
            uuid = await on_wechats_page(page, again)
            await scene.world.act("confirm_login", uuid=uuid, user=person, accept=False)
            await page.wait_for_url("**error=access_denied**")
            await expect(page.get_by_role("heading", name="Back at the shop")).to_be_visible()
            told = {name: value for name, [value] in parse_qs(urlsplit(page.url).query).items()}
            assert (told["tab"], told["state"], "wx_code" in told) == ("2", "again", False)
