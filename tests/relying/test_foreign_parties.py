"""Sites written by others log people in with WeChat, and notice nothing of WeChat."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.harness import Harness
from tests.login.scene import Scene, set_scene
from tests.relying.parties import PARTIES, Party, authlib_starlette, confirm_on_phone, openid_client

Serve = Callable[[Scene, Path], contextlib.AbstractAsyncContextManager[Party]]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps."""
    async with Harness(tmp_path) as world:
        yield await set_scene(world)


@pytest.mark.parametrize("serve", PARTIES, ids=lambda serve: serve.__name__)
async def test_somebody_logs_in_and_is_the_same_after_a_kill_of_wechat_and_on_a_computer(
    scene: Scene, tmp_path: Path, serve: Serve
) -> None:
    async with serve(scene, tmp_path) as party:
        person = await scene.person("小明🌱")
        browser = scene.wechat(person)
        await browser.get(party.begins)
        page = await browser.press("allow")
        assert page.status == 200, page.text
        sub = page.json["claims"]["sub"]
        assert page.json["userinfo"]["sub"] == sub
        assert page.json["userinfo"]["name"] == "小明🌱"
        assert "email" not in page.json["userinfo"]

        browser.kill_wechat()
        page = await browser.get(party.begins)
        assert page.status == 200, page.text
        assert page.json["claims"]["sub"] == sub
        assert page.came_by("/connect/oauth2/authorize"), "the gateway asks again whose phone it is"
        assert not page.forms, "and asks WeChat, not the person"

        computer = scene.desktop(person)
        await computer.get(party.begins)
        page = await confirm_on_phone(scene, computer)
        assert page.status == 200, page.text
        assert page.json["claims"]["sub"] == sub
        assert page.json["claims"]["acr"] == "urn:wxgw:scan"


@pytest.mark.parametrize("serve", [authlib_starlette, openid_client], ids=lambda serve: serve.__name__)
async def test_who_refuses_is_refused_in_words_that_the_site_understands(
    scene: Scene, tmp_path: Path, serve: Serve
) -> None:
    async with serve(scene, tmp_path) as party:
        browser = scene.wechat(await scene.person())
        await browser.get(party.begins)
        page = await browser.press("refuse")
        assert page.json["error"] == "access_denied"
