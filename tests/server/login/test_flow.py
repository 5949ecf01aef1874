"""Logging in from start to end, with WeChat in a box: in WeChat, on behalf and with an own secret."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness import Harness
from tests.login.scene import Scene, set_scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps."""
    async with Harness(tmp_path) as world:
        yield await set_scene(world)


@pytest.mark.parametrize("app", ["shop", "own"])
async def test_in_wechat_one_address_logs_in_without_a_word(scene: Scene, app: str) -> None:
    person = await scene.person()
    browser = scene.wechat(person)
    page = await browser.get(scene.start(app))
    assert page.status == 200
    assert _path(page.url) == "/healthz"
    assert page.came_by("/connect/oauth2/authorize")
    [session] = await scene.world.node.store.login.sessions.live("shops", now=scene.world.clock.now())
    assert session.app == app
    assert session.openid == await scene.openid(person, getattr(scene, app))
    page = await browser.get(scene.start(app))
    assert not page.came_by("/connect/oauth2/authorize")


@pytest.mark.parametrize("app", ["shop", "own"])
async def test_a_consent_brings_nickname_and_avatar(scene: Scene, app: str) -> None:
    browser = scene.wechat(await scene.person("小明🌱"))
    await browser.get(scene.start(app, mode="consent"))
    page = await browser.press("allow")
    assert _path(page.url) == "/healthz"
    [subject] = await scene.world.node.store.login.identities.subjects("shops")
    assert subject.profile.nickname == "小明🌱"
    assert subject.profile.avatar is not None
    assert subject.profile.avatar.startswith("https://")


def _path(url: str) -> str:
    return urlsplit(url).path
