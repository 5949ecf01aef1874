"""A relying party's people in a real browser: logged in, logged out when they say so, told what is wrong."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, expect

from tests.browser.looking import path_of, shooting
from tests.harness import World
from tests.login.scene import set_scene
from tests.server.oidc.party import Party, join
from wxgate.login.oidc.claims import challenge_of
from wxgate.testing.browser import WECHAT

pytestmark = pytest.mark.browser

shoot = shooting("oidc", fits=True)


def asking(party: Party, **changed: str) -> str:
    """Make the address at which a client has somebody log in."""
    asked = {
        "response_type": "code",
        "client_id": party.client.id,
        "redirect_uri": party.redirect_uri,
        "scope": "openid",
        "state": "here",
        "code_challenge": challenge_of("v" * 43),
        "code_challenge_method": "S256",
        **changed,
    }
    return f"{party.metadata['authorization_endpoint']}?{urlencode(asked)}"


async def test_a_clients_people_log_in_and_out_in_wechat(
    browser: Browser, gateway: World, artifacts: Path
) -> None:
    scene = await set_scene(gateway)
    party = await join(scene)
    await scene.person("小明🌱")
    context = await browser.new_context(
        user_agent=WECHAT,
        viewport={"width": 375, "height": 780},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
    )
    page = await context.new_page()
    heard: list[str] = []
    page.on(
        "console", lambda message: heard.append(message.text) if "Security Policy" in message.text else None
    )

    await page.goto(asking(party))
    assert page.url.startswith(party.redirect_uri + "?code=wxc_")

    # Whoever shows no ID token has the person asked; the button leads all the way back to the client.
    leaving = {
        "client_id": party.client.id,
        "post_logout_redirect_uri": party.client.post_logout_redirect_uris[0],
        "state": "bye",
    }
    await page.goto(f"{party.metadata['end_session_endpoint']}?{urlencode(leaving)}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await shoot(page, artifacts, "logout-zh")
    await page.locator("form button").tap()
    await page.wait_for_url(f"{party.client.post_logout_redirect_uris[0]}&state=bye")

    # Logged out stays logged out, until a tap.
    await page.goto(asking(party))
    assert path_of(page).endswith("/authorize")
    await shoot(page, artifacts, "tap-zh")
    await page.locator("a.button").tap()
    await page.wait_for_url(f"{party.redirect_uri}?code=*")

    await page.goto(asking(party, redirect_uri="https://evil.example/"))
    assert path_of(page).endswith("/authorize")
    await page.locator("summary").tap()
    await expect(page.get_by_text("--redirect-uri")).to_be_visible()
    await shoot(page, artifacts, "bad-redirect-zh")
    assert heard == []
    await context.close()
