"""An OpenID provider in a few lines, to be asked without a network and to be told to lie.

It is written after the specifications, and shares nothing with the client it is to test.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from wxgate.clock import Clock
from wxgate.sdk.login.oidc import Fetch, Fetched

ISSUER = "https://gateway.example/oidc/shop"
CLIENT, SECRET = "wxcl_shop", "wxcs_secret"

RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"}, private=True)
NEXT_RSA = RSAKey.generate_key(2048, {"kid": "rsa-2", "use": "sig"}, private=True)
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"}, private=True)
SHARED = OctKey.import_key(SECRET * 4, {"kid": "rsa-1"})


@dataclass
class Issuer:
    """What the issuer knows and how it answers; `asked` lists what was fetched."""

    clock: Clock
    signing: Any = field(default_factory=lambda: RSA)
    algorithm: str = "RS256"
    published: list[Any] = field(default_factory=lambda: [RSA, EC])
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def fetch(self, request: Fetch) -> Fetched:
        """Answer a request, as the fetcher of a Login."""
        page = request.url.removeprefix(ISSUER)
        self.asked.append(page)
        if self.down:
            return Fetched(0)
        pages = {
            "/.well-known/openid-configuration": self._discovery,
            "/jwks.json": self._keys,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        status, document = pages[page](request)
        return Fetched(status, json.dumps(document).encode())

    def arrive(self, location: str, sub: str = "u_zhang", **claims: Any) -> dict[str, str]:
        """Let somebody be known at the authorization endpoint; return what comes back to the callback."""
        asked = self.read(location)
        code = f"wxc_{next(self.numbers)}"
        self.codes[code] = {"asked": asked, "sub": sub, "claims": claims, "spent": False}
        return {"code": code, "state": asked["state"], "iss": ISSUER}

    def refuse(self, location: str, error: str) -> dict[str, str]:
        """Refuse at the authorization endpoint; return what comes back to the callback."""
        return {"error": error, "state": self.read(location)["state"], "iss": ISSUER}

    def read(self, location: str) -> dict[str, str]:
        """Read what an address asks of the authorization endpoint."""
        url = urlsplit(location)
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/authorize", location
        return dict(parse_qsl(url.query, strict_parsing=True))

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """Sign a token."""
        header = {"alg": self.algorithm, "kid": self.signing.kid, "typ": typ}
        return jwt.encode(header, dict(claims), self.signing, algorithms=[self.algorithm])

    def logout_token(self, **claims: Any) -> str:
        """Make a logout token."""
        now = int(self.clock.now().timestamp())
        events = {"http://schemas.openid.net/event/backchannel-logout": {}}
        standard = {"iss": ISSUER, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "j1", "events": events}
        return self.sign({name: one for name, one in (standard | claims).items() if one is not None})

    def moment(self, at: datetime | None = None) -> int:
        """Write a moment as tokens have it."""
        return int((at or self.clock.now()).timestamp())

    def _discovery(self, _: Fetch) -> tuple[int, dict[str, Any]]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks.json"}
        names |= {"userinfo_endpoint": "userinfo", "end_session_endpoint": "logout"}
        return 200, {
            "issuer": ISSUER,
            **{name: f"{ISSUER}/{page}" for name, page in names.items()},
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def _keys(self, _: Fetch) -> tuple[int, dict[str, Any]]:
        return 200, {"keys": [key.as_dict(private=False) for key in self.published]}

    def _token(self, request: Fetch) -> tuple[int, dict[str, Any]]:
        form = request.form or {}
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if pair != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client"}
        known = self.codes.get(form["code"])
        if known is None or known["spent"]:
            return 400, {"error": "invalid_grant"}
        known["spent"] = True
        asked = known["asked"]
        assert asked["code_challenge_method"] == "S256"
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge.decode() != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        access_token, now = "wxat_1", self.moment()
        half = sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": known["sub"],
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "nonce": asked["nonce"],
            "acr": "urn:wxgw:silent",
            "sid": f"sid-of-{known['sub']}",
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        } | (self.claims | known["claims"])
        token = self.sign({name: one for name, one in claims.items() if one is not None})
        self.userinfo.setdefault("sub", known["sub"])
        return 200, {"id_token": token, "access_token": access_token, "token_type": "Bearer"}

    def _userinfo(self, request: Fetch) -> tuple[int, dict[str, Any]]:
        assert request.headers["authorization"] == "Bearer wxat_1"
        return 200, self.userinfo
