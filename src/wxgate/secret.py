"""Values that must not be seen, and the one place where they are compared."""

import hmac
from typing import Self


def equal(left: str | bytes, right: str | bytes) -> bool:
    """Compare two values in constant time."""
    return hmac.compare_digest(_as_bytes(left), _as_bytes(right))


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


class Secret:
    """A string that prints as `****`; call `reveal()` at the point of use."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the hidden string."""
        return self._value

    @classmethod
    def of(cls, value: "str | Secret") -> Self:
        """Wrap a plain string, or re-wrap another secret as this kind."""
        return cls(value.reveal() if isinstance(value, Secret) else value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and equal(self._value, other._value)

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(****)"

    def __str__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return "****"


class AppSecret(Secret):
    """The AppSecret of a platform or a direct account."""


class PushToken(Secret):
    """The message verification token (消息校验Token) that signs pushes."""


class EncodingAESKey(Secret):
    """The 43 characters (消息加解密Key) that encrypt pushes and replies."""


class Ticket(Secret):
    """A component_verify_ticket."""


class AccessToken(Secret):
    """Any access token; the subclasses say whose."""


class ComponentToken(AccessToken):
    """A component_access_token."""


class AuthorizerToken(AccessToken):
    """An authorizer_access_token."""


class DirectToken(AccessToken):
    """An access token fetched with an account's own AppSecret."""


class RefreshToken(Secret):
    """An authorizer_refresh_token."""


class PreAuthCode(Secret):
    """A pre_auth_code that starts one authorization."""


class AuthorizationCode(Secret):
    """An authorization_code (auth_code) that is exchanged once."""
