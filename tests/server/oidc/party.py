"""A relying party made of another implementation: Authlib speaks to us, a browser carries its person."""

import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlsplit

from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.login.scene import CLIENT_SECRET, REALM, Scene
from wxgate.login.records import Client
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page


@dataclass
class Party:
    """A client of the scene's realm."""

    scene: Scene
    client: Client
    metadata: dict[str, Any]

    @property
    def redirect_uri(self) -> str:
        """Where its answers go: a page that is there, so that a browser stops at it."""
        return self.client.redirect_uris[0]

    def oauth(self, **more: Any) -> AsyncOAuth2Client:
        """Make Authlib's client; PKCE and whatever else it does is its own."""
        secret = CLIENT_SECRET.reveal() if self.client.secret_hash else None
        method = "client_secret_basic" if secret else "none"
        return AsyncOAuth2Client(
            self.client.id,
            secret,
            token_endpoint_auth_method=more.pop("auth", method),
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            scope=more.pop("scope", "openid profile"),
            **more,
        )

    async def log_in(self, browser: Browser, *press: str, scope: str = "openid", **asked: Any) -> "LoggedIn":
        """Send a person to log in, who presses these buttons, and redeem the code that comes back."""
        verifier, nonce = generate_token(48), generate_token(20)
        async with self.oauth(scope=scope) as oauth:
            url, state = oauth.create_authorization_url(
                self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **asked
            )
            page = await browser.get(url)
            for button in press:
                page = await browser.press(button)
            answer = answer_of(page)
            assert answer.get("state") == state, (page.status, page.url, page.text)
            assert answer["iss"] == self.metadata["issuer"]
            if "error" in answer:
                raise Refused(answer)
            token = await oauth.fetch_token(
                self.metadata["token_endpoint"],
                authorization_response=urldefrag(page.url).url,
                code_verifier=verifier,
            )
        claims = await self.check(token["id_token"], token["access_token"], nonce)
        return LoggedIn(dict(token), claims, page)

    async def check(self, id_token: str, access_token: str, nonce: str | None) -> dict[str, Any]:
        """Check an ID token with Authlib's rules and the keys that are published."""
        keys = json.loads((await self.scene.world.fetch(self.metadata["jwks_uri"])).body)
        opened = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=[self.client.algorithm])
        claims = CodeIDToken(
            dict(opened.claims),
            dict(opened.header),
            {
                "iss": {"essential": True, "value": self.metadata["issuer"]},
                "aud": {"essential": True, "value": self.client.id},
                "auth_time": {"essential": True},
            },
            {"nonce": nonce, "client_id": self.client.id, "access_token": access_token},
        )
        claims.validate(now=int(self.scene.world.clock.now().timestamp()))
        return dict(claims)

    async def request(self, browser: Browser, **asked: Any) -> Page:
        """Send a person to log in, and see where that leads."""
        verifier = asked.pop("code_verifier", generate_token(48))
        async with self.oauth(scope=asked.pop("scope", "openid")) as oauth:
            url, _ = oauth.create_authorization_url(
                self.metadata["authorization_endpoint"], code_verifier=verifier, **asked
            )
        return await browser.get(url)

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        """Ask who somebody is."""
        token = {"access_token": access_token, "token_type": "Bearer"}
        async with self.oauth(token=token) as oauth:
            answer = await oauth.get(self.metadata["userinfo_endpoint"])
            answer.raise_for_status()
            return dict(answer.json())


@dataclass(frozen=True)
class LoggedIn:
    """What came of a login."""

    token: dict[str, Any]
    claims: dict[str, Any]
    page: Page


class Refused(Exception):
    """The answer to the client was a refusal."""

    def __init__(self, answer: dict[str, str]) -> None:
        super().__init__(answer)
        self.answer = answer
        self.error = answer["error"]


def answer_of(page: Page) -> dict[str, str]:
    """Read the parameters that a browser brought to the client."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def join(scene: Scene, **fields: Any) -> Party:
    """Register a client; its answers go to an address of its own where there is a page."""
    port = urlsplit(scene.world.gateway_url).port
    given: dict[str, Any] = {
        "id": "wxcl_party00000000000",
        "name": "another application",
        "redirect_uris": (f"http://shop.localhost:{port}/healthz",),
        "post_logout_redirect_uris": (f"http://shop.localhost:{port}/healthz?bye=1",),
    }
    if fields.pop("public", False):
        fields["secret_hash"] = None
    client = replace(scene.client, **given | fields)
    await scene.world.node.store.login.realms.put_client(client)
    found = await scene.world.fetch(f"/oidc/{REALM}/.well-known/openid-configuration")
    assert found.status == 200, found.text
    return Party(scene, client, json.loads(found.body))
