"""Attacks on login from outside, each of a known kind, and that nothing comes of them."""

import asyncio
import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey

from tests.login.scene import CLIENT_SECRET, REALM, Scene
from tests.login_rules.visits import (
    WHO,
    another_realm,
    by_code,
    call_back,
    later,
    live,
    path_of,
    session_of,
    trip,
    visit,
)
from tests.server.oidc.party import Party, answer_of, join
from wxgate.login.handover import RESULT_TYPE
from wxgate.login.oidc.claims import challenge_of
from wxgate.server.login.cookies import CookieJar
from wxgate.testing.browser import WECHAT, Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERIFIER = "v" * 43

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\r\nLocation: https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "https://evil.example",
    "https://shop.example@evil.example",
    "https://shop.example:443@evil.example/",
    "https://shop.example\\@evil.example",
    "https://evil.example\\@shop.example",
    "https://evil.example#@shop.example",
    "https://evil.example?@shop.example",
    "https://evil.example/shop.example",
    "https://shop.example.evil.example",
    "https://evilshop.example",
    "https://shop.example%2eevil.example",
    "https://shop.example%00.evil.example",
    "https://shop.example\x00.evil.example",
    "https://shop.example\t.evil.example",
    "https://shop\u3002example.evil.example",
    "https://\u0455hop.example",
    "https://shop.example.",
    "https://shop.example:8443",
    "https://shop.example:0443@evil.example",
    "https://shop.example:",
    "https://[::1]@evil.example",
    "https://[shop.example]",
    "http://shop.example",
    "ftp://shop.example",
    "javascript:alert(1)//https://shop.example",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "https://",
    "https://shop.example/" + "x" * 2048,
]
"""Addresses that look like ours or like https://shop.example, and are neither."""


@dataclass(frozen=True)
class Told:
    """What the provider answers to a program."""

    status: int
    document: dict[str, Any]

    @property
    def error(self) -> str:
        """Its word for what is wrong, or ""."""
        return str(self.document.get("error", ""))


async def post(scene: Scene, url: str, form: Mapping[str, str], client: str = "", **headers: str) -> Told:
    """Send a form as a program, authenticated as a client of the scene's secret."""
    if client:
        pair = base64.b64encode(f"{client}:{CLIENT_SECRET.reveal()}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    async with scene.world.http.post(url, data=dict(form), headers=headers) as answer:
        return Told(answer.status, json.loads(await answer.read()))


def request_of(party: Party, **changed: str | None) -> str:
    """Make the address of an authorization request; None takes a parameter out."""
    asked: dict[str, str | None] = {
        "response_type": "code",
        "client_id": party.client.id,
        "redirect_uri": party.redirect_uri,
        "scope": "openid offline_access",
        "state": "of-the-client",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changed,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return f"{party.metadata['authorization_endpoint']}?{urlencode(given)}"


async def code_of(party: Party, browser: Browser, **changed: str | None) -> str:
    """Log somebody in for a client, and return the code."""
    return answer_of(await browser.get(request_of(party, **changed)))["code"]


async def redeem(party: Party, code: str, **changed: str | None) -> Told:
    """Redeem a code at the token endpoint."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": party.redirect_uri,
        "code_verifier": VERIFIER,
        **changed,
    }
    given = {name: value for name, value in form.items() if value is not None}
    return await post(party.scene, party.metadata["token_endpoint"], given, party.client.id)


async def is_good(party: Party, access_token: str) -> bool:
    """Tell whether userinfo takes a token."""
    answer = await party.scene.world.fetch(
        party.metadata["userinfo_endpoint"], Authorization=f"Bearer {access_token}"
    )
    return answer.status == 200


# Open redirects


async def test_a_login_leads_nowhere_but_to_the_list(scene: Scene) -> None:
    for address in ELSEWHERE:
        asked = urlencode({"return_to": address})
        answer = await scene.world.fetch(f"/login/wechat/shop?{asked}", User_Agent=WECHAT)
        assert (answer.status, "location" in answer.headers) == (400, False), address
        assert 'href="http' not in answer.text, address


async def test_an_answer_goes_to_a_registered_address_or_nowhere(scene: Scene) -> None:
    party = await join(scene, redirect_uris=("https://shop.example/callback",))
    near = [
        "https://shop.example/callback/",
        "https://shop.example/callback?x=1",
        "https://shop.example/Callback",
    ]
    near += [
        "https://shop.example/callback#",
        "https://shop.example/callback/../x",
        "https://shop.example//callback",
    ]
    for address in [*near, *ELSEWHERE]:
        answer = await scene.world.fetch(request_of(party, redirect_uri=address), User_Agent=WECHAT)
        assert (answer.status, "location" in answer.headers) == (400, False), address
    twice = request_of(party) + "&redirect_uri=https%3A%2F%2Fevil.example"
    answer = await scene.world.fetch(twice, User_Agent=WECHAT)
    assert (answer.status, "location" in answer.headers) == (400, False)


async def test_a_logout_leads_nowhere_but_to_the_list(scene: Scene) -> None:
    party = await join(scene, post_logout_redirect_uris=("https://shop.example/bye",))
    url = party.metadata["end_session_endpoint"]
    for address in ["https://shop.example/bye/", "https://shop.example/bye?x", *ELSEWHERE]:
        asked = urlencode({"client_id": party.client.id, "post_logout_redirect_uri": address})
        answer = await scene.world.fetch(f"{url}?{asked}", User_Agent=WECHAT)
        assert (answer.status, "location" in answer.headers) == (400, False), address
        if address.startswith("https://shop.example/bye"):
            continue  # The realm's own list has its whole site.
        body = urlencode({"realm": REALM, "return_to": address})
        form = {"data": body, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
        async with scene.world.http.post(
            scene.world.url("/login/logout"), allow_redirects=False, **form
        ) as gone:
            assert path_of(gone.headers["Location"]) == "/login/logged-out", address


async def test_no_page_links_to_what_its_address_brings_along(scene: Scene) -> None:
    for address in ELSEWHERE:
        query = urlencode({"app": "shop", "again": address, "back": address})
        for word in ("cancelled", "stranger", "expired_code"):
            page = await scene.world.fetch(f"/login/ended/{word}?{query}", User_Agent=WECHAT)
            hrefs = [part.partition('"')[0] for part in page.text.split('href="')[1:]]
            assert not [href for href in hrefs if not href.startswith(("?", "/login/", "data:"))], address
        told = await scene.world.fetch(f"{WHO}{REALM}&{urlencode({'return_to': address})}", User_Agent=WECHAT)
        if "\x00" in address:
            assert told.status == 400
            continue
        assert json.loads(told.body)["url"] == scene.world.url("/login/wechat/own"), address


# Whose login is it


async def test_neither_the_attackers_login_nor_the_victims_works_in_the_other_browser(scene: Scene) -> None:
    party = await join(scene)
    attacker, victim = await scene.person("马"), await scene.person("小明")
    for url in (scene.start("shop"), scene.start("own"), request_of(party, login_hint="app:shop")):
        theirs, mine = await trip(scene, attacker, url), await trip(scene, victim, url)
        for begun, browser in ((theirs, mine), (mine, theirs)):
            answer = await call_back(scene, begun, cookie=browser.cookie)
            assert path_of(answer.location) == "/login/ended/stranger"
            assert "set-cookie" not in answer.headers


async def test_an_attempt_that_is_done_is_nobody_elses_session(scene: Scene) -> None:
    begun = await trip(scene, await scene.person(), scene.start("shop"))
    assert (await call_back(scene, begun)).headers.getall("set-cookie")
    for cookie in ("", "wxa=" + "B" * 43):
        answer = await call_back(scene, begun, cookie=cookie)
        assert (path_of(answer.location), "set-cookie" in answer.headers) == ("/login/ended/stranger", False)


async def test_a_code_for_one_account_is_not_taken_for_another(scene: Scene) -> None:
    person, before = await scene.person(), await live(scene)
    shop, own = await trip(scene, person, scene.start("shop")), await trip(scene, person, scene.start("own"))
    query = {name: values[0] for name, values in parse_qs(urlsplit(shop.callback).query).items()}
    for change in ({"appid": own.state}, {"appid": scene.own.appid}, {"appid": ""}, {"appid": "\x00"}):
        asked = urlencode(query | change)
        answer = await scene.world.fetch(
            f"/login/wechat/callback?{asked}", User_Agent=WECHAT, Cookie=shop.cookie
        )
        assert path_of(answer.location) == "/login/ended/wrong_account", change
    mixed = urlencode({"code": query["code"], "state": own.state})
    answer = await scene.world.fetch(f"/login/wechat/callback?{mixed}", User_Agent=WECHAT, Cookie=own.cookie)
    assert path_of(answer.location) == "/connect/oauth2/authorize"
    assert await live(scene) == before


async def test_a_made_up_code_is_nobodys(scene: Scene) -> None:
    begun, before = await trip(scene, await scene.person(), scene.start("shop")), await live(scene)
    asked = {"state": begun.state, "appid": scene.shop.appid}
    forged = urlencode(asked | {"code": "001" + "x" * 29})
    answer = await scene.world.fetch(
        f"/login/wechat/callback?{forged}", User_Agent=WECHAT, Cookie=begun.cookie
    )
    # WeChat knows no such code: the login starts again, quietly, once.
    assert path_of(answer.location) == "/connect/oauth2/authorize"
    assert await live(scene) == before


async def test_a_state_that_was_tampered_with_finds_nothing(scene: Scene) -> None:
    begun, before = await trip(scene, await scene.person(), scene.start("shop")), await live(scene)
    state = begun.state
    changed = [
        "",
        "x",
        state[:-1],
        state + "x",
        state.swapcase(),
        state[::-1],
        "A" * 128,
        "A" * 129,
        "A" * 5000,
    ]
    changed += [f"{state}\x00", f" {state} x", f"{state}%", "状态" * 16, "' OR 1=1 --", f"scan {state}", "{}"]
    for other in changed:
        asked = urlencode({"code": "001abc", "state": other, "appid": scene.shop.appid})
        answer = await scene.world.fetch(
            f"/login/wechat/callback?{asked}", User_Agent=WECHAT, Cookie=begun.cookie
        )
        assert (answer.status, path_of(answer.location)) == (303, "/login/ended/unknown"), other
    await later(scene, timedelta(minutes=10, seconds=1))
    late = await call_back(scene, begun)
    assert path_of(late.location) == "/connect/oauth2/authorize"
    assert await live(scene) == before


async def test_a_session_that_was_planted_is_never_the_one_that_comes_of_a_login(scene: Scene) -> None:
    attacker = scene.wechat(await scene.person("马"))
    theirs = await visit(scene, attacker)
    for planted in ("A" * 43, attacker.cookie("wxs-shops")):
        victim = scene.wechat(await scene.person("小明"))
        cookie = attacker.cookie("wxs-shops")
        assert cookie is not None
        value = planted if isinstance(planted, str) else cookie.value
        victim.jar.put(replace(cookie, value=value))
        seen = await visit(scene, victim)
        now = victim.cookie("wxs-shops")
        assert now is not None
        assert (seen.asked, now.value != value, seen.sub != theirs.sub) == (1, True, True)
    # Whoever planted it has lost it.
    assert (await attacker.fetch(scene.world.url(WHO + REALM))).status == 401


async def test_every_login_by_a_proof_gets_a_new_session(scene: Scene) -> None:
    browser = scene.wechat(await scene.person())
    values = set()
    for mode in ("silent", "consent", "consent"):
        page = await browser.get(scene.start("shop", WHO + REALM, mode=mode, prompt="login"))
        if path_of(page) != "/login/session":
            await browser.press("allow")
        cookie = browser.cookie("wxs-shops")
        assert cookie is not None
        values.add(cookie.value)
    assert len(values) == 3


async def test_on_https_only_cookies_that_no_other_host_can_set_are_read() -> None:
    value = "A" * 43
    planted = {"wxs-shops": value, "wxp-shops": value, "wxa": value, "wxl": "9", "__Secure-wxs-shops": value}
    shown = CookieJar("https://gw.example").read(planted)
    assert (shown.browser_key, shown.loops) == (None, 0)
    assert not [held for held in shown.held.values() if held.session_id or held.presence or held.logged_out]


# Codes and tokens


async def test_a_code_is_good_once_and_its_tokens_go_when_it_is_shown_again(scene: Scene) -> None:
    party = await join(scene)
    code = await code_of(party, scene.wechat(await scene.person()))
    first = await redeem(party, code)
    assert await is_good(party, first.document["access_token"])
    assert (await redeem(party, code)).error == "invalid_grant"
    assert not await is_good(party, first.document["access_token"])
    refresh = {"grant_type": "refresh_token", "refresh_token": first.document["refresh_token"]}
    told = await post(scene, party.metadata["token_endpoint"], refresh, party.client.id)
    assert told.error == "invalid_grant"


async def test_of_many_who_redeem_a_code_at_once_one_is_told_at_most(scene: Scene) -> None:
    party = await join(scene)
    code = await code_of(party, scene.wechat(await scene.person()))
    told = await asyncio.gather(*(redeem(party, code) for _ in range(20)))
    assert sum(one.status == 200 for one in told) <= 1
    assert {one.error for one in told} <= {"", "invalid_grant"}


async def test_a_code_is_good_for_its_client_its_address_and_a_minute(scene: Scene) -> None:
    party, other = await join(scene), await join(scene, id="wxcl_another000000000")
    browser = scene.wechat(await scene.person())
    assert (await redeem(other, await code_of(party, browser))).error == "invalid_grant"
    wrong = f"{party.redirect_uri}?"
    assert (await redeem(party, await code_of(party, browser), redirect_uri=wrong)).error == "invalid_grant"
    assert (await redeem(party, await code_of(party, browser), redirect_uri=None)).error == "invalid_grant"
    late = await code_of(party, browser)
    await later(scene, timedelta(seconds=61))
    assert (await redeem(party, late)).error == "invalid_grant"


async def test_pkce_cannot_be_left_out_on_either_side(scene: Scene) -> None:
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    for verifier in (None, "", "w" * 43, challenge_of(VERIFIER), VERIFIER[:-1], VERIFIER + "v", "ü" * 43):
        told = await redeem(party, await code_of(party, browser), code_verifier=verifier)
        assert told.error == "invalid_grant", verifier
    for change in (
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
    ):
        answer = answer_of(await browser.get(request_of(party, **change)))
        assert answer["error"] == "invalid_request", change
    # A client that may do without: a challenge that was taken out on the way is noticed by the verifier.
    lax = await join(scene, id="wxcl_lax0000000000000", require_pkce=False)
    code = await code_of(lax, browser, code_challenge=None, code_challenge_method=None)
    assert (await redeem(lax, code)).error == "invalid_grant"


async def test_a_refresh_token_that_is_shown_twice_ends_its_family(scene: Scene) -> None:
    party = await join(scene)
    first = (await redeem(party, await code_of(party, scene.wechat(await scene.person())))).document

    async def refresh(token: str) -> Told:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await post(scene, party.metadata["token_endpoint"], form, party.client.id)

    second = (await refresh(first["refresh_token"])).document
    assert await is_good(party, second["access_token"])
    assert (await refresh(first["refresh_token"])).error == "invalid_grant"
    assert (await refresh(second["refresh_token"])).error == "invalid_grant"
    assert not await is_good(party, second["access_token"])


async def test_no_token_passes_for_another_kind(scene: Scene) -> None:
    party = await join(scene)
    told = (await redeem(party, await code_of(party, scene.wechat(await scene.person())))).document
    for token in (told["refresh_token"], told["id_token"], told["access_token"][:-1], "wxat_" + "A" * 43):
        assert not await is_good(party, token)
    for token in (told["access_token"], told["id_token"]):
        form = {"grant_type": "refresh_token", "refresh_token": token}
        refused = await post(scene, party.metadata["token_endpoint"], form, party.client.id)
        assert refused.error == "invalid_grant"


async def test_a_hand_over_and_openid_connect_do_not_take_each_others_codes(scene: Scene) -> None:
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    begun = await trip(scene, await scene.person(), scene.start("shop", "https://shop.example/back"))
    handed = parse_qs(urlsplit((await call_back(scene, begun)).location).query)["wx_code"][0]
    assert (await redeem(party, handed)).error == "invalid_grant"
    oidc = {"code": await code_of(party, browser), "code_verifier": VERIFIER}
    told = await post(scene, scene.world.url("/login/redeem"), oidc, party.client.id)
    assert (told.status, told.error) == (400, "invalid_grant")
    spent = {"code": handed, "return_to": "https://shop.example/back"}
    again = await post(scene, scene.world.url("/login/redeem"), spent, party.client.id)
    assert again.error == "invalid_grant"


async def test_what_one_realm_gives_is_worth_nothing_in_another(scene: Scene) -> None:
    await another_realm(scene, "mixup")
    here = await join(scene)
    there = await join(scene, id="wxcl_mixup00000000000", realm="mixup")
    found = await scene.world.fetch("/oidc/mixup/.well-known/openid-configuration")
    there = replace(there, metadata=json.loads(found.body))
    browser = scene.wechat(await scene.person())
    answers = [answer_of(await browser.get(request_of(party))) for party in (here, there)]
    assert [each["iss"] for each in answers] == [party.metadata["issuer"] for party in (here, there)]
    assert answers[0]["iss"] != answers[1]["iss"]
    # The client was led to the wrong token endpoint, by whichever of the two an attacker runs.
    code = answers[0]["code"]
    assert (await redeem(there, code)).error == "invalid_grant"
    at_the_other = replace(here, metadata=there.metadata)
    assert (await redeem(at_the_other, await code_of(here, browser))).error == "invalid_client"
    good = (await redeem(here, await code_of(here, browser))).document
    assert not await is_good(there, good["access_token"])
    page = await scene.world.fetch(request_of(replace(here, metadata=there.metadata)), User_Agent=WECHAT)
    assert (page.status, "location" in page.headers) == (400, False)


async def test_only_our_own_signatures_make_a_hint(scene: Scene) -> None:
    await another_realm(scene, "keys")
    party = await join(scene)
    browser = scene.wechat(await scene.person())
    token = (await redeem(party, await code_of(party, browser))).document["id_token"]
    head, payload, signature = token.split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, payload))
    keyring = scene.world.node.login.keys
    published = (await keyring.published(REALM))["keys"]
    public = next(key for key in published if key["kid"] == header["kid"])

    def sealed(changed: Mapping[str, Any], key: bytes | None) -> str:
        text = ".".join(
            encode(part) for part in (json.dumps({**header, **changed}).encode(), json.dumps(claims).encode())
        )
        return f"{text}.{encode(hmac.digest(key, text.encode(), 'sha256')) if key is not None else ''}"

    imported = RSAKey.import_key(public)
    forged = [
        sealed({"alg": "none"}, None),
        sealed({"alg": "None"}, None),
        sealed({"alg": "HS256"}, imported.as_pem(private=False)),
        sealed({"alg": "HS256"}, json.dumps(public).encode()),
        sealed({"alg": "HS256"}, b""),
        sealed({"alg": "HS256", "kid": "../../dev/null"}, b""),
        sealed({"jwk": {"kty": "oct", "k": ""}, "alg": "HS256"}, b""),
        await keyring.sign("keys", "RS256", claims),
        await keyring.sign(REALM, "RS256", claims, typ=RESULT_TYPE),
        f"{head}.{payload}.",
        f"{head}.{encode(json.dumps(claims | {'sub': 'u_other'}).encode())}.{signature}",
        f"{encode(json.dumps(header | {'kid': 'unknown'}).encode())}.{payload}.{signature}",
        token[:-10],
        "a.b.c",
        "." * 3,
        "x" * 9000,
    ]
    assert "code" in answer_of(await browser.get(request_of(party, id_token_hint=token)))
    for hint in forged:
        answer = await scene.world.fetch(request_of(party, id_token_hint=hint), User_Agent=WECHAT)
        assert parse_qs(urlsplit(answer.location).query)["error"] == ["invalid_request"], hint[:60]
        out = urlencode({"id_token_hint": hint})
        answer = await scene.world.fetch(f"{party.metadata['end_session_endpoint']}?{out}", User_Agent=WECHAT)
        assert answer.status == 400, hint[:60]


def encode(data: bytes) -> str:
    """Write bytes as JOSE does."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_who_a_client_is_has_to_be_proved(scene: Scene) -> None:
    party = await join(scene)
    public = await join(scene, id="wxcl_public0000000000", public=True)
    url, browser = party.metadata["token_endpoint"], scene.wechat(await scene.person())
    form = {"grant_type": "authorization_code", "code": "wxc_" + "A" * 43, "redirect_uri": party.redirect_uri}
    ids = {"client_id": party.client.id}
    for extra in ({}, ids, ids | {"client_secret": ""}, ids | {"client_secret": "wxcs_" + "x" * 43}):
        assert (await post(scene, url, form | extra)).error == "invalid_client", extra
    as_public = {"client_id": public.client.id, "client_secret": CLIENT_SECRET.reveal()}
    assert (await post(scene, url, form | as_public)).error == "invalid_client"
    # A public client's code is bound by its challenge alone, so it cannot do without.
    code = await code_of(public, browser)
    bare = {"grant_type": "authorization_code", "code": code, "redirect_uri": public.redirect_uri}
    told = await post(scene, url, bare | {"client_id": public.client.id})
    assert told.error == "invalid_grant"
    for header in (
        "Basic",
        "Basic x",
        "Basic " + base64.b64encode(b"\xff:\x00").decode(),
        "Bearer x",
        "Digest x",
    ):
        assert (await post(scene, url, form, Authorization=header)).status == 401, header


async def test_a_signed_result_names_its_addressee_and_is_short_lived(scene: Scene) -> None:
    begun = await trip(
        scene,
        await scene.person(),
        scene.start("shop", "https://shop.example/back", result="signed", nonce="n"),
    )
    result = parse_qs(urlsplit((await call_back(scene, begun)).location).query)["wx_result"][0]
    claims = await scene.world.node.login.keys.verify(REALM, result, typ=RESULT_TYPE)
    assert claims is not None
    assert (claims["aud"], claims["nonce"]) == ("https://shop.example", "n")
    assert claims["exp"] - claims["iat"] == 60
    assert await scene.world.node.login.keys.verify(REALM, result) is None


async def test_a_login_on_a_computer_is_bound_to_its_browser_too(scene: Scene) -> None:
    victim, attacker = scene.desktop(), scene.desktop()
    page = await attacker.get(scene.start("site", WHO + REALM))
    confirmed = await scene.world.control(
        "POST", "act/confirm_login", {"state": page.query["state"], "user": await scene.person("马")}
    )
    page = await victim.get(confirmed["leads_to"])
    assert path_of(page) == "/login/ended/stranger"
    assert victim.cookie("wxs-shops") is None
    assert (await by_code(scene, victim, await scene.person())).json["sub"]
    assert await session_of(scene, attacker) is None
