"""A site with our middleware, on another host than the gateway, as an application of one's own would be."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.harness import listen, serving
from tests.login.scene import CLIENT_SECRET, Scene
from tests.relying.parties import issuer, register
from wxgate.sdk.login import Login, Options
from wxgate.sdk.login.starlette import WeChatLogin, login_required
from wxgate.testing.browser import Browser
from wxgate.testing.pages import Page

KEY = "the secret key of the shop in these tests"


@dataclass(frozen=True, slots=True)
class Shop:
    """The site: `/` is for anybody, `/orders` for somebody, `/profile` for who has agreed."""

    scene: Scene
    url: str

    async def opens(self, browser: Browser, path: str = "/orders") -> Page:
        """Open a page, wherever that leads."""
        return await browser.get(f"{self.url}{path}")

    async def sees(self, browser: Browser, path: str = "/orders") -> Any:
        """Open a page and tell for whom it was made."""
        page = await self.opens(browser, path)
        assert page.status == 200, page.text
        assert address(page) == f"{self.url}{path}"
        return page.json["sub"]


def address(page: Page) -> str:
    """Tell where a page is, without the fragment that browsers carry along from WeChat's link."""
    return urldefrag(page.url).url


def hops(page: Page) -> list[str]:
    """List where a page came from, without queries: hosts are the shop, the gateway and WeChat."""
    return [urlsplit(hop).path for hop in page.hops]


@contextlib.asynccontextmanager
async def open_shop(scene: Scene, **options: Any) -> AsyncIterator[Shop]:
    """Open the shop; what is given are options of the middleware."""
    listener = listen()
    port = listener.getsockname()[1]
    url = f"http://shop.localhost:{port}"
    client_id = await register(
        scene,
        f"{url}/wechat/callback",
        name="shop",
        backchannel_logout_uri=f"http://127.0.0.1:{port}/wechat/backchannel-logout",
        post_logout_redirect_uris=(f"{url}/",),
        scopes=frozenset({"openid", "profile", "wechat"}),
    )
    given = {
        "issuer": issuer(scene),
        "client_id": client_id,
        "client_secret": CLIENT_SECRET.reveal(),
        "secret_key": KEY,
        "base_url": url,
    }
    login = Login(Options(**(given | options)), clock=scene.world.clock)
    async with serving(_site(login), listener):
        yield Shop(scene, url)


def _site(login: Login) -> Starlette:
    def told(request: Request) -> JSONResponse:
        person = request.state.wechat.person
        fields = ("sub", "name", "acr", "openid", "appid")
        return JSONResponse({name: getattr(person, name, None) for name in fields})

    return Starlette(
        routes=[
            Route("/", told),
            Route("/orders", login_required()(told), methods=["GET", "POST"]),
            Route("/profile", login_required("consent")(told)),
            Route("/transfer", login_required(max_age=300)(told)),
        ],
        middleware=[Middleware(WeChatLogin, login=login)],
    )
