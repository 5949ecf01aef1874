"""A merchant with a browser: opens our page, follows the link to WeChat, confirms, comes back."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import aiohttp

from wxgate.errors import GatewayError

VOID_TEXT = ("script", "style", "svg", "title")


@dataclass(slots=True)
class Page:
    """One page as the browser has it."""

    url: str
    text: str = ""
    links: dict[str, str] = field(default_factory=dict)
    action: str | None = None
    inputs: list[tuple[str, str]] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)


async def authorize(session: aiohttp.ClientSession, entry_url: str, appid: str) -> Page:
    """Authorise an account from our entry page on; return the page the merchant sees in the end."""
    entry = await _open(session, entry_url)
    if "pc" not in entry.links:
        raise GatewayError(f"no link to WeChat on {entry.url}: {entry.text[:200]}")
    # The link says referrerpolicy="origin", and a browser keeps the Referer over the redirect to WeChat.
    wechat = await _open(session, entry.links["pc"], referer=_origin(entry.url))
    if wechat.action is None or appid not in wechat.choices:
        raise GatewayError(f"WeChat's page does not offer {appid}: {wechat.text[:200]}")
    form = [("appid", appid), *((name, value) for name, value in wechat.inputs if name != "appid")]
    return await _open(session, urljoin(wechat.url, wechat.action), referer=wechat.url, form=form)


async def look_again(session: aiohttp.ClientSession, page: Page) -> Page:
    """Reload a page."""
    return await _open(session, page.url)


async def _open(
    session: aiohttp.ClientSession,
    url: str,
    *,
    referer: str | None = None,
    form: list[tuple[str, str]] | None = None,
) -> Page:
    headers = {"Accept": "text/html", "Accept-Language": "zh-CN,zh"}
    if referer is not None:
        headers["Referer"] = referer
    method = "GET" if form is None else "POST"
    async with session.request(method, url, headers=headers, data=form) as answer:
        html = await answer.text()
        page = _read(str(answer.url), html)
        if answer.status != 200:
            raise GatewayError(f"{answer.url.path} answered {answer.status}: {page.text[:200]}")
        return page


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _read(url: str, html: str) -> Page:
    reader = _Reader(Page(url))
    reader.feed(html)
    reader.page.text = " ".join(" ".join(reader.words).split())
    return reader.page


class _Reader(HTMLParser):
    """Reads what a person could see and click."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in VOID_TEXT:
            self._unseen += 1
        elif tag == "a" and "href" in given:
            self.page.links[given.get("id", given["href"])] = urljoin(self.page.url, given["href"])
        elif tag == "form":
            self.page.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "radio":
            self.page.choices.append(given.get("value", ""))
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.page.inputs.append((given.get("name", ""), given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID_TEXT:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)
