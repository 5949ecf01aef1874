"""What a test sees of one visit: who the page takes somebody for, and how often WeChat was asked."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tests.login.scene import LONG_AGO, REALM, Scene
from wxgate.login.records import App, AppKind, Realm, Session
from wxgate.secret import Secret, fingerprint
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page

AUTHORIZE = "/connect/oauth2/authorize"
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
