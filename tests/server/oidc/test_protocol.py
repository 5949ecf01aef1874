"""The provider by the letter: every endpoint's answers, headers and errors, without a client library."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.login.scene import CLIENT_SECRET, REALM, Scene
from tests.server.oidc.party import Party, join
from wxgate.login.oidc.claims import challenge_of
from wxgate.testing.browser import Browser

VERIFIER = "v" * 43
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Said:
    """An answer to a program."""

    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def error(self) -> str:
        """Which error it is."""
        return str(self.document["error"])


@dataclass
class Line:
    """A plain line to the endpoints, and a browser of somebody who is logged in."""

    party: Party
    browser: Browser

    async def get(self, path: str, **headers: str) -> Said:
        """Get a path of the issuer."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, form: Any, *, auth: bool = True, **headers: str) -> Said:
        """Post a form, by default as the client."""
        named = {"content-type": FORM} | {name.replace("_", "-"): text for name, text in headers.items()}
        if auth:
            secret = f"{self.party.client.id}:{CLIENT_SECRET.reveal()}"
            named["authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        return await self.send("POST", path, body=body, headers=named)

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Said:
        """Send a request."""
        url = self.party.metadata["issuer"] + path
        named = {name.replace("_", "-"): text for name, text in (headers or {}).items()}
        http = self.party.scene.world.http
        async with http.request(method, url, data=body, headers=named, allow_redirects=False) as answer:
            text = await answer.text()
            document = json.loads(text) if "json" in answer.headers.get("content-type", "") else text
            return Said(answer.status, answer.headers, document)

    def request(self, **changed: str | None) -> str:
        """Make the address of an authorization request."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.party.client.id,
            "redirect_uri": self.party.redirect_uri,
            "scope": "openid",
            "state": "a state",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changed,
        }
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{self.party.metadata['authorization_endpoint']}?{query}"

    async def answer(self, **changed: str | None) -> dict[str, str]:
        """Send the browser with a request; return what it brought to the client."""
        page = await self.browser.get(self.request(**changed))
        assert page.url.startswith(self.party.redirect_uri), (page.status, page.url)
        return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}

    async def tokens(self, **changed: str | None) -> dict[str, Any]:
        """Log in and redeem the code."""
        said = await self.post("/token", self.grant((await self.answer(**changed))["code"]))
        assert said.status == 200, said.document
        document: dict[str, Any] = said.document
        return document

    def grant(self, code: str, **changed: str) -> dict[str, str]:
        """Make the form that redeems a code."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.party.redirect_uri,
            "code_verifier": VERIFIER,
            **changed,
        }


@pytest.fixture
async def line(scene: Scene) -> Line:
    """A client and somebody who is logged in."""
    made = Line(await join(scene), scene.wechat(await scene.person()))
    await made.answer()
    return made


async def test_discovery_tells_what_is_there(line: Line) -> None:
    metadata = line.party.metadata
    issuer = f"{line.party.scene.world.gateway_url}/oidc/{REALM}"

    assert metadata["issuer"] == issuer
    for name in ("authorization", "token", "userinfo", "revocation", "end_session"):
        assert metadata[f"{name}_endpoint"].startswith(issuer + "/")
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "none" not in json.dumps(metadata["id_token_signing_alg_values_supported"])
    assert (await line.get("/.well-known/openid-configuration")).headers["access-control-allow-origin"] == "*"
    keys = await line.get("/jwks.json")
    assert {key["use"] for key in keys.document["keys"]} == {"sig"}
    assert keys.headers["cache-control"] == "public, max-age=300"
    for path in ("/oidc/nobody/.well-known/openid-configuration", "/oidc/%00/jwks.json", "/oidc/é/token"):
        assert (await line.party.scene.world.fetch(path)).status in (404, 405)


async def test_answers_of_the_token_endpoint_are_kept_by_nobody(line: Line) -> None:
    code = (await line.answer())["code"]
    good = await line.post("/token", line.grant(code))
    bad = await line.post("/token", line.grant(code))

    assert (good.status, bad.status, bad.error) == (200, 400, "invalid_grant")
    for said in (good, bad):
        assert said.headers["cache-control"] == "no-store"
        assert said.headers["content-type"].startswith("application/json")


async def test_a_code_that_is_used_again_takes_its_tokens_with_it(line: Line) -> None:
    code = (await line.answer())["code"]
    tokens = (await line.post("/token", line.grant(code))).document
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await line.get("/userinfo", **bearer)).status == 200
    await line.post("/token", line.grant(code))
    assert (await line.get("/userinfo", **bearer)).status == 401


async def test_the_client_proves_itself_in_one_way(line: Line) -> None:
    """Client authentication mix: two ways, somebody else's name, a secret for nobody."""
    client, secret = line.party.client.id, CLIENT_SECRET.reveal()
    by_form = {"client_id": client, "client_secret": secret}

    async def redeem(auth: bool, **more: str) -> Said:
        return await line.post("/token", line.grant((await line.answer())["code"], **more), auth=auth)

    assert (await redeem(auth=True)).status == 200
    assert (await redeem(auth=False, **by_form)).status == 200
    assert (await redeem(auth=True, client_id=client)).status == 200
    assert (await redeem(auth=True, **by_form)).error == "invalid_request"
    assert (await redeem(auth=True, client_id="wxcl_another")).error == "invalid_request"
    wrong = [
        await redeem(auth=False),
        await redeem(auth=False, client_id=client),
        await redeem(auth=False, client_id=client, client_secret=secret[:-1]),
        await redeem(auth=False, client_id="wxcl_nobody", client_secret=secret),
        await redeem(auth=False, client_id="\u0000", client_secret=secret),
    ]
    for said in wrong:
        assert said.status in (400, 401)
        assert said.status == 400 or said.headers["www-authenticate"].startswith("Basic ")
    assert [said.error for said in wrong[:4]] == ["invalid_client"] * 4


async def test_what_the_token_endpoint_does_not_understand_is_said_in_its_own_words(line: Line) -> None:
    code = (await line.answer())["code"]
    cases: list[tuple[Any, dict[str, str], str]] = [
        ({"code": code}, {}, "invalid_request"),
        (line.grant(code) | {"grant_type": "password"}, {}, "unsupported_grant_type"),
        (line.grant(code) | {"grant_type": "client_credentials"}, {}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, {}, "invalid_request"),
        ({"grant_type": "refresh_token"}, {}, "invalid_request"),
        ([*line.grant(code).items(), ("code", code)], {}, "invalid_request"),
        (b"\xff\xfe=%ff", {}, "invalid_request"),
        (b"grant_type=%ff", {}, "invalid_request"),
        (b"{}", {"content_type": "application/json"}, "invalid_request"),
        (b"a=b&" * 100, {}, "invalid_request"),
    ]
    for form, headers, error in cases:
        said = await line.post("/token", form, **headers)
        assert (said.status, said.error) == (400, error), (form, said.document)
    assert (await line.post("/token", b"a=" + b"x" * 40_000)).status == 413
    assert (await line.send("GET", "/token")).status == 405
    # Nothing of it has spent the code.
    assert (await line.post("/token", line.grant(code))).status == 200


async def test_userinfo_takes_a_bearer_from_one_place(line: Line) -> None:
    token = (await line.tokens())["access_token"]
    bearer = {"authorization": f"Bearer {token}"}

    for said in (
        await line.get("/userinfo", **bearer),
        await line.post("/userinfo", b"", auth=False, **bearer),
        await line.post("/userinfo", {"access_token": token}, auth=False),
    ):
        assert said.status == 200
        assert said.headers["cache-control"] == "no-store"
        assert said.headers["access-control-allow-origin"] == "*"
    both = await line.post("/userinfo", {"access_token": token}, auth=False, **bearer)
    assert (both.status, both.error) == (400, "invalid_request")
    nothing = await line.get("/userinfo")
    assert nothing.status == 401
    assert "error" not in nothing.headers["www-authenticate"]
    in_query = await line.get(f"/userinfo?access_token={token}")
    assert in_query.status == 401
    for wrong in ("x", token[:-1] + ("A" if token[-1] != "A" else "B"), CLIENT_SECRET.reveal()):
        said = await line.get("/userinfo", authorization=f"Bearer {wrong}")
        assert said.status == 401
        assert 'error="invalid_token"' in said.headers["www-authenticate"]


async def test_a_token_of_one_realm_is_nothing_in_another(line: Line) -> None:
    world = line.party.scene.world
    await world.node.store.login.realms.put_realm(replace(line.party.scene.realm, name="other"))
    token = (await line.tokens())["access_token"]
    answer = await world.fetch("/oidc/other/userinfo", Authorization=f"Bearer {token}")
    assert answer.status == 401
    other = replace(line.party, metadata={**line.party.metadata, "issuer": world.url("/oidc/other")})
    code = (await line.answer())["code"]
    said = await Line(other, line.browser).post("/token", line.grant(code))
    assert (said.status, said.error) == (401, "invalid_client")


async def test_an_address_that_is_not_registered_is_told_to_the_person_and_to_nobody_else(line: Line) -> None:
    world = line.party.scene.world
    for changed in (
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": line.party.redirect_uri + "/../evil"},
        {"redirect_uri": None},
        {"client_id": "wxcl_nobody"},
        {"client_id": None},
    ):
        answer = await world.fetch(line.request(**changed))
        assert (answer.status, "location" in answer.headers) == (400, False), changed
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    doubled = await world.fetch(line.request() + "&redirect_uri=https%3A%2F%2Fevil.example")
    assert (doubled.status, "location" in doubled.headers) == (400, False)


async def test_a_refusal_names_the_issuer_and_gives_the_state_back(line: Line) -> None:
    """Mix-up: a client that talks to several providers can tell whose answer it is, of errors too."""
    for changed, error in (
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"request": "e30."}, "request_not_supported"),
        ({"request_uri": "https://shop.example/r"}, "request_uri_not_supported"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
    ):
        told = await line.answer(**changed)
        assert told["error"] == error
        assert (told["iss"], told["state"]) == (line.party.metadata["issuer"], "a state")
        assert "code" not in told
    good = await line.answer()
    assert (good["iss"], good["state"]) == (line.party.metadata["issuer"], "a state")


async def test_what_a_request_may_say_besides_does_no_harm(line: Line) -> None:
    for more in (
        {"display": "popup"},
        {"claims_locales": "zh"},
        {"ui_locales": "en"},
        {"claims": '{"userinfo":{"name":{"essential":true}}}'},
        {"acr_values": "1 2"},
        {"login_hint": "somebody@example.com"},
        {"extra": "foobar"},
        {"max_age": "10000"},
        {"response_mode": "query"},
        {"scope": "profile2 openid"},
        {"state": None},
    ):
        assert "code" in await line.answer(**more), more  # type: ignore[arg-type]


async def test_a_request_may_come_by_post(line: Line) -> None:
    page = await line.browser.get(line.party.scene.world.url("/healthz"))
    url, _, query = line.request().partition("?")
    page = await line.browser.submit(url, {name: values[0] for name, values in parse_qs(query).items()})
    assert page.url.startswith(line.party.redirect_uri + "?code=wxc_")


async def test_an_answer_is_kept_by_nobody_and_says_nothing_of_where_it_came_from(line: Line) -> None:
    jar = "; ".join(
        f"{one.name}={one.value}" for one in line.browser.jar.all() if one.name.startswith(("wxs", "wxp"))
    )
    answer = await line.party.scene.world.fetch(line.request(), Cookie=jar, User_Agent=line.browser.agent)
    assert (answer.status, answer.headers["cache-control"]) == (303, "no-store")
    assert answer.headers["referrer-policy"] == "no-referrer"
    head = await line.party.scene.world.fetch(line.request(), "HEAD", Cookie=jar)
    assert (head.status, "location" in head.headers) == (204, False)


async def test_pages_of_a_public_client_may_ask_for_tokens_and_no_others(scene: Scene) -> None:
    public = await join(scene, public=True, redirect_uris=("https://spa.example/callback",))
    line = Line(public, scene.wechat(await scene.person()))
    for path in ("/token", "/userinfo", "/jwks.json", "/.well-known/openid-configuration", "/revoke"):
        said = await line.send("OPTIONS", path, headers={"origin": "https://spa.example"})
        assert (said.status, said.headers["access-control-allow-origin"]) == (204, "*")
    form = {"token": "wxat_" + "x" * 43, "client_id": public.client.id}
    for origin, allowed in (("https://spa.example", True), ("https://evil.example", False)):
        said = await line.post("/revoke", form, auth=False, origin=origin)
        assert said.status == 200
        assert ("access-control-allow-origin" in said.headers) is allowed
    confidential = Line(await join(scene), line.browser)
    said = await confidential.post("/revoke", {"token": "x"}, origin="https://shop.localhost")
    assert (said.status, "access-control-allow-origin" in said.headers) == (200, False)


async def test_a_client_revokes_its_own_tokens_only(line: Line) -> None:
    token = (await line.tokens())["access_token"]
    other = Line(await join(line.party.scene, id="wxcl_other00000000000"), line.browser)

    assert (await other.post("/revoke", {"token": token})).error == "invalid_grant"
    assert (await line.get("/userinfo", authorization=f"Bearer {token}")).status == 200
    assert (await line.post("/revoke", {"token": token, "token_type_hint": "refresh_token"})).status == 200
    assert (await line.get("/userinfo", authorization=f"Bearer {token}")).status == 401
    assert (await line.post("/revoke", {"token": token})).status == 200
    assert (await line.post("/revoke", {"token": "wxat_nonsense"})).status == 200
    assert (await line.post("/revoke", {})).error == "invalid_request"
    assert (await line.post("/revoke", {"token": token}, auth=False)).error == "invalid_client"


async def test_every_request_is_counted(line: Line) -> None:
    await line.tokens()
    await line.post("/token", {"grant_type": "password"})
    await line.get("/userinfo", authorization="Bearer x")
    told = (await line.party.scene.world.fetch("/metrics")).text

    for endpoint, result in (
        ("authorize", "entered"),
        ("token", "ok"),
        ("token", "unsupported_grant_type"),
        ("userinfo", "invalid_token"),
        ("discovery", "ok"),
    ):
        assert f'wxgate_oidc_requests_total{{endpoint="{endpoint}",result="{result}"}}' in told


async def test_nothing_secret_is_written_to_the_log(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = await line.tokens(scope="openid offline_access")
    code = (await line.answer())["code"]
    await line.post("/token", line.grant(code))
    await line.post("/token", line.grant(code))
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    await line.post("/token", refresh)
    await line.post("/token", refresh)

    written = capsys.readouterr()
    for secret in (code, tokens["access_token"], tokens["refresh_token"], CLIENT_SECRET.reveal()):
        assert secret not in written.out + written.err
    assert "used_twice" in written.out + written.err
