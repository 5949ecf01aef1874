"""What tokens and userinfo say of somebody, made from what WeChat proved and nothing else."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from wxgate.login.oidc.terms import (
    BACKCHANNEL_LOGOUT,
    ID_TOKEN_LIVES,
    LOGOUT_TOKEN_LIVES,
    ScopeName,
)
from wxgate.login.records import Acr, Client, Mode, Session, Subject
from wxgate.login.sessions import Shown
from wxgate.secret import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """One login as tokens tell of it; codes and grants carry it along, so they outlive the session's row."""

    sub: str
    sid: str
    auth_time: datetime
    acr: Acr
    mode: Mode
    app: str
    appid: str
    openid: str
    unionid: str | None = None

    @classmethod
    def of_session(cls, session: Session, proof: Shown | None = None) -> Self:
        """Tell of a session, by one of its proofs: that of the login, or the last silent one.

        Strength and age are never taken from different ones; without a word it is that of the login.
        """
        silently = proof is not None and proof.at > session.started_at
        return cls(
            session.sub,
            session.sid,
            proof.at if proof else session.started_at,
            proof.acr if proof else session.acr,
            Mode.SILENT if silently else session.mode,
            session.app,
            session.appid,
            session.openid,
            session.unionid,
        )

    @classmethod
    def of_data(cls, sub: str, sid: str, data: Mapping[str, str]) -> Self:
        """Read what `data` wrote."""
        return cls(
            sub,
            sid,
            datetime.fromtimestamp(int(data["auth_time"]), UTC),
            Acr(data["acr"]),
            Mode(data["mode"]),
            data["app"],
            data["appid"],
            data["openid"],
            data.get("unionid"),
        )

    def data(self) -> dict[str, str]:
        """Write everything but whose login it is."""
        values = {
            "auth_time": str(int(self.auth_time.timestamp())),
            "acr": self.acr.value,
            "mode": self.mode.value,
            "app": self.app,
            "appid": self.appid,
            "openid": self.openid,
            "unionid": self.unionid,
        }
        return {name: value for name, value in values.items() if value is not None}


def person(login: Login, subject: Subject, sub: str, scope: frozenset[str]) -> dict[str, Any]:
    """Tell of a person what the scope allows: the one form in which applications get it, by whatever way.

    There is never an address of mail: WeChat has none to give, and an invented one would be believed.
    """
    claims: dict[str, Any] = {
        "sub": sub,
        "auth_time": int(login.auth_time.timestamp()),
        "acr": login.acr.value,
        "amr": ["wechat", login.mode.value],
    }
    if ScopeName.PROFILE in scope:
        profile = {"name": subject.profile.nickname, "picture": subject.profile.avatar}
        claims |= {name: value for name, value in profile.items() if value}
        claims["updated_at"] = int(subject.updated_at.timestamp())
    if ScopeName.WECHAT in scope:
        claims |= {"wechat_openid": login.openid, "wechat_appid": login.appid}
        claims |= {"wechat_unionid": login.unionid} if login.unionid else {}
    return claims


def id_token(
    told: Mapping[str, Any],
    *,
    issuer: str,
    client: Client,
    sid: str,
    now: datetime,
    nonce: str | None = None,
    access_token: Secret | None = None,
) -> dict[str, Any]:
    """Make the claims of an ID token around what is told of a person (OpenID Connect Core 2)."""
    claims = {
        "iss": issuer,
        **told,
        "aud": client.id,
        "exp": int((now + ID_TOKEN_LIVES).timestamp()),
        "iat": int(now.timestamp()),
        "sid": sid,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["at_hash"] = at_hash(access_token)
    return claims


def logout_token(
    *, issuer: str, client: Client, sub: str, sid: str, now: datetime, jti: str
) -> dict[str, Any]:
    """Make the claims that tell a client of a session's end (Back-Channel Logout 2.4); it has no nonce."""
    return {
        "iss": issuer,
        "sub": sub,
        "aud": client.id,
        "iat": int(now.timestamp()),
        "exp": int((now + LOGOUT_TOKEN_LIVES).timestamp()),
        "jti": jti,
        "sid": sid,
        "events": {BACKCHANNEL_LOGOUT: {}},
    }


def at_hash(access_token: Secret) -> str:
    """Bind an ID token to its access token; all our algorithms hash with SHA-256."""
    return _base64url(sha256(access_token.reveal().encode("ascii")).digest()[:16])


def challenge_of(verifier: str) -> str:
    """Make the challenge of a PKCE verifier (S256)."""
    return _base64url(sha256(verifier.encode("ascii")).digest())


def pairwise_sub(client: Client, sub: str, key: Secret) -> str:
    """Name a subject for one sector only, so that two applications cannot join what they know of people."""
    named = f"{client.realm}\n{client.sector or client.id}\n{sub}"
    return "p_" + _base64url(hmac.digest(key.reveal().encode(), named.encode(), "sha256")[:24])


def pairwise_sid(client: Client, sid: str, key: Secret) -> str:
    """Name a session for one sector only: by a name they share, applications could join people as well."""
    named = f"sid\n{client.realm}\n{client.sector or client.id}\n{sid}"
    return "s_" + _base64url(hmac.digest(key.reveal().encode(), named.encode(), "sha256")[:24])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
