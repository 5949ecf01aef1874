"""Logging out: at the gateway, at every client, and only by whoever may."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.cast import until
from tests.harness import Harness
from tests.login.oidc.test_backchannel import Application, application
from tests.login.scene import REALM, Scene, set_scene
from tests.server.oidc.party import Party, Refused, join
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps, of a gateway that may call applications on this machine."""
    async with Harness(tmp_path, subscriber_networks="127.0.0.0/8") as world:
        yield await set_scene(world)


async def log_out(party: Party, browser: Browser, **asked: str) -> Page:
    """Send a browser to log out, and back to the client."""
    query = {"post_logout_redirect_uri": party.client.post_logout_redirect_uris[0], **asked}
    return await browser.get(f"{party.metadata['end_session_endpoint']}?{urlencode(query)}")


async def works(party: Party, token: dict[str, Any]) -> bool:
    """Tell whether an access token is good."""
    bearer = f"Bearer {token['access_token']}"
    answer = await party.scene.world.fetch(party.metadata["userinfo_endpoint"], Authorization=bearer)
    return answer.status == 200


async def test_logged_out_at_one_client_is_logged_out_until_somebody_taps(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    found = await party.log_in(browser)
    page = await log_out(party, browser, id_token_hint=found.token["id_token"], state="a state")

    assert page.url.startswith(party.client.post_logout_redirect_uris[0] + "&state=a+state")
    assert not await works(party, found.token)
    page = await party.request(browser)
    assert urlsplit(page.url).path == f"/oidc/{REALM}/authorize"
    with pytest.raises(Refused):
        await party.log_in(browser, prompt="none")
    [link] = [link for link in page.links if "tap=" in link]
    page = await browser.click(link)
    assert page.came_by("/connect/oauth2/authorize")
    assert page.url.startswith(party.redirect_uri)


async def test_a_pairwise_client_ends_the_session_by_its_own_name_of_it(scene: Scene) -> None:
    async with application() as (app, url):
        party = await join(scene, pairwise=True, backchannel_logout_uri=url)
        browser = scene.wechat(await scene.person())
        found = await party.log_in(browser)
        page = await log_out(party, browser, id_token_hint=found.token["id_token"])
        assert page.url.startswith(party.client.post_logout_redirect_uris[0])
        [told] = await told_to(scene, app)

    assert (told["sub"], told["sid"]) == (found.claims["sub"], found.claims["sid"])
    assert not await works(party, found.token)


async def test_without_a_token_of_this_session_the_person_is_asked(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    found = await party.log_in(browser)
    page = await log_out(party, browser, client_id=party.client.id)

    assert urlsplit(page.url).path == f"/oidc/{REALM}/logout"
    assert await works(party, found.token)
    page = await browser.press()
    assert page.url.startswith(party.client.post_logout_redirect_uris[0])
    assert not await works(party, found.token)


async def test_a_form_of_another_site_ends_nothing(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    found = await party.log_in(browser)
    await browser.get(f"http://evil.example.localhost:{urlsplit(scene.world.gateway_url).port}/healthz")
    page = await browser.submit(party.metadata["end_session_endpoint"], {"csrf": "a guess"})
    assert page.status == 403
    page = await browser.submit(party.metadata["end_session_endpoint"], {"client_id": party.client.id})
    assert (page.status, urlsplit(page.url).path) == (200, f"/oidc/{REALM}/logout")

    assert await works(party, found.token)


async def test_an_id_token_from_a_log_ends_nobody_elsewhere(scene: Scene, party: Party) -> None:
    person = await scene.person()
    first = await party.log_in(scene.wechat(person))
    second = await party.log_in(scene.wechat(person))
    form = {"csrf": "a guess", "all": "1", "id_token_hint": first.token["id_token"]}
    async with aiohttp.ClientSession() as stranger:
        await stranger.post(party.metadata["end_session_endpoint"], data=form)
    assert (await works(party, first.token), await works(party, second.token)) == (False, True)

    await scene.world.advance(timedelta(hours=13))
    later = await party.log_in(scene.wechat(person))
    old = second.token["id_token"]
    await log_out(party, scene.wechat(await scene.person()), id_token_hint=old)
    live = await scene.world.node.store.login.sessions.by_sid(second.claims["sid"])
    assert live is not None
    assert live.ended_at is None
    assert await works(party, later.token)


async def test_nobody_is_sent_to_an_address_that_is_not_registered(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    found = await party.log_in(browser)
    elsewhere = replace(party.client, post_logout_redirect_uris=("https://evil.example/",))
    page = await log_out(replace(party, client=elsewhere), browser, id_token_hint=found.token["id_token"])

    assert (page.status, urlsplit(page.url).path) == (400, f"/oidc/{REALM}/logout")
    assert await works(party, found.token)


async def told_to(scene: Scene, app: Application) -> list[dict[str, Any]]:
    """Open what an application was told, once it was told anything."""
    await until(lambda: _is_there(app))
    await scene.world.node.login.oidc.backchannel.settle()
    keys = KeySet.import_key_set(await scene.world.node.login.keys.published(REALM))  # type: ignore[arg-type]
    return [dict(jwt.decode(token, keys, algorithms=["RS256"]).claims) for token in app.heard]


async def _is_there(app: Application) -> bool:
    return bool(app.heard)


async def test_the_other_clients_of_the_session_are_told(scene: Scene, party: Party) -> None:
    async with application() as (app, url):
        other = await join(scene, id="wxcl_other00000000000", backchannel_logout_uri=url)
        browser = scene.wechat(await scene.person())
        there = await other.log_in(browser)
        here = await party.log_in(browser, "allow", acr_values="urn:wxgw:consent")
        assert here.claims["sid"] == there.claims["sid"]

        await log_out(party, browser, id_token_hint=here.token["id_token"])
        [told] = await told_to(scene, app)

    assert (told["aud"], told["sid"]) == (other.client.id, there.claims["sid"])
    assert not await works(other, there.token)


async def test_another_person_at_the_phone_ends_the_first_ones_login_everywhere(scene: Scene) -> None:
    async with application() as (app, url):
        party = await join(scene, backchannel_logout_uri=url)
        browser = scene.wechat(await scene.person())
        first = await party.log_in(browser)
        browser.switch_account(await scene.person("another"))
        second = await party.log_in(browser)
        [told] = await told_to(scene, app)

    assert second.claims["sub"] != first.claims["sub"]
    assert (told["sub"], told["sid"]) == (first.claims["sub"], first.claims["sid"])
    assert (await works(party, first.token), await works(party, second.token)) == (False, True)


async def test_an_operator_who_ends_a_session_ends_it_at_the_clients(scene: Scene) -> None:
    async with application() as (app, url):
        party = await join(scene, backchannel_logout_uri=url)
        found = await party.log_in(scene.wechat(await scene.person()))
        await scene.world.node.login.subjects.end(found.claims["sid"])
        [told] = await told_to(scene, app)

    assert told["sid"] == found.claims["sid"]
    assert not await works(party, found.token)
