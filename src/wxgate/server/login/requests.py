"""What a request tells the door of whoever makes it."""

from starlette.requests import Request

from wxgate.login.browsers import browser_of
from wxgate.login.visits import Visitor
from wxgate.server.asgi import client_ip
from wxgate.server.login.cookies import CookieJar
from wxgate.settings import Networks

LONGEST_AGENT = 1000


def visitor_of(request: Request, jar: CookieJar, proxies: Networks) -> Visitor:
    """Read who makes a request."""
    agent = request.headers.get("user-agent", "")[:LONGEST_AGENT]
    shown = jar.read(request.cookies)
    return Visitor(
        browser=browser_of(agent),
        held=shown.held,
        browser_key=shown.browser_key,
        loops=shown.loops,
        top_level=is_top_level(request),
        address=client_ip(request.scope, proxies),
        agent=agent,
    )


def is_top_level(request: Request) -> bool:
    """Tell whether a page is opened: what scripts, frames and forms send is never led to WeChat."""
    headers = request.headers
    if request.method not in ("GET", "HEAD") or is_by_script(request):
        return False
    mode, into = headers.get("sec-fetch-mode", "navigate"), headers.get("sec-fetch-dest", "document")
    return mode == "navigate" and into == "document"


def is_by_script(request: Request) -> bool:
    """Tell whether a script says that it is one; WeChat on Android names its package here with every page."""
    return request.headers.get("x-requested-with", "").lower() == "xmlhttprequest"
