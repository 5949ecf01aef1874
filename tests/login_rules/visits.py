"""What a test sees of one visit: who the page takes somebody for, and how often WeChat was asked."""

from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from tests.harness import Fetched
from tests.login.scene import LONG_AGO, REALM, Scene
from wxgate.login.records import App, AppKind, Realm, Session
from wxgate.secret import Secret, fingerprint
from wxgate.testing.browser import WECHAT, Browser
from wxgate.testing.pages import Page

AUTHORIZE = "/connect/oauth2/authorize"
EXCHANGE = "/sns/oauth2/component/access_token"
WHO = "/login/session?realm="


@dataclass(frozen=True)
class Visit:
    """One page that somebody opened."""

    page: Page
    asked: int

    @property
    def sub(self) -> str:
        """Whom the page shows."""
        assert self.page.status == 200, (self.page.url, self.page.words)
        return str(self.page.json["sub"])


async def visit(
    scene: Scene, browser: Browser, app: str = "shop", *, realm: str = REALM, **asked: str
) -> Visit:
    """Open a page that wants a login and says whom it sees."""
    page = await browser.get(scene.start(app, WHO + realm, **asked))
    return Visit(page, sum(path_of(hop) == AUTHORIZE for hop in page.hops))


@dataclass(frozen=True)
class Trip:
    """A login that has come as far as the callback, which nobody has opened yet."""

    start: Fetched
    callback: str
    cookie: str

    @property
    def state(self) -> str:
        """The state that WeChat gives back."""
        return parse_qs(urlsplit(self.callback).query)["state"][0]


async def trip(scene: Scene, person: str, url: str, *, agent: str = WECHAT, cookie: str = "") -> Trip:
    """Start a login and let WeChat answer, without a browser that goes on by itself."""
    held = {"Cookie": cookie} if cookie else {}
    start = await scene.world.fetch(url, User_Agent=agent, **held)
    assert start.status == 303, start.text
    set_now = "; ".join(line.partition(";")[0] for line in start.headers.getall("set-cookie", []))
    back = await scene.world.fetch(start.location, User_Agent=agent, X_Emulated_User=person)
    assert back.status == 302, back.text
    return Trip(start, back.location, "; ".join(filter(None, (cookie, set_now))))


async def call_back(scene: Scene, trip: Trip, *, agent: str = WECHAT, cookie: str | None = None) -> Fetched:
    """Open the callback of a trip, as the browser that began it."""
    held = trip.cookie if cookie is None else cookie
    return await scene.world.fetch(trip.callback, User_Agent=agent, **({"Cookie": held} if held else {}))


async def exchanges(scene: Scene) -> int:
    """Count the codes that were redeemed on behalf of accounts."""
    return len(await scene.world.calls(EXCHANGE))


async def by_code(scene: Scene, browser: Browser, person: str, return_to: str = WHO + REALM) -> Page:
    """Log somebody in on a computer: the phone scans the code of the website app, and confirms."""
    page = await browser.get(scene.start("site", return_to))
    scanned = {"state": page.query["state"], "user": person}
    confirmed = await scene.world.control("POST", "act/confirm_login", scanned)
    return await browser.click(confirmed["leads_to"])


async def session_of(scene: Scene, browser: Browser, realm: str = REALM) -> Session | None:
    """Load the session that a browser holds, whatever has become of it."""
    cookie = browser.cookie(f"wxs-{realm}")
    return (
        await scene.world.node.store.login.sessions.load(fingerprint(Secret(cookie.value)))
        if cookie
        else None
    )


async def live(scene: Scene, realm: str = REALM) -> int:
    """Count the live sessions of a realm."""
    now = scene.world.clock.now()
    return len(await scene.world.node.store.login.sessions.live(realm, now=now, limit=1000))


async def later(scene: Scene, by: timedelta) -> None:
    """Let time pass as it does: WeChat pushes tickets all along, so that none is ever too old."""
    while by > timedelta():
        await scene.world.push_ticket()
        step = min(by, timedelta(hours=8))
        await scene.world.advance(step)
        by -= step
    await scene.world.push_ticket()


async def another_realm(scene: Scene, name: str, **fields: object) -> tuple[Realm, App]:
    """Set up a realm of its own with one official app of the same name, by the same account."""
    realm = replace(Realm(name, name, LONG_AGO), **fields)  # type: ignore[arg-type]
    realms = scene.world.node.store.login.realms
    await realms.put_realm(realm)
    app = replace(scene.shop, name=name, realm=name, kind=AppKind.OFFICIAL)
    await realms.put_app(app)
    return realm, app


def path_of(url: str | Page) -> str:
    """Return the path of an address, or of a page's."""
    return urlsplit(url if isinstance(url, str) else url.url).path
