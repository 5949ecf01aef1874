"""The provider described for clients (OpenID Connect Discovery 1.0, RFC 8414)."""

from typing import Any

from wxgate.login.oidc.terms import ALGORITHMS, GrantType, ScopeName, issuer_of
from wxgate.login.records import Acr

CLAIMS = (
    *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"),
    *("name", "picture", "updated_at", "wechat_openid", "wechat_appid", "wechat_unionid"),
)

AUTHENTICATION = ["client_secret_basic", "client_secret_post", "none"]


def describe(public_base_url: str, realm: str) -> dict[str, Any]:
    """Make the discovery document of a realm."""
    issuer = issuer_of(public_base_url, realm)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GrantType),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": AUTHENTICATION,
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION,
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(ScopeName),
        "claims_supported": list(CLAIMS),
        "claim_types_supported": ["normal"],
        "acr_values_supported": list(Acr),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["zh-CN", "en"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": False,
    }
