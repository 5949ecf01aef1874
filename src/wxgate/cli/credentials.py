"""The credentials a platform or a direct account is set up with: checked, made, and changed without a gap."""

import re
import secrets
import string
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from wxgate.cli.arguments import ask_secret, read_secret
from wxgate.custody.records import PushCredentials
from wxgate.errors import ConfigError
from wxgate.protocol.aes import decode_key
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret

S = TypeVar("S", bound=Secret)

GENERATED_TOKEN_CHARS = 32
KEPT = 2
"""The current value and the one before: WeChat may push with either for a while after a change."""


@dataclass(frozen=True, slots=True)
class Given:
    """The credentials that a command was given, all of the right form."""

    secret: AppSecret | None
    token: PushToken | None
    aes_key: EncodingAESKey | None

    @classmethod
    def read(
        cls,
        secret: tuple[str | None, Path | None],
        token: tuple[str | None, Path | None],
        aes_key: tuple[str | None, Path | None],
        *,
        generate: bool,
    ) -> Self:
        """Read each from its option or its file and check it; make what is to be generated."""
        secret_text, token_text = read_secret("secret", *secret), read_secret("token", *token)
        key_text = read_secret("aes-key", *aes_key)
        return cls(
            AppSecret(secret_text) if secret_text else None,
            check_token(token_text) if token_text else make_token() if generate else None,
            check_aes_key(key_text) if key_text else make_aes_key() if generate else None,
        )

    def secret_or_ask(self) -> AppSecret:
        """Return the AppSecret, asking for it when it was not given."""
        return self.secret or AppSecret(ask_secret("secret", "AppSecret"))

    def token_or_ask(self) -> PushToken:
        """Return the token, asking for it when it was not given."""
        return self.token or check_token(ask_secret("token", "消息校验Token"))

    def aes_key_or_ask(self) -> EncodingAESKey:
        """Return the AES key, asking for it when it was not given."""
        return self.aes_key or check_aes_key(ask_secret("aes-key", "消息加解密Key"))

    def change(self, before: PushCredentials) -> PushCredentials:
        """Put new values in front of the old, which stay good until the next change."""
        return PushCredentials(
            _put_first(self.token, before.tokens), _put_first(self.aes_key, before.aes_keys)
        )


def check_appid(appid: str) -> str:
    """Refuse what cannot be an appid, before it is kept and turned into URLs."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{6,64}", appid):
        raise ConfigError(f"{appid!r} is no appid; one looks like wx0123456789abcdef")
    return appid


def check_token(token: str) -> PushToken:
    """Refuse a token WeChat's console would not take."""
    if not re.fullmatch(r"[A-Za-z0-9]{3,32}", token):
        raise ConfigError("the token (消息校验Token) is 3 to 32 letters and digits")
    return PushToken(token)


def check_aes_key(key: str) -> EncodingAESKey:
    """Refuse a key that is not 43 characters of base64; raises BadKey that says what is wrong."""
    decode_key(key)
    return EncodingAESKey(key)


def make_token() -> PushToken:
    """Make a token."""
    letters = string.ascii_letters + string.digits
    return PushToken("".join(secrets.choice(letters) for _ in range(GENERATED_TOKEN_CHARS)))


def make_aes_key() -> EncodingAESKey:
    """Make an EncodingAESKey of letters and digits only, as the console wants it."""
    while not (key := b64encode(secrets.token_bytes(32)).decode().rstrip("=")).isalnum():
        pass
    return EncodingAESKey(key)


def _put_first(new: S | None, old: Sequence[S]) -> tuple[S, ...]:
    if new is None:
        return tuple(old)
    return (new, *(value for value in old if value != new))[:KEPT]
