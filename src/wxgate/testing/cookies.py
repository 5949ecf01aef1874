"""The cookies of a browser, and what becomes of them when people do what people do.

`HAPPENINGS` is the one table of what WeChat's browser keeps and loses; `lost` reads it, so that any other
browser under test can be treated alike: drop from it the cookies for which it says so. For Playwright:

    kept = survivors(await context.cookies(), Happening.KILL_WECHAT)
    await context.clear_cookies()
    await context.add_cookies(kept)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

C = TypeVar("C", bound=Mapping[str, Any])


class Happening(StrEnum):
    """What may happen to a browser."""

    MAIN_SCREEN = "main_screen"
    HOME_SCREEN = "home_screen"
    KILL_WECHAT = "kill_wechat"
    SWITCH_ACCOUNT = "switch_account"
    LOW_MEMORY = "low_memory"
    LEAVE_SNAPSHOT = "leave_snapshot"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost; `clearing` says that the persistent cookies go where the phone clears them."""

    session: bool
    persistent: bool = False
    clearing: bool = False


# iOS clears everything when somebody logs out of WeChat, Android is taken to keep persistent cookies; what a
# phone short of memory drops is told of as possible, and so taken as certain.
HAPPENINGS = {
    Happening.MAIN_SCREEN: Loss(session=False),
    Happening.HOME_SCREEN: Loss(session=False),
    Happening.KILL_WECHAT: Loss(session=True),
    Happening.SWITCH_ACCOUNT: Loss(session=True, clearing=True),
    Happening.LOW_MEMORY: Loss(session=True),
    Happening.LEAVE_SNAPSHOT: Loss(session=True, persistent=True),
    Happening.QUIT: Loss(session=True),
}


def lost(happening: Happening, *, session: bool, clear_cookies: bool = False) -> bool:
    """Tell whether a cookie is lost; a `session` cookie is one without Max-Age and Expires.

    `clear_cookies` is whether the phone clears the persistent ones too when WeChat's account is switched.
    """
    loss = HAPPENINGS[happening]
    if session:
        return loss.session
    return loss.persistent or (loss.clearing and clear_cookies)


def survivors(cookies: Iterable[C], happening: Happening, *, clear_cookies: bool = False) -> list[C]:
    """Return the cookies that are left, of those that Playwright's `context.cookies()` lists."""
    return [
        each
        for each in cookies
        if not lost(happening, session=each.get("expires", -1) == -1, clear_cookies=clear_cookies)
    ]


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie as a browser keeps it; `expires_at` is None for a session cookie."""

    name: str
    value: str
    host: str
    path: str = "/"
    expires_at: float | None = None
    secure: bool = False
    http_only: bool = False
    same_site: str = "lax"
    whole_domain: bool = False

    @property
    def session(self) -> bool:
        """Tell whether the cookie has no lifetime of its own."""
        return self.expires_at is None

    def goes_to(self, url: str) -> bool:
        """Tell whether host, path and scheme of an address fit; loopback counts as secure."""
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path or "/"
        below = self.whole_domain and host.endswith(f".{self.host}")
        folder = self.path if self.path.endswith("/") else f"{self.path}/"
        return (
            (host == self.host or below)
            and (path == self.path or path.startswith(folder))
            and (not self.secure or _trusted(parts.scheme, host))
        )


class Jar:
    """The cookies of one browser; ports share them, as in every browser."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def all(self) -> list[Cookie]:
        """Return every cookie that has not expired."""
        now = self._now()
        return [each for each in self._cookies.values() if each.expires_at is None or each.expires_at > now]

    def get(self, name: str, host: str | None = None) -> Cookie | None:
        """Return a cookie by its name, of whatever host when none is named."""
        return next((each for each in self.all() if each.name == name and host in (None, each.host)), None)

    def put(self, cookie: Cookie) -> None:
        """Put a cookie in place of the one of the same name, host and path."""
        self._cookies[cookie.name, cookie.host, cookie.path] = cookie

    def remove(self, name: str) -> None:
        """Remove the cookies of a name, as somebody does who clears them."""
        self._cookies = {key: each for key, each in self._cookies.items() if each.name != name}

    def clear(self) -> None:
        """Remove every cookie."""
        self._cookies.clear()

    def undergo(self, happening: Happening, *, clear_cookies: bool = False) -> None:
        """Lose what the table says is lost."""
        self._cookies = {
            key: each
            for key, each in self._cookies.items()
            if not lost(happening, session=each.session, clear_cookies=clear_cookies)
        }

    def set(self, url: str, headers: Iterable[str]) -> list[str]:
        """Take the Set-Cookie headers of an answer; returns those a browser refuses."""
        refused = []
        for header in headers:
            cookie = _parse(header, url, self._now())
            if cookie is None:
                refused.append(header)
            else:
                self.put(cookie)
        return refused

    def header(self, url: str, *, cross_site: bool = False, safe_navigation: bool = True) -> str:
        """Write the Cookie header of a request; what other sites cause brings few or no cookies along."""
        going = [each for each in self.all() if each.goes_to(url)]
        if cross_site:
            kept = {"none", "lax"} if safe_navigation else {"none"}
            going = [each for each in going if each.same_site in kept]
        going.sort(key=lambda each: -len(each.path))
        return "; ".join(f"{each.name}={each.value}" for each in going)


def _trusted(scheme: str, host: str) -> bool:
    return scheme == "https" or host in ("localhost", "127.0.0.1") or host.endswith(".localhost")


def _parse(header: str, url: str, now: float) -> Cookie | None:
    """Read one Set-Cookie header as RFC 6265 does; None when the cookie must be ignored."""
    first, *rest = header.split(";")
    name, equals, value = first.strip().partition("=")
    given = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    parts = urlsplit(url)
    host = parts.hostname or ""
    domain = given.get("domain", "").lstrip(".").lower()
    secure, path = "secure" in given, given.get("path", "")
    path = path if path.startswith("/") else (parts.path.rpartition("/")[0] or "/")
    foreign = bool(domain) and host != domain and not host.endswith(f".{domain}")
    untrusted = secure and not _trusted(parts.scheme, host)
    if not equals or not name or foreign or untrusted:
        return None
    if name.startswith("__Host-") and (not secure or path != "/" or domain):
        return None
    if name.startswith("__Secure-") and not secure:
        return None
    same_site = given.get("samesite", "lax").lower()
    if same_site == "none" and not secure:
        return None
    return Cookie(
        name,
        value,
        domain or host,
        path,
        _expiry(given, now),
        secure,
        "httponly" in given,
        same_site if same_site in ("strict", "none") else "lax",
        bool(domain),
    )


def _expiry(given: dict[str, str], now: float) -> float | None:
    """Return when a cookie is over: Max-Age wins over Expires, and what is malformed counts for nothing."""
    age = given.get("max-age", "")
    if age.removeprefix("-").isdigit():
        return now + int(age)
    try:
        return parsedate_to_datetime(given["expires"]).timestamp()
    except (KeyError, ValueError):
        return None
