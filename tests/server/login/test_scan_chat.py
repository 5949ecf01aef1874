"""A scan in the chat: the account answers with a link ahead of the business, which hears of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cast import settle
from tests.harness import Harness, World
from tests.login.scene import Scene, set_scene
from wxgate.events.handlers import Handlers
from wxgate.events.records import EventQuery
from wxgate.login.records import App, Goal, Purpose, ScanState
from wxgate.login.scans import Shown, Step
from wxgate.secret import BrowserKey

SCREEN = BrowserKey("k" * 43)


@dataclass
class Chat:
    """A scene, and what the business's handler hears."""

    scene: Scene
    heard: list[Any] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The world it plays in."""
        return self.scene.world

    async def show(self, app: App) -> Shown:
        """Show a code of an app's account at a screen."""
        return await self.world.node.login.scans.begin(
            app, Goal(Purpose.PAGE, {"return_to": "/"}), browser_key=SCREEN, asked_by={"site": "晨光<商城>"}
        )

    async def scans(self, shown: Shown, person: str) -> dict[str, Any]:
        """Let somebody scan it; return the push of it."""
        pushes = await self.world.act("scan_qr", url=shown.url, user=person)
        first: dict[str, Any] = pushes[0]
        return first

    async def sees(self, app: App, person: str) -> str:
        """Return the last thing the account wrote to somebody."""
        openid = await self.scene.openid(person, app)
        seen = await self.world.control("GET", f"inbox?appid={app.appid}&openid={openid}")
        return str(seen[-1]["content"]) if seen else ""

    async def state(self, shown: Shown) -> ScanState:
        """Tell where a scan stands."""
        scan = await self.world.node.login.scans.load(shown.scan.id)
        assert scan is not None
        return scan.state


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    """A scene with a handler that answers everything."""
    handlers, heard = Handlers(), list[Any]()

    def answer(message: Any) -> str:
        heard.append(message)
        return "欢迎光临"

    handlers.add(("*",), answer)
    async with Harness(tmp_path, handlers=handlers) as world:
        yield Chat(await set_scene(world), heard)


@pytest.mark.parametrize("app", ["shop", "own"], ids=["on_behalf", "own_server"])
@pytest.mark.parametrize("follows", [True, False], ids=["follower", "somebody_new"])
async def test_who_scans_gets_a_link_and_the_business_hears_of_it(
    chat: Chat, app: str, follows: bool
) -> None:
    official: App = getattr(chat.scene, app)
    person = await chat.scene.person(follows=[official.appid] if follows else [])
    shown = await chat.show(official)
    push = await chat.scans(shown, person)
    await settle(chat.world)
    assert push["outcome"] == "reply"
    text = await chat.sees(official, person)
    link = chat.world.url(f"/login/scan/confirm/{shown.scan.id}")
    assert f'<a href="{link}">' in text
    assert shown.scan.number in text
    assert "晨光商城" in text
    assert await chat.state(shown) is ScanState.SCANNED
    [message] = chat.heard
    assert message.event == ("SCAN" if follows else "subscribe")
    [event] = await chat.world.node.store.event_log.find_events(EventQuery(names=(message.event,)))
    assert "gateway itself" in event.error


async def test_a_business_that_keeps_silent_does_not_silence_the_login(chat: Chat) -> None:
    await chat.world.node.replies.set("*", policy="silent")
    person = await chat.scene.person(follows=[chat.scene.shop.appid])
    await chat.scans(await chat.show(chat.scene.shop), person)
    assert "<a href" in await chat.sees(chat.scene.shop, person)


async def test_a_second_person_is_told_that_the_code_is_taken(chat: Chat) -> None:
    shop = chat.scene.shop
    ann, eve = [await chat.scene.person(follows=[shop.appid]) for _ in range(2)]
    shown = await chat.show(shop)
    await chat.scans(shown, ann)
    await chat.scans(shown, eve)
    assert "已被别人扫过" in await chat.sees(shop, eve)
    assert "<a href" not in await chat.sees(shop, eve)
    scan = await chat.world.node.login.scans.load(shown.scan.id)
    assert scan is not None
    assert scan.openid == await chat.scene.openid(ann, shop)


async def test_a_code_that_is_over_says_so(chat: Chat) -> None:
    shop = chat.scene.shop
    person = await chat.scene.person(follows=[shop.appid])
    shown = await chat.show(shop)
    await chat.scans(shown, person)
    scans = chat.world.node.login.scans
    scan = await scans.load(shown.scan.id)
    assert scan is not None
    await scans.decide(scan, Step.REFUSE, openid=await chat.scene.openid(person, shop))
    await chat.world.advance(timedelta(seconds=2))  # within a second it would be the same event
    await chat.scans(shown, person)
    assert "已失效" in await chat.sees(shop, person)


async def test_other_scans_are_the_businesss_own(chat: Chat) -> None:
    shop = chat.scene.shop
    person = await chat.scene.person(follows=[shop.appid])
    account = chat.world.node.calls.account(shop.appid, issuer=shop.issuer)
    made = await account.post(
        "/cgi-bin/qrcode/create",
        json={
            "expire_seconds": 60,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": "lg_" + "a" * 22}},
        },
    )
    await chat.world.act("scan_qr", url=made["url"], user=person)
    assert await chat.sees(shop, person) == "欢迎光临"
    assert len(chat.heard) == 1
