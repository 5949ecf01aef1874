"""The emulator's login pages as a browser without JavaScript opens them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from yarl import URL

from tests.emulator.stage import Stage
from tests.emulator.test_pages import Form, parse

IN_WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 MicroMessenger/8.0.49 Language/zh_CN"
BACK = "https://gateway.example/login/wechat/callback?keep=1"
AUTHORIZE = "/connect/oauth2/authorize"


@dataclass(frozen=True)
class Opened:
    """What a page answered: where it leads, or what it says."""

    status: int
    location: str
    headers: Any
    text: str

    @property
    def query(self) -> dict[str, str]:
        """The query of the address it leads to."""
        return dict(parse_qsl(urlsplit(self.location).query, keep_blank_values=True))

    @property
    def form(self) -> Form:
        """The page as a form."""
        return parse(self.text)


def link(pairs: list[tuple[str, str]], page: str = AUTHORIZE) -> str:
    """Write a link with its parameters in this order."""
    return f"{page}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def asking(stage: Stage, scope: str = "snsapi_base", *more: tuple[str, str], **changed: str) -> str:
    """Write the link of 网页授权 for the shop."""
    pairs = {
        "appid": stage.shop.appid,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": scope,
        "state": "aState1",
    }
    return link([*(pairs | changed).items(), *more])


async def open_link(stage: Stage, url: str, agent: str = IN_WECHAT, **headers: str) -> Opened:
    """Open a link."""
    named = {"User-Agent": agent} | {name.replace("_", "-"): value for name, value in headers.items()}
    # Sent as it is written: to put a link in order is not the client's business.
    address = URL(stage.emulator.url + url, encoded=True)
    async with stage.emulator.http.get(address, headers=named, allow_redirects=False) as answer:
        location = answer.headers.get("Location", "")
        return Opened(answer.status, location, answer.headers, await answer.text())


async def decide(stage: Stage, page: Opened, decision: str) -> Opened:
    """Press a button of the consent page."""
    data = [*page.form.fields, ("decision", decision)]
    async with stage.emulator.http.post(AUTHORIZE, data=data, allow_redirects=False) as answer:
        location = answer.headers.get("Location", "")
        return Opened(answer.status, location, answer.headers, await answer.text())


async def exchange(stage: Stage, code: str, **changed: str) -> Any:
    """Exchange a code with the shop's own secret."""
    query = {"appid": stage.shop.appid, "secret": stage.shop.secret, "code": code}
    grant = {"grant_type": "authorization_code"}
    return await stage.get("/sns/oauth2/access_token", **(query | grant | changed))


async def exchange_on_behalf(stage: Stage, token: str, code: str, **changed: str) -> Any:
    """Exchange a code with the platform's component token."""
    query = {
        "appid": stage.shop.appid,
        "code": code,
        "grant_type": "authorization_code",
        "component_appid": stage.platform.appid,
        "component_access_token": token,
    }
    return await stage.get("/sns/oauth2/component/access_token", **(query | changed))
