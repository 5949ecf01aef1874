"""The provider's words and durations."""

from datetime import timedelta
from enum import StrEnum

CODE_LIVES = timedelta(seconds=60)
ACCESS_TOKEN_LIVES = timedelta(hours=1)
REFRESH_TOKEN_LIVES = timedelta(days=30)
"""Counted from the login: a refresh token that replaces another one lives no longer than that would have."""

ID_TOKEN_LIVES = timedelta(minutes=10)
LOGOUT_TOKEN_LIVES = timedelta(minutes=2)

CODE = "wxc_"
ACCESS_TOKEN = "wxat_"  # noqa: S105 - how ours begin
REFRESH_TOKEN = "wxrt_"  # noqa: S105 - how ours begin
RANDOM_BYTES = 32
"""Of a code or token: 43 characters."""

ALGORITHMS = ("RS256", "ES256")
"""What ID tokens can be signed with; the first is what every client understands."""

JS_CODE = "urn:wxgw:token-type:js-code"
"""The `subject_token_type` of what `wx.login` gives a mini program."""

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
BACKCHANNEL_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class GrantType(StrEnum):
    """What the token endpoint takes."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a name
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name


class ScopeName(StrEnum):
    """What a client can ask for."""

    OPENID = "openid"
    PROFILE = "profile"
    WECHAT = "wechat"
    OFFLINE_ACCESS = "offline_access"


def read_scope(text: str) -> frozenset[str]:
    """Read a scope as it is written: names with blanks between them."""
    return frozenset(text.split())


def write_scope(names: frozenset[str]) -> str:
    """Write a scope in a fixed order."""
    return " ".join(name for name in ScopeName if name in names)


def issuer_of(public_base_url: str, realm: str) -> str:
    """Make the issuer of a realm."""
    return f"{public_base_url}/oidc/{realm}"
