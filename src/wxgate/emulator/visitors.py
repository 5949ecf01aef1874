"""Who sits at a browser that opens WeChat's pages, and in what kind of browser.

A test says it by headers; a person who plays picks on a page, which a cookie remembers.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wxgate.emulator.rendering import Renderer
from wxgate.emulator.world import User, World

USER_HEADER = "X-Emulated-User"
SNAPSHOT_HEADER = "X-Emulated-Snapshot"
FRAGMENT_HEADER = "X-Emulated-Fragment"
USER_COOKIE = "emulated_user"
FULL_SERVICE_COOKIE = "emulated_full_service"
PICK = "/connect/emulated_user"


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of a request to WeChat's pages."""

    user: User | None
    in_wechat: bool
    snapshot: bool
    full_service: bool
    fragment: str | None

    @classmethod
    def of(cls, request: Request, world: World) -> "Visitor":
        """Read a request; nobody is known where several users exist and none is named."""
        agent = request.headers.get("user-agent", "")
        named = request.headers.get(USER_HEADER) or request.cookies.get(USER_COOKIE)
        alone = next(iter(world.users.values())) if len(world.users) == 1 else None
        return cls(
            user=world.users.get(named) if named in world.users else None if named else alone,
            in_wechat="MicroMessenger" in agent and "wxwork" not in agent,
            snapshot=bool(request.headers.get(SNAPSHOT_HEADER)),
            full_service=bool(request.cookies.get(FULL_SERVICE_COOKIE)),
            fragment=request.headers.get(FRAGMENT_HEADER),
        )


def ask_who(request: Request, world: World, render: Renderer) -> Response:
    """Show the page on which a person picks a user; the answer comes back to the same address."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return render("picker.html", users=list(world.users.values()), back=back, action=PICK)


async def picked(request: Request) -> Response:
    """Remember the user who was picked and go back."""
    form = await request.form()
    back = str(form.get("back", "/"))
    parts = urlsplit(back)
    if parts.scheme or parts.netloc or not back.startswith("/") or back[1:2] in ("/", "\\"):
        back = "/"
    response = RedirectResponse(back, 303)
    response.set_cookie(USER_COOKIE, str(form.get("user", "")), path="/connect", samesite="lax")
    return response
