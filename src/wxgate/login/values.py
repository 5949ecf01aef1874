"""The values that login makes: states, keys, ids, codes and tokens, each of a form of its own."""

import base64
import string
from collections.abc import Callable
from typing import TypeAlias

from wxgate.secret import BrowserKey, LoginState, Presence, Secret, SessionId, fingerprint

Random: TypeAlias = Callable[[int], bytes]
"""Makes so many random bytes; os.urandom, but in tests."""

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

STATE_CHARACTERS = 32
"""190 bits; WeChat takes 128 characters, letters and digits alone."""


def make_state(random: Random) -> LoginState:
    """Make the state of an attempt."""
    return LoginState(base62(random, STATE_CHARACTERS))


def mark_of(state: LoginState) -> str:
    """Name an attempt where its state must not be read: a browser keeps a key under it."""
    return fingerprint(state)[:16]


def make_browser_key(random: Random) -> BrowserKey:
    """Make the key that a browser keeps from start to callback."""
    return BrowserKey(_url_safe(random, 32))


def make_session_id(random: Random) -> SessionId:
    """Make the id of a session."""
    return SessionId(_url_safe(random, 32))


def make_presence(random: Random) -> Presence:
    """Make a presence."""
    return Presence(_url_safe(random, 16))


def make_sid(random: Random) -> str:
    """Make the name by which applications know a session."""
    return "s_" + base62(random, 22)


def make_sub(random: Random) -> str:
    """Make the name by which applications know a person."""
    return "u_" + base62(random, 22)


def make_code(random: Random) -> Secret:
    """Make a code of ours."""
    return Secret("wxc_" + _url_safe(random, 32))


def base62(random: Random, length: int) -> str:
    """Write random letters and digits, each as likely as the next."""
    letters: list[str] = []
    while len(letters) < length:
        # 248 is the last multiple of 62 below 256: what lies above would favour the first letters.
        letters += [BASE62[byte % 62] for byte in random(length) if byte < 248]
    return "".join(letters[:length])


def _url_safe(random: Random, length: int) -> str:
    return base64.urlsafe_b64encode(random(length)).rstrip(b"=").decode()
