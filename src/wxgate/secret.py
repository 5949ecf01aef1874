"""Values that must not be seen, and the one place where they are compared."""

import hmac
import re
import traceback
from hashlib import sha256
from typing import Self

HIDDEN = "****"

SECRET_FORMS = re.compile(
    r"(?:ticket|preauthcode|queryauthcode|refreshtoken)(?:@@@|%40%40%40)[A-Za-z0-9_-]+"
    r"|(?<=access_token=)[^&\s\"']+"
    r"|(?<=secret=)[^&\s\"']+"
    r"|(?<=[?&]code=)[^&\s\"']+"
    r"|(?<=js_code=)[^&\s\"']+"
    r"|\bwx(?:c|at|rt|cs)_[A-Za-z0-9_-]{43}"
    r"|\b\d{1,4}_[A-Za-z0-9_-]{60,}"
    r"|(?<=\bwxg_[0-9a-f]{12}_)[A-Za-z0-9_-]{20,}"
)


def equal(left: str | bytes, right: str | bytes) -> bool:
    """Compare two values in constant time."""
    return hmac.compare_digest(_as_bytes(left), _as_bytes(right))


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def encodable(text: str) -> str:
    """Escape what no file or database could take: half of a surrogate pair, as in a text cut by length."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def hide(text: str) -> str:
    """Replace everything in a text that has the form of a WeChat secret or of an API key.

    What comes out is shown and kept, so it can be encoded whatever came in.
    """
    return SECRET_FORMS.sub(HIDDEN, encodable(text))


def trace_of(error: BaseException) -> str:
    """Write where an error came from, without the values there: some loggers would print them all."""
    return hide("".join(traceback.format_exception(error)))


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
        return f"{type(self).__name__}({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN


def fingerprint(secret: Secret) -> str:
    """Name a secret of high entropy without keeping it."""
    return sha256(secret.reveal().encode()).hexdigest()


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


class JsTicket(AccessToken):
    """A jsapi_ticket or a wx_card api_ticket: signs pages and cards, and is kept like a token."""


class ApiKey(Secret):
    """An API key, as its holder shows it."""


class ClientSecret(Secret):
    """What a relying party shows at the token endpoint."""


class OAuthCode(Secret):
    """A code that WeChat gave a browser or a mini program: it says who somebody is, once, within minutes."""


class UserToken(AccessToken):
    """A person's access token, which a code was exchanged for; good for the sns API only."""


class UserRefreshToken(Secret):
    """The refresh token that comes with a UserToken."""


class SessionKey(Secret):
    """A mini program's session_key, which never leaves the gateway."""


class LoginState(Secret):
    """The `state` of one attempt to log in."""


class BrowserKey(Secret):
    """What a browser shows at its callback, so that nobody else can end an attempt that it began."""


class SessionId(Secret):
    """The id of a session, as the browser's cookie holds it."""


class Presence(Secret):
    """The value that lives as long as the browser's process: its loss tells that WeChat was restarted."""
