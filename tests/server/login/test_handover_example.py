"""The example of the guide, served and used: the classic flow of a site, through the gateway."""

import asyncio
import runpy
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest

from tests.login.scene import CLIENT_SECRET, Scene
from wxgate.testing.pages import Page

pytest.importorskip("flask")
pytest.importorskip("requests")

EXAMPLE = Path(__file__).parents[3] / "examples" / "login_handover.py"
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "login-handover.md"


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
async def site(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The example on a port of its own, on the realm's list."""
    server = WSGIServer(("127.0.0.1", 0), Quiet)
    url = f"http://localhost:{server.server_port}"
    settings = {
        "GATEWAY": scene.world.gateway_url,
        "SITE": url,
        "CLIENT_ID": scene.client.id,
        "CLIENT_SECRET": CLIENT_SECRET.reveal(),
        "SECRET_KEY": "any long text",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    server.set_app(runpy.run_path(str(EXAMPLE))["app"])
    await scene.world.node.store.login.realms.put_realm(replace(scene.realm, return_to=(url,)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield url
    await asyncio.to_thread(server.shutdown)
    thread.join()
    server.server_close()


def names(page: Page) -> set[str]:
    return set(page.json)


async def test_a_visitor_is_logged_in_and_the_site_knows_who_it_is(scene: Scene, site: str) -> None:
    person = await scene.person()
    browser = scene.wechat(person)
    page = await browser.get(f"{site}/me")
    assert (page.status, page.url) == (200, f"{site}/me")
    assert page.json["wechat_openid"] == await scene.openid(person, scene.shop)
    assert "sub" in names(page)
    page = await browser.get(f"{site}/me")
    assert page.hops == (f"{site}/me",)


async def test_a_visitor_gets_the_page_that_was_asked_for(scene: Scene, site: str) -> None:
    browser = scene.wechat(await scene.person())
    page = await browser.get(f"{site}/orders/7?tab=paid")
    assert (page.status, page.url) == (200, f"{site}/orders/7?tab=paid")
    assert page.json["order"] == 7
    assert f"{site}/wechat?" in " ".join(page.hops), "all of a site's pages come back to one address"


async def test_a_code_from_elsewhere_or_an_old_one_logs_nobody_in(scene: Scene, site: str) -> None:
    mallory = scene.wechat(await scene.person("马"))
    page = await mallory.get(f"{site}/me")
    [arrival] = [hop for hop in page.hops if "wx_code" in hop]
    victim = scene.wechat(await scene.person("小明"))
    for browser in (victim, mallory):
        page = await browser.get(arrival)
        assert page.status == 400
        assert "not started here" in page.text


async def test_a_refusal_is_a_message_with_status_400(scene: Scene, site: str) -> None:
    browser = scene.wechat(await scene.person())
    # The example asks silently; what WeChat sends back when a person says no is the same.
    page = await browser.get(f"{site}/me")
    await browser.get(scene.world.url("/login/logout"))
    await browser.press()
    browser.jar.remove("session")
    page = await browser.get(f"{site}/me")
    assert page.status == 200
    page = await browser.get(f"{site}/wechat?error=access_denied&state=forged")
    assert page.status == 400


@pytest.mark.parametrize("state", ["%C3%A9", ""])
async def test_a_state_of_no_login_is_refused_whatever_it_is(scene: Scene, site: str, state: str) -> None:
    browser = scene.wechat(await scene.person())
    page = await browser.get(f"{site}/wechat?wx_code=x&state={state}")
    assert page.status == 400
    assert "not started here" in page.text


def test_the_guide_shows_the_example_as_it_is() -> None:
    code = EXAMPLE.read_text("utf-8")
    shown = code[code.index("def to_wechat") :].strip()
    assert shown in GUIDE.read_text("utf-8")
