"""What tests of scan logins share: the screen with the code, the phone that scans it, and its chat."""

import re
from dataclasses import dataclass
from typing import Any

from tests.login.scene import Scene
from wxgate.login.records import App
from wxgate.testing.browser import Browser, Page


@dataclass(frozen=True, slots=True)
class Screen:
    """A browser that shows a code."""

    browser: Browser
    page: Page

    @property
    def id(self) -> str:
        """The id of the scan login."""
        return self._attribute("data-events").split("/")[3]

    @property
    def number(self) -> str:
        """The two digits on the screen."""
        found = re.search(r"<b>(\d\d)</b>", self.page.text)
        assert found is not None
        return found[1]

    async def state(self) -> str:
        """Ask what has become of the code, as the page does."""
        told = await self.browser.fetch(self._attribute("data-events"), Accept="application/json")
        return str(told.json.get("state") or told.json["error"])

    async def redeem(self) -> Page:
        """Ask for the session, as the page does."""
        return await self.browser.fetch(self._attribute("data-redeem"), "POST", Accept="application/json")

    def _attribute(self, name: str) -> str:
        found = re.search(f'{name}="([^"]+)"', self.page.text)
        assert found is not None, self.page.text
        return found[1]


async def show(scene: Scene, browser: Browser | None = None, app: str = "shop", **query: str) -> Screen:
    """Open a page with a code."""
    browser = browser or scene.desktop()
    return Screen(browser, await browser.get(scene.start(app, **({"mode": "scan"} | query))))


async def last_scene(scene: Scene) -> str:
    """Return what the last code of WeChat's says; on the screen it is a picture."""
    calls = await scene.world.calls("/cgi-bin/qrcode/create")
    return str(calls[-1]["body"]["action_info"]["scene"]["scene_str"])


async def scan(scene: Scene, person: str, app: App) -> list[dict[str, Any]]:
    """Let somebody scan the last code; the pushes are through on return."""
    name = await last_scene(scene)
    told: list[dict[str, Any]] = await scene.world.act("scan_qr", appid=app.appid, scene=name, user=person)
    return told


async def chat_link(scene: Scene, person: str, app: App) -> str:
    """Return the link in the last message that the account wrote to somebody."""
    openid = await scene.openid(person, app)
    seen = await scene.world.control("GET", f"inbox?appid={app.appid}&openid={openid}")
    found = re.search(r'<a href="([^"]+)"', seen[-1]["content"])
    assert found is not None, seen[-1]
    return found[1]
