"""A visitor of a site that uses the login, without a framework: cookies are kept as a browser would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.sdk.issuer import CLIENT, ISSUER, SECRET, Issuer
from wxgate.clock import ManualClock
from wxgate.sdk.login import Login, Options, Policy
from wxgate.sdk.login.exchange import Answer, Asked
from wxgate.sdk.login.visit import Visit

SITE = "https://shop.example"
WECHAT = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50 Language/zh_CN"
DESKTOP = "Mozilla/5.0 (Windows NT 10.0) Chrome/140"
KEY = "a key that has no fewer than 32 characters"


def options(**changed: Any) -> Options:
    """Make the options of the site."""
    given = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "secret_key": KEY,
        "base_url": SITE,
    }
    return Options(**(given | changed))


@dataclass
class Site:
    """The site, its gateway, and the time of both."""

    clock: ManualClock
    issuer: Issuer
    login: Login

    @classmethod
    def make(cls, **changed: Any) -> "Site":
        """Make a site; what is given changes its options."""
        clock = ManualClock(datetime(2026, 11, 20, 8, tzinfo=UTC))
        issuer = Issuer(clock)
        return cls(clock, issuer, Login(options(**changed), fetch=issuer.fetch, clock=clock))

    def visitor(self, agent: str = WECHAT) -> "Visitor":
        """Let somebody come with a fresh browser."""
        return Visitor(self, agent)


@dataclass
class Seen:
    """What came of a request."""

    visit: Visit
    answer: Answer | None

    @property
    def sub(self) -> str | None:
        """Who the page was shown to."""
        assert self.answer is None, self.answer
        return self.visit.person.sub if self.visit.person else None

    @property
    def status(self) -> int:
        """The status, 200 for the application's own page."""
        return 200 if self.answer is None else self.answer.status

    @property
    def location(self) -> str:
        """Where it leads."""
        assert self.answer is not None
        return dict(self.answer.headers)["Location"]

    @property
    def text(self) -> str:
        """What is shown."""
        assert self.answer is not None
        return self.answer.body.decode()

    @property
    def document(self) -> Any:
        """What a script is told."""
        return json.loads(self.text)


@dataclass
class Visitor:
    """Somebody with a browser; `lasting` and `passing` are the cookies with an age and those without."""

    site: Site
    agent: str
    lasting: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    passing: dict[str, str] = field(default_factory=dict)
    accepts_cookies: bool = True

    def opens(self, path: str, policy: Policy | None = None) -> Seen:
        """Open a page; the page may demand more than the site does."""
        return self.asks(path, policy, headers={"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})

    def fetches(self, path: str, policy: Policy | None = None, method: str = "GET", **headers: str) -> Seen:
        """Let a script ask."""
        modes = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin"}
        return self.asks(path, policy, method, modes | headers)

    def asks(
        self,
        path: str,
        policy: Policy | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Seen:
        """Send any request."""
        login = self.site.login
        path, _, query = path.partition("?")
        told = {"user-agent": self.agent, "cookie": self.cookie_header, **(headers or {})}
        visit, answer = login.run(login.enter(Asked(method, path, query, told, body)))
        if answer is None and policy is not None:
            answer = login.run(login.demand(visit, policy))
        for name, line in visit.headers(has_cache_control=True):
            assert name == "Set-Cookie"
            self._keep(line)
        return Seen(visit, answer)

    def returns(self, **query: str) -> Seen:
        """Come back from the gateway."""
        return self.opens(f"/wechat/callback?{urlencode(query)}")

    def logs_in(self, sub: str = "u_zhang", path: str = "/", **claims: Any) -> Seen:
        """Log in by tapping, and see the page after it."""
        sent = self.opens(f"/wechat/login?{urlencode({'return_to': path})}")
        back = self.returns(**self.site.issuer.arrive(sent.location, sub, **claims))
        assert back.location == path
        return self.opens(path)

    def follows(self, seen: Seen, sub: str = "u_zhang", **claims: Any) -> Seen:
        """Follow to the gateway, where somebody is known, and back to the page."""
        back = self.returns(**self.site.issuer.arrive(seen.location, sub, **claims))
        return self.opens(back.location)

    def is_killed(self) -> None:
        """WeChat is killed: cookies without an age are gone."""
        self.passing.clear()

    def waits(self, **of_time: float) -> None:
        """Let time pass."""
        self.site.clock.advance(timedelta(**of_time))

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that are sent."""
        now = self.site.clock.now()
        return {name: text for name, (text, until) in self.lasting.items() if now < until} | self.passing

    @property
    def cookie_header(self) -> str:
        """The header that sends them."""
        return "; ".join(f"{name}={text}" for name, text in self.cookies.items())

    def _keep(self, line: str) -> None:
        if not self.accepts_cookies:
            return
        (name, morsel), *others = SimpleCookie(line).items()
        assert not others
        assert morsel["path"] == "/"
        assert morsel["httponly"]
        assert morsel["secure"]
        assert morsel["samesite"] == "Lax"
        self.lasting.pop(name, None)
        self.passing.pop(name, None)
        if morsel["max-age"] == "":
            self.passing[name] = morsel.value
        elif int(morsel["max-age"]) > 0:
            until = self.site.clock.now() + timedelta(seconds=int(morsel["max-age"]))
            self.lasting[name] = (morsel.value, until)


def path_of(url: str) -> str:
    """Return the path of an address with its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
