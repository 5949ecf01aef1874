"""A standard client logs people in without knowing of WeChat: Authlib's client, through a whole browser."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.login.scene import Scene
from tests.server.oidc.party import Party, Refused, answer_of, join
from wxgate.testing.browser import Browser


async def test_a_standard_client_logs_somebody_in_inside_wechat(scene: Scene, party: Party) -> None:
    found = await party.log_in(scene.wechat(await scene.person()))

    assert found.page.came_by("/connect/oauth2/authorize")
    assert found.claims["amr"] == ["wechat", "silent"]
    assert found.claims["acr"] == "urn:wxgw:silent"
    assert "name" not in found.claims
    assert (await party.userinfo(found.token["access_token"]))["sub"] == found.claims["sub"]


async def test_the_scope_profile_takes_a_consent_in_wechat_and_brings_the_nickname(
    scene: Scene, party: Party
) -> None:
    found = await party.log_in(
        scene.wechat(await scene.person("小明🌱")), "allow", scope="openid profile wechat"
    )

    told = await party.userinfo(found.token["access_token"])
    assert told["name"] == found.claims["name"] == "小明🌱"
    assert told["picture"].startswith("https://")
    assert (told["wechat_appid"], "email" in told) == (scene.own.appid, False)
    assert (told["acr"], told["amr"]) == ("urn:wxgw:consent", ["wechat", "consent"])


async def test_on_a_computer_a_qr_code_is_scanned(scene: Scene, party: Party) -> None:
    browser, person = scene.desktop(), await scene.person()
    await scene.world.control("POST", "switches", {"qr_poll_seconds": 0.01})

    page = await party.request(browser)
    assert urlsplit(page.url).path == "/connect/qrconnect"
    page = await scan(scene, browser, person)

    assert answer_of(page)["code"].startswith("wxc_")
    assert answer_of(page)["iss"] == party.metadata["issuer"]


async def test_wechats_page_speaks_the_language_of_the_browser_or_the_one_that_was_asked_for(
    scene: Scene, party: Party
) -> None:
    for lang, asked, expected in (
        ("en", {}, ["en"]),
        ("zh-CN", {}, []),
        ("en", {"ui_locales": "zh-CN"}, []),
        ("zh-CN", {"ui_locales": "en"}, ["en"]),
    ):
        page = await party.request(scene.desktop(lang=lang), **asked)
        assert parse_qs(urlsplit(page.url).query).get("lang", []) == expected, (lang, asked)


async def scan(scene: Scene, browser: Browser, person: str) -> object:
    """Scan the code on the open page and agree on the phone; the page then goes on by itself."""
    assert browser.page is not None
    uuid = re.findall(r"/connect/qrcode/(\w+)", browser.page.text)[0]
    state = parse_qs(urlsplit(browser.page.url).query)["state"][0]
    await scene.world.act("scan_login", uuid=uuid, user=person)
    await scene.world.act("confirm_login", state=state, accept=True)
    told = await browser.fetch(f"{scene.world.emulator.url}/connect/l/qrconnect?uuid={uuid}&last=404")
    code = re.findall(r"wx_code='(\w+)'", told.text)[0]
    return await browser.get(scene.world.url(f"/login/wechat/callback?code={code}&state={state}"))


async def test_whoever_says_no_is_told_of_to_the_client(scene: Scene, party: Party) -> None:
    with pytest.raises(Refused) as refused:
        await party.log_in(scene.wechat(await scene.person()), "refuse", scope="openid profile")
    assert refused.value.error == "access_denied"


async def test_a_snapshot_page_logs_nobody_in(scene: Scene, party: Party) -> None:
    with scene.wechat(await scene.person()).snapshot() as inside, pytest.raises(Refused) as refused:
        await party.log_in(inside)
    assert refused.value.error == "interaction_required"
    assert refused.value.answer["error_description"] == "wechat_snapshot"


async def test_a_session_that_is_there_answers_at_once_unless_a_fresh_login_is_asked_for(
    scene: Scene, party: Party
) -> None:
    browser = scene.wechat(await scene.person())
    first = await party.log_in(browser)
    second = await party.log_in(browser)

    assert not second.page.came_by("/connect/oauth2/authorize")
    assert (second.claims["sub"], second.claims["sid"]) == (first.claims["sub"], first.claims["sid"])
    third = await party.log_in(browser, prompt="login")
    assert third.page.came_by("/connect/oauth2/authorize")


async def test_a_proof_that_is_too_old_or_too_weak_is_renewed(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    first = await party.log_in(browser)
    await scene.world.advance(timedelta(minutes=10))

    aged = await party.log_in(browser, max_age=3600)
    assert aged.claims["auth_time"] == first.claims["auth_time"]
    fresh = await party.log_in(browser, max_age=300)
    assert fresh.claims["auth_time"] >= first.claims["auth_time"] + 600
    strong = await party.log_in(browser, "allow", acr_values="urn:wxgw:consent")
    assert strong.claims["acr"] == "urn:wxgw:consent"
    # To the client it is one login all along.
    assert strong.claims["sid"] == first.claims["sid"]
    assert await party.userinfo(first.token["access_token"])


async def test_a_fresh_proof_that_was_asked_for_is_the_one_that_is_told_of(
    scene: Scene, party: Party
) -> None:
    browser = scene.wechat(await scene.person())
    consented = await party.log_in(browser, "allow", acr_values="urn:wxgw:consent")
    await scene.world.advance(timedelta(days=1))

    fresh = await party.log_in(browser, prompt="login")
    assert fresh.claims["auth_time"] >= consented.claims["auth_time"] + 86400
    assert (fresh.claims["acr"], fresh.claims["amr"]) == ("urn:wxgw:silent", ["wechat", "silent"])
    # Who asks for nothing is told of the login.
    plain = await party.log_in(browser)
    assert (plain.claims["auth_time"], plain.claims["acr"]) == (
        consented.claims["auth_time"],
        "urn:wxgw:consent",
    )


async def test_prompt_none_shows_nothing_and_still_asks_wechat_where_that_is_silent(
    scene: Scene, party: Party
) -> None:
    found = await party.log_in(scene.wechat(await scene.person()), prompt="none")
    assert found.page.came_by("/connect/oauth2/authorize")
    for browser in (scene.desktop(), scene.phone()):
        with pytest.raises(Refused) as refused:
            await party.log_in(browser, prompt="none")
        assert refused.value.error == "login_required"


async def test_in_a_frame_nobody_is_sent_to_wechat(scene: Scene, party: Party) -> None:
    async with party.oauth(scope="openid") as oauth:
        url, state = oauth.create_authorization_url(
            party.metadata["authorization_endpoint"], code_verifier="v" * 43, prompt="none"
        )
    answer = await scene.world.fetch(
        url, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe", User_Agent=scene.wechat("x").agent
    )
    told = parse_qs(urlsplit(answer.location).query)
    assert answer.location.startswith(party.redirect_uri + "?")
    assert (told["error"], told["state"]) == (["login_required"], [state])


async def test_when_wechat_was_killed_the_next_login_is_one_invisible_hop(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    first = await party.log_in(browser)
    browser.kill_wechat()
    second = await party.log_in(browser)

    assert second.page.came_by("/connect/oauth2/authorize")
    assert (second.claims["sub"], second.claims["sid"]) == (first.claims["sub"], first.claims["sid"])


async def test_a_client_that_expects_somebody_is_not_given_somebody_else(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    first = await party.log_in(browser)
    hint = first.token["id_token"]
    assert (await party.log_in(browser, id_token_hint=hint)).claims["sub"] == first.claims["sub"]

    browser.switch_account(await scene.person("another"))
    with pytest.raises(Refused) as refused:
        await party.log_in(browser, id_token_hint=hint)
    assert refused.value.error == "login_required"
    with pytest.raises(Refused) as refused:
        await party.log_in(browser, id_token_hint=hint + "x")
    assert refused.value.error == "invalid_request"


async def test_a_client_chooses_the_app_that_its_people_log_in_by(scene: Scene, party: Party) -> None:
    browser = scene.wechat(await scene.person())
    own = await party.log_in(browser, scope="openid wechat")
    shop = await party.log_in(browser, scope="openid wechat", login_hint="app:shop")

    assert own.claims["wechat_appid"] == scene.own.appid
    assert shop.claims["wechat_appid"] == scene.shop.appid
    assert (await party.log_in(browser, login_hint="app:shop")).claims["sub"] == shop.claims["sub"]


@pytest.mark.parametrize(
    "fields",
    [{"public": True}, {"algorithm": "ES256"}, {"pairwise": True}],
    ids=["public", "ES256", "pairwise"],
)
async def test_every_kind_of_client_logs_in(scene: Scene, fields: dict[str, object]) -> None:
    party = await join(scene, **fields)
    found = await party.log_in(scene.wechat(await scene.person()))

    assert found.claims["aud"] == party.client.id
    assert (await party.userinfo(found.token["access_token"]))["sub"] == found.claims["sub"]
    assert found.claims["sub"].startswith("p_") == party.client.pairwise


async def test_authlib_refreshes_and_revokes(scene: Scene, party: Party) -> None:
    found = await party.log_in(scene.wechat(await scene.person()), scope="openid offline_access")
    async with party.oauth(token=found.token, scope="openid offline_access") as oauth:
        token = await oauth.refresh_token(party.metadata["token_endpoint"])
        assert token["refresh_token"] != found.token["refresh_token"]
        claims = await party.check(token["id_token"], token["access_token"], None)
        assert claims["sub"] == found.claims["sub"]
        answer = await oauth.revoke_token(party.metadata["revocation_endpoint"], token=token["refresh_token"])
        assert answer.status_code == 200
        answer = await oauth.get(party.metadata["userinfo_endpoint"], auth=None)
        assert answer.status_code == 401


async def test_an_app_that_is_not_authorised_any_more_is_told_of_as_unavailable(
    scene: Scene, party: Party
) -> None:
    await scene.world.add_fault("/sns/oauth2/component/access_token", "errcode", errcode=61003)
    with pytest.raises(Refused) as refused:
        await party.log_in(scene.wechat(await scene.person()), login_hint="app:shop")
    assert refused.value.error == "temporarily_unavailable"


async def test_when_wechat_calls_back_twice_each_answer_is_good_by_itself(scene: Scene, party: Party) -> None:
    """The same code twice would look like a theft to the token endpoint, and cost both logins."""
    await scene.world.control("POST", "switches", {"double_callback": True})
    browser = scene.wechat(await scene.person())
    page = await party.request(browser, code_verifier="v" * 43)

    assert browser.doubled is not None
    pages = (browser.doubled, page)
    assert all(answer_of(one)["state"] == answer_of(page)["state"] for one in pages)
    assert len(await scene.world.calls("/sns/oauth2/access_token")) == 1
    async with party.oauth(scope="openid") as oauth:
        tokens = [
            await oauth.fetch_token(
                party.metadata["token_endpoint"], code=answer_of(one)["code"], code_verifier="v" * 43
            )
            for one in pages
        ]
    told = [await party.userinfo(token["access_token"]) for token in tokens]
    assert told[0] == told[1]
