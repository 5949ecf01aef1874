"""A browser without JavaScript, and WeChat's: cookies, redirects and headers as real ones have them.

    browser = WeChatBrowser("xiaoming", emulator.url)
    page = await browser.get(f"{gateway}/login/wechat/shop?return_to=/me")
    browser.kill_wechat()
    page = await browser.get(f"{gateway}/me")     # one invisible redirect later
    assert page.came_by("/connect/oauth2/authorize")

What happens to cookies is one table, `wxgate.testing.cookies.HAPPENINGS`.
"""

import asyncio
import json as json_of
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.oauth_pages import SECOND_CALLBACK_HEADER
from wxgate.emulator.visitors import FRAGMENT_HEADER, SNAPSHOT_HEADER, USER_HEADER
from wxgate.testing.cookies import Cookie, Happening, Jar
from wxgate.testing.fetching import Outgoing, origin_of, redirected, referrer_of, site_of
from wxgate.testing.pages import Form, Page

MOST_REDIRECTS = 20
PATIENCE_SECONDS = 60

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN"
)
WECHAT_ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; 2211133C Build/UKQ1; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/122.0.6261.120 Mobile Safari/537.36 XWEB/1220089 MMWEBSDK/20240404 "
    "MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 Weixin NetType/WIFI Language/zh_CN ABI/arm64"
)
WECHAT_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 "
    "Safari/537.36 MicroMessenger/7.0.20.1781(0x6700143B) NetType/WIFI WindowsWechat(0x63090c33) XWEB/9129"
)
MINI_PROGRAM_VIEW = f"{WECHAT} miniProgram/wx0000000000000000"
WECOM = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 wxwork/4.1.20 MicroMessenger/7.0.1 Language/zh"
)

_MACHINE = EmulatorClock()
_HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_REDIRECTS = (301, 302, 303, 307, 308)


class _Loopback(aiohttp.ThreadedResolver):
    """Finds every name below localhost on this machine, as browsers do, so that tests can have sites."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name."""
        return await super().resolve("localhost" if host.endswith(".localhost") else host, port, family)


class TooManyRedirects(AssertionError):
    """The addresses went round in a circle; `hops` are all of them."""

    def __init__(self, hops: list[str]) -> None:
        self.hops = hops
        super().__init__(f"more than {MOST_REDIRECTS} redirects, at last {' -> '.join(hops[-4:])}")


class Browser:
    """An ordinary browser with one tab; `tab` opens another that shares the cookies.

    `emulator_url` is where WeChat is: only it is told by headers who sits here.
    """

    agent = DESKTOP

    def __init__(
        self,
        user: str | None = None,
        emulator_url: str = "",
        *,
        agent: str | None = None,
        lang: str = "zh-CN,zh;q=0.9",
        now: Callable[[], float] = _MACHINE.now,
        jar: Jar | None = None,
    ) -> None:
        self.user, self.emulator_url, self.lang = user, emulator_url.rstrip("/"), lang
        self.agent = agent or self.agent
        self._now = now
        self.jar = jar or Jar(now)
        self.visited: list[str] = []
        self.page: Page | None = None
        self.doubled: Page | None = None

    # What a person does

    async def get(self, url: str, **headers: str) -> Page:
        """Type an address, and follow wherever it leads."""
        return await self._navigate(self._request("GET", url, headers, source=None))

    async def click(self, url: str, **headers: str) -> Page:
        """Follow a link of the present page: the same, but the site it leads to can tell."""
        return await self._navigate(self._request("GET", self._absolute(url), headers, source=self._here()))

    async def press(self, *button: str, form: Form | None = None, **fields: str) -> Page:
        """Press a button of the present page's form: `press("allow")`, by its value or its name."""
        assert self.page is not None, "no page is open"
        form = form or _form_with(self.page.forms, button)
        pressed = [pair for pair in form.buttons if set(button) & set(pair)][:1]
        if button and not pressed:
            raise AssertionError(f"there is no button {button[0]!r}, only {form.buttons}")
        kept = [pair for pair in form.fields if pair[0] not in fields]
        pairs = [*kept, *fields.items(), *(pair for pair in pressed if pair[0])]
        return await self.submit(form.action, pairs, method=form.method)

    async def submit(
        self, url: str, fields: Mapping[str, str] | Sequence[tuple[str, str]], *, method: str = "POST"
    ) -> Page:
        """Send a form from the present page."""
        url, encoded = (
            self._absolute(url),
            urlencode(list(dict(fields).items()) if isinstance(fields, Mapping) else fields),
        )
        if method == "GET":
            return await self.click(f"{url.partition('?')[0]}?{encoded}")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        request = self._request("POST", url, kind, source=self._here(), body=encoded.encode())
        return await self._navigate(request)

    async def reload(self) -> Page:
        """Open the present address again."""
        return await self.get(self._here() or "")

    async def fetch(
        self,
        url: str,
        method: str = "GET",
        *,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Page:
        """Call an address from the present page's script; the page stays."""
        body, kind = None, dict[str, str]()
        if json is not None:
            body, kind = json_of.dumps(json).encode(), {"Content-Type": "application/json"}
        elif data is not None:
            body = urlencode(data).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
        url, here = self._absolute(url), self._here()
        source = here or url
        request = self._request(method, url, kind | headers, source=source, body=body, navigation=False)
        async with self._session() as session:
            return await self._follow(session, request)

    def tab(self) -> Self:
        """Open another tab."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, visited=[], page=None, doubled=None)
        return other

    def quit(self) -> None:
        """Quit the browser: what is no persistent cookie is gone."""
        self.undergo(Happening.QUIT)

    def undergo(self, happening: Happening, *, clear_cookies: bool = False) -> None:
        """Let something happen to the cookies and close the page."""
        self.jar.undergo(happening, clear_cookies=clear_cookies)
        self.page = None

    def cookie(self, name: str) -> Cookie | None:
        """Return a cookie by its name."""
        return self.jar.get(name)

    def visits(self, path: str) -> int:
        """Count how often an address with this path was opened, redirects included."""
        return sum(urlsplit(url).path == path for url in self.visited)

    # How it is done

    def _here(self) -> str | None:
        return self.page.url if self.page else None

    def _absolute(self, url: str) -> str:
        return urljoin(self._here() or "", url)

    def _session(self) -> aiohttp.ClientSession:
        # One for each action, so that nobody has to close a browser.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Loopback()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        source: str | None,
        body: bytes | None = None,
        navigation: bool = True,
    ) -> Outgoing:
        """Make a request that `source` causes; None stands for a person who types."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        hidden = self.page is not None and "no-referrer" in self.page.headers.get("Referrer-Policy", "")
        reading = method in ("GET", "HEAD")
        origin = None
        if source and not (reading and (navigation or origin_of(source) == origin_of(url))):
            origin = "null" if hidden and navigation else origin_of(source)
        site = "none" if source is None else site_of(source, url)
        referrer = "" if hidden or source is None else source
        return Outgoing(method, url, body, named, navigation, referrer, origin, site)

    def _headers(self, request: Outgoing) -> dict[str, str]:
        """Write the headers a browser adds; they tell a navigation from a script's call."""
        navigation = request.navigation
        headers = {
            "User-Agent": self.agent,
            "Accept-Language": self.lang,
            "Accept": _HTML if navigation else "*/*",
            "Sec-Fetch-Site": request.site,
            "Sec-Fetch-Mode": "navigate" if navigation else "cors",
            "Sec-Fetch-Dest": "document" if navigation else "empty",
        }
        if navigation:
            headers |= {"Upgrade-Insecure-Requests": "1", "Sec-Fetch-User": "?1"}
        if request.origin:
            headers["Origin"] = request.origin
        if referrer := referrer_of(request.referrer, request.url):
            headers["Referer"] = referrer
        safe = navigation and request.method in ("GET", "HEAD")
        crossing = request.site == "cross-site"
        if cookies := self.jar.header(request.url, cross_site=crossing, safe_navigation=safe):
            headers["Cookie"] = cookies
        if self.emulator_url and origin_of(request.url) == self.emulator_url:
            headers |= self._told_to_wechat(urldefrag(request.url).fragment)
        return headers | dict(request.headers)

    def _told_to_wechat(self, fragment: str) -> dict[str, str]:
        return {FRAGMENT_HEADER: fragment} | ({USER_HEADER: self.user} if self.user else {})

    async def _navigate(self, request: Outgoing) -> Page:
        async with self._session() as session:
            self.page = await self._follow(session, request)
        return self.page

    async def _follow(self, session: aiohttp.ClientSession, request: Outgoing) -> Page:
        """Send a request and go where the answers lead."""
        hops: list[str] = []
        while True:
            page = await self._send(session, request)
            hops.append(page.url)
            location = page.headers.get("Location")
            if page.status not in _REDIRECTS or not location:
                return Page(page.status, page.url, page.headers, page.body, tuple(hops))
            if len(hops) > MOST_REDIRECTS:
                raise TooManyRedirects(hops)
            if second := page.headers.get(SECOND_CALLBACK_HEADER):
                return await self._double(session, request, page, second, hops)
            request = redirected(request, page.status, _joined(page.url, location))

    async def _double(
        self, session: aiohttp.ClientSession, request: Outgoing, page: Page, second: str, hops: list[str]
    ) -> Page:
        """Call the callback twice at once, as WeChat's client does; the second is what the person sees."""
        targets = (urljoin(page.url, page.headers["Location"]), second)
        first, last = await asyncio.gather(
            *(self._follow(session, redirected(request, page.status, url)) for url in targets)
        )
        self.doubled = first
        return Page(last.status, last.url, last.headers, last.body, (*hops, *last.hops))

    async def _send(self, session: aiohttp.ClientSession, request: Outgoing) -> Page:
        if request.navigation:
            self.visited.append(request.url)
        # Addresses go out as they are written; to put WeChat's links in order is nobody's business.
        address = URL(urldefrag(request.url).url, encoded=True)
        async with session.request(
            request.method,
            address,
            data=request.body,
            headers=self._headers(request),
            allow_redirects=False,
        ) as answer:
            self.jar.set(request.url, answer.headers.getall("Set-Cookie", []))
            return Page(answer.status, request.url, answer.headers, await answer.read())


class PhoneBrowser(Browser):
    """A phone's own browser, outside WeChat."""

    agent = PHONE


class WeChatBrowser(Browser):
    """The browser inside WeChat on somebody's phone."""

    agent = WECHAT

    def __init__(self, user: str, emulator_url: str = "", **more: Any) -> None:
        super().__init__(user, emulator_url, **more)
        self.in_snapshot = False

    def main_screen(self) -> None:
        """Go back to WeChat's main screen."""
        self.undergo(Happening.MAIN_SCREEN)

    def home_screen(self) -> None:
        """Go to the phone's home screen."""
        self.undergo(Happening.HOME_SCREEN)

    def kill_wechat(self) -> None:
        """Kill WeChat's process, by hand or by the phone."""
        self.undergo(Happening.KILL_WECHAT)

    def low_memory(self) -> None:
        """Let the phone run out of memory."""
        self.undergo(Happening.LOW_MEMORY)

    def switch_account(self, user: str, *, clear_cookies: bool = False) -> None:
        """Log another person into WeChat; iOS clears all cookies then, Android is taken to keep them."""
        self.undergo(Happening.SWITCH_ACCOUNT, clear_cookies=clear_cookies)
        self.user = user

    @contextmanager
    def snapshot(self) -> Iterator["WeChatBrowser"]:
        """Be in a snapshot page (快照页): cookies of its own, which are wiped on leaving."""
        inside = type(self)(
            self.user or "", self.emulator_url, agent=self.agent, lang=self.lang, now=self._now
        )
        inside.in_snapshot = True
        try:
            yield inside
        finally:
            inside.undergo(Happening.LEAVE_SNAPSHOT)

    def _told_to_wechat(self, fragment: str) -> dict[str, str]:
        told = super()._told_to_wechat(fragment)
        return told | ({SNAPSHOT_HEADER: "1"} if self.in_snapshot else {})


def _joined(url: str, location: str) -> str:
    """Make a redirect's address; an empty fragment, which urljoin drops, takes the place of any before."""
    target = urljoin(url, location)
    return f"{target}#" if location.endswith("#") and "#" not in target else target


def _form_with(forms: list[Form], button: tuple[str, ...]) -> Form:
    if not button and len(forms) == 1:
        return forms[0]
    found = [form for form in forms if any(set(button) & set(pair) for pair in form.buttons)]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} of {len(forms)} forms of the page have such a button")
    return found[0]
