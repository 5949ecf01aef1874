"""The cookies of login (LOGIN §6), written and read in one place.

    wxs-{realm}   the session          as long as the session may live
    wxp-{realm}   the presence         until the browser's process ends
    wxo-{realm}   logged out by hand   until the browser's process ends
    wxa           the browser's key    until the browser's process ends
    wxa-{mark}    the key of an attempt of a browser that had none    as long as an attempt
    wxl           hops without a tap   a minute

With https every name begins with `__Host-`, so that no other host, and no page that came unprotected, can
set it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from wxgate.login.attempts import LIFETIME
from wxgate.login.visits import Cookies, Held
from wxgate.secret import BrowserKey, Presence, SessionId

SESSION, PRESENCE, LOGGED_OUT, BROWSER_KEY, LOOPS = "wxs", "wxp", "wxo", "wxa", "wxl"

LOOP_SECONDS = 60

_REALM = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r"[A-Za-z0-9_-]{16,128}")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser shows."""

    held: Mapping[str, Held] = field(default_factory=dict)
    browser_key: BrowserKey | None = None
    loops: int = 0


class CookieJar:
    """Reads and writes the cookies for one public address."""

    def __init__(self, public_base_url: str) -> None:
        self._secure = public_base_url.startswith("https://")
        self._prefix = "__Host-" if self._secure else ""

    def name(self, kind: str, realm: str = "") -> str:
        """Return the full name of a cookie."""
        return f"{self._prefix}{kind}-{realm}" if realm else f"{self._prefix}{kind}"

    def read(self, cookies: Mapping[str, str]) -> Shown:
        """Read what a request shows; what is malformed is not there."""
        held: dict[str, Held] = {}
        for name in cookies:
            kind, _, realm = name.removeprefix(self._prefix).partition("-")
            if kind in (SESSION, PRESENCE, LOGGED_OUT) and _REALM.fullmatch(realm) and realm not in held:
                session = self._value(cookies, SESSION, realm)
                presence = self._value(cookies, PRESENCE, realm)
                held[realm] = Held(
                    SessionId(session) if session else None,
                    Presence(presence) if presence else None,
                    cookies.get(self.name(LOGGED_OUT, realm)) == "1",
                )
        key = self._value(cookies, BROWSER_KEY)
        loops = cookies.get(self.name(LOOPS), "")
        return Shown(
            held, BrowserKey(key) if key else None, int(loops) if re.fullmatch("[0-9]", loops) else 0
        )

    def key_of(self, cookies: Mapping[str, str], attempt: str) -> BrowserKey | None:
        """Read the key that a browser keeps for one attempt."""
        key = self._value(cookies, BROWSER_KEY, attempt)
        return BrowserKey(key) if key else None

    def write(self, response: Response, cookies: Cookies, now: datetime) -> None:
        """Put what the browser is to keep, or to give up, on an answer."""
        realm = cookies.realm
        if cookies.session is not None and cookies.session_until is not None:
            left = max(0, int((cookies.session_until - now).total_seconds()))
            self._set(response, self.name(SESSION, realm), cookies.session.reveal(), left)
        if cookies.presence is not None:
            self._set(response, self.name(PRESENCE, realm), cookies.presence.reveal())
        if cookies.browser_key is not None:
            self._set(response, self.name(BROWSER_KEY), cookies.browser_key.reveal())
            if cookies.attempt:
                name, seconds = self.name(BROWSER_KEY, cookies.attempt), int(LIFETIME.total_seconds())
                self._set(response, name, cookies.browser_key.reveal(), seconds)
        if cookies.loops is not None:
            self._set(response, self.name(LOOPS), str(cookies.loops), LOOP_SECONDS if cookies.loops else 0)
        if cookies.logged_out is not None:
            out = cookies.logged_out
            self._set(response, self.name(LOGGED_OUT, realm), "1" if out else "", None if out else 0)
        if cookies.forget:
            for kind in (SESSION, PRESENCE):
                self._set(response, self.name(kind, realm), "", 0)

    def _value(self, cookies: Mapping[str, str], kind: str, realm: str = "") -> str | None:
        value = cookies.get(self.name(kind, realm), "")
        return value if _VALUE.fullmatch(value) else None

    def _set(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
