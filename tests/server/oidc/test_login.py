"""A standard client logs people in without knowing of WeChat."""

import pytest

from tests.login.scene import Scene
from tests.server.oidc.party import Party, Refused, join


async def test_a_standard_client_logs_somebody_in_inside_wechat(scene: Scene, party: Party) -> None:
    found = await party.log_in(scene.wechat(await scene.person()))

    assert found.page.came_by("/connect/oauth2/authorize")
    assert found.claims["amr"] == ["wechat", "silent"]
    assert found.claims["acr"] == "urn:wxgw:silent"
    assert "name" not in found.claims
    assert (await party.userinfo(found.token["access_token"]))["sub"] == found.claims["sub"]


async def test_a_session_that_is_there_answers_at_once(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    first = await party.log_in(browser)
    second = await party.log_in(browser)

    assert not second.page.came_by("/connect/oauth2/authorize")
    assert second.claims["sub"] == first.claims["sub"]
    assert second.claims["sid"] == first.claims["sid"]
    third = await party.log_in(browser, prompt="login")
    assert third.page.came_by("/connect/oauth2/authorize")


async def test_a_public_client_needs_no_secret(scene: Scene) -> None:
    party = await join(scene, public=True)
    found = await party.log_in(scene.wechat(await scene.person()))
    assert found.claims["aud"] == party.client.id


async def test_an_ordinary_browser_is_not_logged_in_silently(scene: Scene, party: Party) -> None:
    with pytest.raises(Refused) as refused:
        await party.log_in(scene.desktop(), prompt="none")
    assert refused.value.error == "login_required"
