"""What credentials, appids and labels look like: checked before they are kept, and made where we may."""

import re
import secrets
import string
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from wxgate.custody.records import PushCredentials
from wxgate.errors import ConfigError
from wxgate.protocol.aes import decode_key
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret

S = TypeVar("S", bound=Secret)

GENERATED_TOKEN_CHARS = 32

KEPT = 2
"""The current value and the one before: WeChat may push with either for a while after a change."""

TAG = re.compile(r"[^\s,\x00-\x1f]{1,64}")
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def check_appid(appid: str) -> str:
    """Refuse what cannot be an appid, before it is kept and turned into URLs."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{6,64}", appid) or appid == DIRECT_ISSUER:
        raise ConfigError(f"{appid!r} is no appid; one looks like wx0123456789abcdef")
    return appid


def check_secret(secret: str) -> AppSecret:
    """Refuse an AppSecret that was cut out of a page with something around it."""
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", secret):
        raise ConfigError("the AppSecret is empty or has spaces or other characters that none has")
    return AppSecret(secret)


def check_token(token: str) -> PushToken:
    """Refuse a token WeChat's console would not take."""
    if not re.fullmatch(r"[A-Za-z0-9]{3,32}", token):
        raise ConfigError("the token (消息校验Token) is 3 to 32 letters and digits")
    return PushToken(token)


def check_aes_key(key: str) -> EncodingAESKey:
    """Refuse a key that is not 43 characters of base64; raises BadKey that says what is wrong."""
    decode_key(key)
    return EncodingAESKey(key)


def check_tag(tag: str) -> str:
    """Refuse what cannot be a tag."""
    if not TAG.fullmatch(tag):
        raise ConfigError(f"{tag!r} cannot be a tag: up to 64 characters without spaces and commas")
    return tag


def check_host(host: str) -> str:
    """Refuse what is no host name; return it in small letters."""
    if not HOST.fullmatch(host.lower()):
        raise ConfigError(f"{host!r} is no host name; write shop.example.com, without https:// and port")
    return host.lower()


def make_token() -> PushToken:
    """Make a token."""
    letters = string.ascii_letters + string.digits
    return PushToken("".join(secrets.choice(letters) for _ in range(GENERATED_TOKEN_CHARS)))


def make_aes_key() -> EncodingAESKey:
    """Make an EncodingAESKey of letters and digits only, as the console wants it."""
    while not (key := b64encode(secrets.token_bytes(32)).decode().rstrip("=")).isalnum():
        pass
    return EncodingAESKey(key)


def put_first(
    before: PushCredentials, token: PushToken | None = None, aes_key: EncodingAESKey | None = None
) -> PushCredentials:
    """Put new values in front of the old, which stay good until the next change."""
    return PushCredentials(_first(token, before.tokens), _first(aes_key, before.aes_keys))


def drop_previous(before: PushCredentials, *, token: bool, aes_key: bool) -> PushCredentials:
    """Leave only the current values."""
    if token:
        before = replace(before, tokens=before.tokens[:1])
    return replace(before, aes_keys=before.aes_keys[:1]) if aes_key else before


def _first(new: S | None, old: Sequence[S]) -> tuple[S, ...]:
    if new is None:
        return tuple(old)
    return (new, *(value for value in old if value != new))[:KEPT]
