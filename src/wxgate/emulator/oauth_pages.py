"""网页授权, the pages of connect/oauth2/authorize: silent, with consent, as a snapshot page.

A visit that needs nobody's answer is a redirect; the others wait here for a form.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from wxgate.emulator.rendering import Renderer
from wxgate.emulator.visitors import FULL_SERVICE_COOKIE, PICK, Visitor, ask_who, picked
from wxgate.emulator.world import LinkRefusal, User, World
from wxgate.emulator.world.login_links import LoginLink, read_authorize
from wxgate.emulator.world.logins import USERINFO

AUTHORIZE = "/connect/oauth2/authorize"
FULL_SERVICE = "/connect/oauth2/full_service"
SECOND_CALLBACK_HEADER = "X-Emulated-Second-Callback"
FRAGMENT = "wechat_redirect"

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One person before the page."""

    id: str
    link: LoginLink
    user: User
    snapshot: bool


class OAuthPages:
    """Serves 网页授权; what a link may ask for is the world's to say."""

    def __init__(self, world: World, render: Renderer) -> None:
        self._world, self._render = world, render
        self._visits: dict[str, Visit] = {}

    def clear(self) -> None:
        """Forget every visit."""
        self._visits.clear()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(AUTHORIZE, refusing(self._render, self._show), methods=["GET"]),
            Route(AUTHORIZE, refusing(self._render, self._answer), methods=["POST"]),
            Route(FULL_SERVICE, self._full_service, methods=["GET", "POST"]),
            Route(PICK, picked, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        world = self._world
        visitor = Visitor.of(request, world)
        if world.switches.wechat_browser_only and not visitor.in_wechat:
            raise LinkRefusal("browser", "there is no MicroMessenger in the User-Agent")
        link = read_authorize(world, request.query_params.multi_items())
        if visitor.user is None:
            return ask_who(request, world, self._render)
        visit = Visit(world.login_values.visit(), link, visitor.user, self._in_snapshot(visitor, link))
        if world.switches.require_fragment and visitor.fragment != FRAGMENT:
            if visitor.fragment is not None:
                raise LinkRefusal("fragment")
            self._visits[visit.id] = visit
            return self._render("fragment.html", visit=visit, action=AUTHORIZE)
        return self._open(visit, hint=True)

    def _in_snapshot(self, visitor: Visitor, link: LoginLink) -> bool:
        wanted = self._world.switches.snapshot or visitor.snapshot or link.asks("forceSnapShot")
        return wanted and not visitor.full_service

    def _open(self, visit: Visit, *, hint: bool) -> Response:
        """Lead back at once, or ask; a snapshot page asks nothing, it makes the person up."""
        link = visit.link
        if visit.snapshot or USERINFO not in link.scope.split(",") or self._knows(visit):
            return self._lead_back(visit)
        self._visits[visit.id] = visit
        return self._render("consent.html", visit=visit, action=AUTHORIZE, hint=hint)

    def _knows(self, visit: Visit) -> bool:
        follows = visit.link.account.appid in visit.user.followed_at
        return self._world.switches.follower_silence and follows and not visit.link.asks("forcePopup")

    async def _answer(self, request: Request) -> Response:
        form = await request.form()
        visit = self._visits.pop(str(form.get("visit", "")), None)
        if visit is None:
            raise LinkRefusal("expired")
        match form.get("decision"):
            case "allow":
                return self._lead_back(visit)
            case "continue":
                return self._open(visit, hint=False)  # the fragment has been seen
        return self._refused(visit)

    def _lead_back(self, visit: Visit) -> Response:
        response = RedirectResponse(visit.link.back(self._code(visit)), 302)
        if self._world.switches.double_callback:
            # Nobody but WeChat's own client follows it: the browser model, or a test by hand.
            response.headers[SECOND_CALLBACK_HEADER] = visit.link.back(self._code(visit))
        return response

    def _code(self, visit: Visit) -> str:
        world, link = self._world, visit.link
        return world.logins.make_code(
            appid=link.account.appid,
            user=visit.user.id,
            openid=world.openid(visit.user, link.account),
            scope=link.scope,
            platform=link.platform.appid if link.platform else None,
            state=link.state,
            snapshot=visit.snapshot,
        ).value

    def _refused(self, visit: Visit) -> Response:
        match self._world.switches.refusal:
            case "state_only":
                return RedirectResponse(visit.link.back(None), 302)
            case "authdeny":
                return RedirectResponse(visit.link.back("authdeny"), 302)
            case "blank":
                return HTMLResponse("")
        return self._render("closed.html")

    async def _full_service(self, request: Request) -> Response:
        """Leave the snapshot page: 使用完整服务."""
        if request.method != "POST":
            return self._render("full_service.html", back=request.query_params.get("back", ""))
        back = str((await request.form()).get("back", ""))
        response = RedirectResponse(back if urlsplit(back).scheme in ("http", "https") else "/", 303)
        response.set_cookie(FULL_SERVICE_COOKIE, "1", path="/connect", samesite="lax")
        return response


def refusing(render: Renderer, endpoint: Endpoint) -> Endpoint:
    """Show what an endpoint refuses as WeChat's page."""

    async def serve(request: Request) -> Response:
        try:
            return await endpoint(request)
        except LinkRefusal as refused:
            return render("link_refused.html", refused=refused)

    return serve
