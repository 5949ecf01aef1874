"""网站应用扫码登录: the page with the QR code, its long poll, wxLogin.js' frame, the phone that scans.

The page asks /connect/l/qrconnect how its code stands: 408 nobody yet, 404 scanned, 405 confirmed with the
code, 403 refused, 402 expired. What the QR code says is the address of a page here, on which a phone
confirms; a test may as well use the control plane.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from io import BytesIO
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from wxgate.emulator.login_acts import confirm_login
from wxgate.emulator.oauth_pages import refusing
from wxgate.emulator.rendering import Renderer
from wxgate.emulator.visitors import Visitor, ask_who
from wxgate.emulator.world import LinkRefusal, World
from wxgate.emulator.world.login_links import read_qrconnect
from wxgate.emulator.world.qr_logins import WX_ERRCODES, QrLogin, QrState

CONFIRM = "/connect/confirm"
CODE_MARK = "CODE"


class QrPages:
    """Serves the QR codes of websites' logins, and shows parametric ones."""

    def __init__(self, world: World, render: Renderer) -> None:
        self._world, self._render = world, render
        self._polls: set[asyncio.Event] = set()
        self._closing = False
        world.clock.moved.append(self.wake)

    def routes(self) -> list[Route]:
        """Return the routes."""
        routes: list[tuple[str, Any, list[str]]] = [
            ("/connect/qrconnect", refusing(self._render, self._show), ["GET"]),
            ("/connect/qrcode/{uuid}", self._image, ["GET"]),
            ("/connect/l/qrconnect", self._poll, ["GET"]),
            (CONFIRM, refusing(self._render, self._scanned), ["GET"]),
            (CONFIRM, refusing(self._render, self._decided), ["POST"]),
            ("/connect/zh_CN/htmledition/js/wxLogin.js", _script, ["GET"]),
            ("/cgi-bin/showqrcode", self._parametric, ["GET"]),
        ]
        return [Route(path, endpoint, methods=methods) for path, endpoint, methods in routes]

    def wake(self) -> None:
        """Let every poll look again."""
        for poll in self._polls:
            poll.set()

    def let_go(self) -> None:
        """Let every poll answer at once, now and from now on."""
        self._closing = True
        self.wake()

    # The page

    async def _show(self, request: Request) -> Response:
        link = read_qrconnect(self._world, request.query_params.multi_items())
        login = self._world.qr_logins.make(link.account.appid, link.redirect_uri, link.state)
        facts = {
            "uuid": login.uuid,
            "back": link.back(CODE_MARK),
            "refused": link.back(None) if self._world.switches.qr_refusal == "state_only" else "",
            "top": not link.asks("self_redirect"),
        }
        frame = link.asks("login_type", "jssdk")
        lang = "en" if link.asks("lang", "en") else "zh" if link.asks("lang", "cn") else ""
        return self._render(
            "qr.html", link=link, facts=facts, lang=lang, frame=frame, confirm=CONFIRM, mark=CODE_MARK
        )

    async def _image(self, request: Request) -> Response:
        uuid = request.path_params["uuid"]
        if self._world.qr_logins.get(uuid) is None:
            return PlainTextResponse("there is no such QR code", 404)
        return _png(f"{request.base_url}connect/confirm?uuid={uuid}")

    async def _parametric(self, request: Request) -> Response:
        code = self._world.qr_codes.get(request.query_params.get("ticket", ""))
        return _png(code.url) if code else PlainTextResponse("there is no such QR code", 404)

    # The poll

    async def _poll(self, request: Request) -> Response:
        login = self._world.qr_logins.get(request.query_params.get("uuid", ""))
        if login is None:
            return _told(WX_ERRCODES[QrState.EXPIRED], "")
        login.polls += 1
        known = {QrState.WAITING}
        if request.query_params.get("last") == str(WX_ERRCODES[QrState.SCANNED]):
            known.add(QrState.SCANNED)
        await self._wait(request, login, lambda: login.at not in known)
        if login.at in known:
            return _told(WX_ERRCODES[QrState.WAITING], "")
        return _told(*self._world.qr_logins.tell(login))

    async def _wait(self, request: Request, login: QrLogin, done: Callable[[], bool]) -> None:
        """Wait until the code stands otherwise, the time is up, or the page is gone."""
        logins, news = self._world.qr_logins, asyncio.Event()
        self._polls.add(news)
        logins.changed.add(news.set)
        gone = asyncio.ensure_future(_disconnected(request, news))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._world.switches.qr_poll_seconds):
                    while not (self._closing or gone.done() or done()) and self._world.qr_logins is logins:
                        news.clear()
                        await news.wait()
                        logins.get(login.uuid)  # which lets it age
        finally:
            gone.cancel()
            self._polls.discard(news)
            logins.changed.discard(news.set)

    # The phone

    async def _scanned(self, request: Request) -> Response:
        """Open what the QR code says: with that it is scanned."""
        visitor, login = Visitor.of(request, self._world), self._login(request.query_params.get("uuid", ""))
        if visitor.user is None:
            return ask_who(request, self._world, self._render)
        if login.at in (QrState.CONFIRMED, QrState.EXPIRED):
            raise LinkRefusal("expired")
        self._world.qr_logins.scan(login, visitor.user.id)
        account = self._world.account(login.appid)
        return self._render("confirm.html", account=account, user=visitor.user, uuid=login.uuid)

    async def _decided(self, request: Request) -> Response:
        form = await request.form()
        login = self._login(str(form.get("uuid", "")))
        if login.at is not QrState.SCANNED:
            raise LinkRefusal("expired")
        if form.get("decision") == "allow":
            confirm_login(self._world, login.uuid)
        else:
            self._world.qr_logins.refuse(login)
        return self._render("closed.html")

    def _login(self, uuid: str) -> QrLogin:
        login = self._world.qr_logins.get(uuid)
        if login is None:
            raise LinkRefusal("expired")
        return login


async def _disconnected(request: Request, news: asyncio.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
    news.set()


def _told(errcode: int, code: str) -> Response:
    text = f"window.wx_errcode={errcode};window.wx_code='{code}';"
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "no-store"})


def _png(text: str) -> Response:
    image = BytesIO()
    segno.make(text, error="l", micro=False).save(image, kind="png", scale=8, border=3)
    return Response(image.getvalue(), media_type="image/png")


async def _script(request: Request) -> Response:
    script = files("wxgate.emulator").joinpath("templates/wxLogin.js").read_text("utf-8")
    return Response(script, media_type="text/javascript")
