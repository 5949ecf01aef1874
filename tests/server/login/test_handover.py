"""The hand-over to applications without OpenID Connect: one-time codes, signed results, refusals."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.harness import Harness, listen, serving
from tests.login.scene import CLIENT_SECRET, Scene, set_scene
from tests.pushing import metric
from wxgate.login.records import Client
from wxgate.server.login.redeeming import FAILURES
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Site:
    """An application elsewhere that people go back to."""

    url: str
    back: str


async def _told(_: Request) -> Response:
    return PlainTextResponse("back at the application")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One world for the whole file: every test brings people of its own, so none sees another's."""
    async with Harness(tmp_path_factory.mktemp("scene")) as world:
        yield await set_scene(world)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(scene: Scene) -> AsyncIterator[Site]:
    """An application on the realm's list."""
    with listen() as listener:
        url = f"http://shop.localhost:{listener.getsockname()[1]}"
        realm = replace(scene.realm, return_to=(*scene.realm.return_to, url))
        await scene.world.node.store.login.realms.put_realm(realm)
        async with serving(Starlette(routes=[Route("/{rest:path}", _told)]), listener):
            yield Site(url, f"{url}/wechat?tab=2")


async def redeem(scene: Scene, site: Site, code: str, client: Client | None = None, **form: str) -> Page:
    """Redeem a code as the site's server."""
    asked = {"code": code, "return_to": site.back, **form}
    if "client_id" not in asked:
        asked |= {"client_id": (client or scene.client).id, "client_secret": CLIENT_SECRET.reveal()}
    async with aiohttp.ClientSession() as session:
        answer = await session.post(scene.world.url("/login/redeem"), data=asked)
        return Page(answer.status, str(answer.url), answer.headers, await answer.read())


async def log_in(scene: Scene, site: Site, browser: Browser | None = None, **query: str) -> dict[str, str]:
    """Log somebody in; return what the application is told in its address."""
    browser = browser or scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop", site.back, **query))
    assert page.url.startswith(site.url), page.words
    return page.query


async def test_a_code_comes_back_and_is_redeemed_for_who_it_is(scene: Scene, site: Site) -> None:
    person = await scene.person("小明🌱")
    browser = scene.wechat(person)
    await browser.get(scene.start("shop", site.back, state="of-the-app 1", nonce="n-1", mode="consent"))
    page = await browser.press("allow")
    told = page.query
    assert (told["tab"], told["state"]) == ("2", "of-the-app 1")
    assert told["wx_code"].startswith("wxc_")
    assert set(told) == {"tab", "state", "wx_code"}
    answer = await redeem(scene, site, told["wx_code"], return_to=site.back)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    known = answer.json
    assert known["sub"].startswith("u_")
    assert (known["name"], known["nonce"], known["acr"]) == ("小明🌱", "n-1", "urn:wxgw:consent")
    assert known["wechat_openid"] == await scene.openid(person, scene.shop)


async def test_a_code_is_good_once_whoever_is_first(scene: Scene, site: Site) -> None:
    told = await log_in(scene, site)
    answers = await asyncio.gather(*(redeem(scene, site, told["wx_code"]) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
    refused = next(answer for answer in answers if answer.status == 400)
    assert refused.json["error"] == "invalid_grant"


@pytest.mark.parametrize("asked", [{"max_age": "60"}, {"prompt": "login"}], ids=["max_age", "prompt"])
async def test_a_fresh_proof_that_was_asked_for_is_the_one_that_is_told_of(
    scene: Scene, site: Site, asked: dict[str, str]
) -> None:
    browser = scene.wechat(await scene.person())
    first = (await redeem(scene, site, (await log_in(scene, site, browser))["wx_code"])).json
    await scene.world.advance(timedelta(days=1))
    code = (await log_in(scene, site, browser, **asked))["wx_code"]
    assert (await redeem(scene, site, code)).json["auth_time"] >= first["auth_time"] + 86400
    result = (await log_in(scene, site, browser, result="signed", **asked))["wx_result"]
    keys = json.loads((await scene.world.fetch("/oidc/shops/jwks.json")).body)
    opened = jwt.decode(result, KeySet.import_key_set(keys), algorithms=["RS256"])
    assert opened.claims["auth_time"] >= first["auth_time"] + 86400


async def test_a_code_is_good_for_a_minute(scene: Scene, site: Site) -> None:
    told = await log_in(scene, site)
    await scene.world.advance(timedelta(seconds=61))
    assert (await redeem(scene, site, told["wx_code"])).json["error"] == "invalid_grant"


async def test_a_code_is_worth_nothing_once_the_person_has_logged_out(scene: Scene, site: Site) -> None:
    browser = scene.wechat(await scene.person())
    told = await log_in(scene, site, browser)
    await browser.get(scene.world.url("/login/logout"))
    await browser.press()
    assert (await redeem(scene, site, told["wx_code"])).json["error"] == "invalid_grant"


async def test_whoever_cannot_prove_to_be_a_client_is_told_nothing(scene: Scene, site: Site) -> None:
    realms = scene.world.node.store.login.realms
    before = await metric(scene.world, "wxgate_login_pages_total", page="redeem", result="invalid_client")
    stranger = replace(scene.client, id="wxcl_elsewhere000000", realm="others")
    await realms.put_realm(replace(scene.realm, name="others"))
    await realms.put_client(stranger)
    code = (await log_in(scene, site))["wx_code"]
    wrong = await redeem(scene, site, code, client_id=scene.client.id, client_secret="wxcs_" + "x" * 43)
    assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
    assert (await redeem(scene, site, code, client_id="wxcl_nobody", client_secret="x")).status == 401
    assert (await redeem(scene, site, code, client_id=scene.client.id)).status == 401
    assert (await redeem(scene, site, "", scene.client)).json["error"] == "invalid_request"
    # All of this came before the code, which is as good as new.
    assert (await redeem(scene, site, code)).status == 200
    code = (await log_in(scene, site))["wx_code"]
    assert (await redeem(scene, site, code, stranger)).json["error"] == "invalid_grant"
    refused = await metric(scene.world, "wxgate_login_pages_total", page="redeem", result="invalid_client")
    assert refused == before + 3


async def test_a_code_bound_to_a_challenge_needs_its_verifier(scene: Scene, site: Site) -> None:
    for verifier, status in ((VERIFIER, 200), ("w" * 43, 400), ("", 400)):
        told = await log_in(scene, site, code_challenge=CHALLENGE, code_challenge_method="S256")
        answer = await redeem(scene, site, told["wx_code"], code_verifier=verifier)
        assert answer.status == status, verifier
    # It stands for the address.
    told = await log_in(scene, site, code_challenge=CHALLENGE)
    answer = await redeem(scene, site, told["wx_code"], return_to="", code_verifier=VERIFIER)
    assert answer.status == 200
    # To send a verifier where none is due is a downgrade in disguise.
    told = await log_in(scene, site)
    assert (await redeem(scene, site, told["wx_code"], code_verifier=VERIFIER)).status == 400


async def test_a_client_without_a_secret_needs_a_challenge(scene: Scene, site: Site) -> None:
    public = replace(scene.client, id="wxcl_public000000000", secret_hash=None)
    await scene.world.node.store.login.realms.put_client(public)
    told = await log_in(scene, site)
    assert (await redeem(scene, site, told["wx_code"], client_id=public.id)).status == 400
    told = await log_in(scene, site, code_challenge=CHALLENGE, client_id=public.id)
    assert (
        await redeem(scene, site, told["wx_code"], client_id=public.id, code_verifier=VERIFIER)
    ).status == 200


async def test_a_code_for_one_client_is_no_other_clients(scene: Scene, site: Site) -> None:
    other = replace(scene.client, id="wxcl_other0000000000")
    await scene.world.node.store.login.realms.put_client(other)
    told = await log_in(scene, site, client_id=other.id)
    assert (await redeem(scene, site, told["wx_code"])).json["error"] == "invalid_grant"
    told = await log_in(scene, site, client_id=other.id)
    assert (await redeem(scene, site, told["wx_code"], other)).status == 200


async def test_a_code_is_only_for_the_address_the_login_was_for(scene: Scene, site: Site) -> None:
    told = await log_in(scene, site)
    assert (await redeem(scene, site, told["wx_code"], return_to=site.url)).json["error"] == "invalid_grant"


async def test_a_code_that_a_visitor_brought_to_one_site_logs_nobody_in_at_another(
    scene: Scene, site: Site
) -> None:
    """Whoever runs another site of the realm has its visitors' codes, and can come back to ours with them."""
    told = await log_in(scene, site)
    elsewhere = replace(site, back="http://other.localhost/wechat")
    assert (await redeem(scene, elsewhere, told["wx_code"])).json["error"] == "invalid_grant"
    told = await log_in(scene, site)
    careless = await redeem(scene, site, told["wx_code"], return_to="")
    assert (careless.status, careless.json["error"]) == (400, "invalid_request")
    assert (await redeem(scene, site, told["wx_code"])).status == 200


async def test_a_client_is_told_nicknames_only_with_the_scope_for_them(scene: Scene, site: Site) -> None:
    plain = replace(scene.client, id="wxcl_plain0000000000", scopes=frozenset({"openid"}))
    await scene.world.node.store.login.realms.put_client(plain)
    browser = scene.wechat(await scene.person("小红"))
    await browser.get(scene.start("shop", site.back, mode="consent"))
    page = await browser.press("allow")
    known = (await redeem(scene, site, page.query["wx_code"], plain)).json
    assert set(known) == {"sub", "auth_time", "acr", "amr"}


async def test_only_those_who_fail_to_be_a_client_are_asked_to_wait(scene: Scene, site: Site) -> None:
    client = replace(scene.client, id="wxcl_busy00000000000")
    await scene.world.node.store.login.realms.put_client(client)
    junk = "wxc_" + "j" * 43
    # Visitors bring a server as many codes of no worth as they please.
    answers = await asyncio.gather(*(redeem(scene, site, junk, client) for _ in range(2 * FAILURES)))
    assert {answer.status for answer in answers} == {400}
    assert (await redeem(scene, site, (await log_in(scene, site))["wx_code"], client)).status == 200
    wrong = {"client_id": client.id, "client_secret": "wxcs_" + "x" * 43}
    answers = await asyncio.gather(*(redeem(scene, site, junk, **wrong) for _ in range(3 * FAILURES)))
    assert {answer.status for answer in answers} == {401, 429}
    told = next(answer for answer in answers if answer.status == 429)
    assert told.json["error"] == "too_many"
    assert int(told.headers["Retry-After"]) >= 1
    # Another application of the same address is not held up.
    assert (await redeem(scene, site, (await log_in(scene, site))["wx_code"])).status == 200


async def test_a_client_with_its_own_names_for_people_gets_those_and_none_of_wechats(
    scene: Scene, site: Site
) -> None:
    private = replace(
        scene.client, id="wxcl_private00000000", pairwise=True, scopes=frozenset({"openid", "profile"})
    )
    await scene.world.node.store.login.realms.put_client(private)
    browser = scene.wechat(await scene.person())
    usual = (await redeem(scene, site, (await log_in(scene, site, browser))["wx_code"])).json
    own = (await redeem(scene, site, (await log_in(scene, site, browser))["wx_code"], private)).json
    assert own["sub"] != usual["sub"]
    assert "wechat_openid" in usual
    assert not [name for name in own if name.startswith("wechat_")]


async def test_a_signed_result_is_checked_with_the_published_keys(scene: Scene, site: Site) -> None:
    told = await log_in(scene, site, result="signed", nonce="n-2", state="s")
    published = json.loads((await scene.world.fetch("/oidc/shops/jwks.json")).body)
    opened = jwt.decode(told["wx_result"], KeySet.import_key_set(published), algorithms=["RS256"])
    now = scene.world.clock.now().timestamp()
    assert opened.header["typ"] == "wxgate-login+jwt"
    assert opened.claims["aud"] == site.url
    assert opened.claims["iss"] == scene.world.url("/oidc/shops")
    assert now < opened.claims["exp"] <= now + 61
    assert opened.claims["nonce"] == "n-2"
    assert opened.claims["sub"].startswith("u_")
    assert {"sid", "wechat_openid", "azp", "email"}.isdisjoint(opened.claims)


async def test_the_pages_of_a_pairwise_client_are_told_its_own_name_of_a_person(
    scene: Scene, site: Site
) -> None:
    login, browser = scene.world.node.login, scene.wechat(await scene.person())
    usual = (await redeem(scene, site, (await log_in(scene, site, browser))["wx_code"])).json["sub"]
    uris = (f"{site.url}/oidc/callback",)
    client = replace(scene.client, id="wxcl_private00000000", pairwise=True, redirect_uris=uris)
    await login.store.realms.put_client(client)
    own = await login.oidc.subjects.told_to(client, usual)
    for asked in ({}, {"client_id": scene.client.id}, {"client_id": client.id}):
        result = (await log_in(scene, site, browser, result="signed", **asked))["wx_result"]
        assert json.loads(base64.urlsafe_b64decode(result.split(".")[1] + "=="))["sub"] == own
    at = scene.world.url("/login/session?realm=shops")
    await browser.get(scene.world.url("/healthz"))
    assert (await browser.fetch(at, Origin=site.url)).json["sub"] == own
    assert (await browser.fetch(at)).json["sub"] == usual
    await login.store.realms.put_client(replace(client, redirect_uris=()))


async def test_a_page_beside_the_gateway_comes_back_without_a_code_and_asks_itself(
    scene: Scene, site: Site
) -> None:
    browser = scene.wechat(await scene.person())
    asked = urlencode({"app": "shop", "return_to": site.back})
    told = await browser.fetch(scene.world.url(f"/login/session?{asked}"), Origin=site.url)
    assert told.status == 401
    assert told.headers["Access-Control-Allow-Origin"] == site.url
    page = await browser.get(told.json["url"])
    assert page.url.startswith(site.url)
    assert page.query == {"tab": "2"}


async def test_a_refusal_reaches_the_application_with_its_state(scene: Scene, site: Site) -> None:
    browser = scene.wechat(await scene.person())
    back = site.url + "/wechat?error=old&wx_code=old"
    await browser.get(scene.start("shop", back, mode="consent", state="s-1"))
    page = await browser.press("refuse")
    assert page.url.startswith(site.url)
    assert page.query == {"error": "access_denied", "error_description": "wechat_cancelled", "state": "s-1"}


async def test_in_a_snapshot_the_person_is_told_and_not_the_application(scene: Scene, site: Site) -> None:
    with scene.wechat(await scene.person()).snapshot() as inside:
        page = await inside.get(scene.start("shop", site.back))
    assert urlsplit(page.url).path == "/login/ended/snapshot"


async def test_without_anything_to_show_the_application_is_told_what_is_missing(
    scene: Scene, site: Site
) -> None:
    page = await scene.desktop().get(scene.start("site", site.back, prompt="none", state="s"))
    assert page.query == {"tab": "2", "error": "login_required", "state": "s"}


async def test_a_fragment_of_the_address_stays_where_it_is(scene: Scene, site: Site) -> None:
    browser = scene.wechat(await scene.person())
    page = await browser.get(scene.start("shop", site.url + "/app#/orders"))
    last = page.hops[-1]
    assert last.endswith("#/orders")
    assert "wx_code" in parse_qs(urlsplit(last).query)
