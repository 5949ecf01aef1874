"""A login taken apart: the start, WeChat's page, and the callback as a request that a test sends itself."""

from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from tests.harness import Fetched
from tests.login.scene import Scene
from wxgate.testing.browser import DESKTOP, WECHAT


def cookies_of(answer: Fetched) -> dict[str, str]:
    """Read the cookies that an answer sets; those that it takes away are none."""
    lines = answer.headers.getall("Set-Cookie", [])  # type: ignore[attr-defined]
    morsels = [morsel for line in lines for morsel in SimpleCookie(line).values()]
    return {morsel.key: morsel.value for morsel in morsels if morsel["max-age"] != "0"}


@dataclass(frozen=True, slots=True)
class Callback:
    """What WeChat's redirect asks a browser to request, and the cookies that the browser has by then."""

    url: str
    cookies: dict[str, str]
    agent: str = WECHAT

    @property
    def query(self) -> dict[str, str]:
        """What WeChat says."""
        return dict(parse_qsl(urlsplit(self.url).query))

    async def send(self, scene: Scene, *, base: str = "", cookies: dict[str, str] | None = None) -> Fetched:
        """Send it, to another node if need be."""
        url = base + self.url.removeprefix(scene.world.gateway_url) if base else self.url
        shown = self.cookies if cookies is None else cookies
        return await scene.world.fetch(url, **headers(self.agent, shown))


def headers(agent: str, cookies: dict[str, str]) -> dict[str, str]:
    """Write the headers of a browser that opens a page."""
    shown = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"User_Agent": agent, "Sec_Fetch_Mode": "navigate"} | ({"Cookie": shown} if shown else {})


async def start(
    scene: Scene,
    app: str = "shop",
    *,
    cookies: dict[str, str] | None = None,
    agent: str = WECHAT,
    **query: str,
) -> tuple[Fetched, dict[str, str]]:
    """Open the address at which a login begins; return the answer, and the cookies there are then."""
    cookies = cookies or {}
    answer = await scene.world.fetch(scene.start(app, **query), **headers(agent, cookies))
    return answer, cookies | cookies_of(answer)


async def at_wechat(scene: Scene, person: str, link: str) -> str:
    """Open a silent link at WeChat; return the callback's address."""
    answer = await scene.world.fetch(link, User_Agent=WECHAT, X_Emulated_User=person)
    assert answer.status == 302, answer.text
    return answer.location


async def callback_of(
    scene: Scene, person: str, app: str = "shop", *, cookies: dict[str, str] | None = None, **query: str
) -> Callback:
    """Go all the way to where WeChat sends the browser back."""
    answer, cookies = await start(scene, app, cookies=cookies, **query)
    assert answer.status == 303, answer.text
    return Callback(await at_wechat(scene, person, answer.location), cookies)


async def scanned(scene: Scene, person: str, app: str = "site", **query: str) -> Callback:
    """Show the QR code of a website on a computer, scan and confirm it with somebody's phone."""
    answer, cookies = await start(scene, app, agent=DESKTOP, **query)
    page = await scene.world.fetch(answer.location, User_Agent=DESKTOP)
    assert page.status == 200, page.text
    state = dict(parse_qsl(urlsplit(answer.location).query))["state"]
    done = await scene.world.act("confirm_login", state=state, user=person)
    return Callback(
        f"{scene.world.url('/login/wechat/callback')}?code={done['code']}&state={state}", cookies, DESKTOP
    )
