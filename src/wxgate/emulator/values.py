"""Opaque values in the forms seen in WeChat's own traffic, made from a random generator that is given.

The lengths and prefixes are those of published captures: a ticket is `ticket@@@` and 86 base64url
characters, an access token two digits, an underscore and 154 more characters, a rid three groups of eight
hex digits of which the first is the time of the call.
"""

import string
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

BASE64URL = string.ascii_letters + string.digits + "-_"
ALPHANUMERIC = string.ascii_letters + string.digits


class Values:
    """Makes values; two makers with the same seed give the same ones in the same order."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)
        self._msg_id = 24_000_000_000_000_000 + self._random.randrange(10**15)

    def _text(self, length: int, alphabet: str = BASE64URL) -> str:
        return "".join(self._random.choices(alphabet, k=length))

    def choose(self, items: Sequence[T]) -> T:
        """Choose one of several."""
        return self._random.choice(items)

    def _hex(self, length: int) -> str:
        return self._text(length, "0123456789abcdef")

    def appid(self) -> str:
        """Make an appid: `wx` and 16 hex digits."""
        return "wx" + self._hex(16)

    def user_name(self) -> str:
        """Make an original id (原始ID): `gh_` and 12 hex digits."""
        return "gh_" + self._hex(12)

    def openid(self) -> str:
        """Make an openid: 28 characters that start with `o`."""
        return "o" + self._text(27)

    def unionid(self) -> str:
        """Make a unionid: 28 characters that start with `o`."""
        return "o" + self._text(27)

    def app_secret(self) -> str:
        """Make an AppSecret: 32 hex digits."""
        return self._hex(32)

    def push_token(self) -> str:
        """Make a message verification token."""
        return self._text(16, ALPHANUMERIC)

    def aes_key(self) -> str:
        """Make an EncodingAESKey: 43 alphanumeric characters."""
        return self._text(43, ALPHANUMERIC)

    def ticket(self) -> str:
        """Make a component_verify_ticket."""
        return "ticket@@@" + self._text(86)

    def pre_auth_code(self) -> str:
        """Make a pre_auth_code."""
        return "preauthcode@@@" + self._text(64)

    def authorization_code(self) -> str:
        """Make an authorization_code."""
        return "queryauthcode@@@" + self._text(86)

    def refresh_token(self) -> str:
        """Make an authorizer_refresh_token."""
        return "refreshtoken@@@" + self._text(43)

    def access_token(self) -> str:
        """Make an access token of any kind; WeChat's do not tell them apart either."""
        return f"{self._random.randrange(10, 100)}_{self._text(154)}"

    def js_ticket(self) -> str:
        """Make a jsapi_ticket or wx_card ticket."""
        return self._text(86)

    def media_id(self) -> str:
        """Make a media_id."""
        return self._text(64)

    def msg_id(self) -> int:
        """Make a message id: a growing 64-bit number."""
        self._msg_id += self._random.randrange(1, 1000)
        return self._msg_id

    def nonce(self) -> str:
        """Make a nonce: a decimal number, as WeChat's."""
        return str(self._random.randrange(10**8, 2**31))

    def seal_random(self) -> bytes:
        """Make the 16 lower-case hex characters that open a sealed plaintext."""
        return self._hex(16).encode()

    def hint(self) -> str:
        """Make the identifier of the older `hint: [...]` suffix."""
        return self._text(6, ALPHANUMERIC) + self._text(8, string.digits)

    def rid(self, now: int) -> str:
        """Make a request id whose first group is the time of the call."""
        return f"{now:08x}-{self._hex(8)}-{self._hex(8)}"

    def visit(self) -> str:
        """Make the name of one visit to an authorization page."""
        return self._hex(32)

    def login_code(self) -> str:
        """Make a code of 网页授权: 32 characters that start with a zero."""
        return "0" + self._text(31, ALPHANUMERIC)

    def user_refresh_token(self) -> str:
        """Make the refresh_token of a user."""
        return f"{self._random.randrange(10, 100)}_{self._text(154)}"

    def session_key(self) -> str:
        """Make a mini program's session_key: 16 bytes in base64."""
        return self._text(21, ALPHANUMERIC) + self.choose("AQgw") + "=="

    def qr_uuid(self) -> str:
        """Make the name of a QR code on a login page."""
        return self._text(16, ALPHANUMERIC)

    def qr_ticket(self) -> str:
        """Make the ticket of a parametric QR code."""
        return "gQ" + self._text(94, ALPHANUMERIC)

    def qr_name(self) -> str:
        """Make the last part of a parametric QR code's address."""
        return "02" + self._text(22)
