"""What a request tells the door."""

from starlette.requests import Request

from wxgate.login.browsers import browser_of
from wxgate.login.returning import Returned
from wxgate.login.visits import Visitor
from wxgate.secret import LoginState, OAuthCode
from wxgate.server.asgi import client_ip
from wxgate.server.login.cookies import CookieJar
from wxgate.settings import Networks

LONGEST_CODE = 512
LONGEST_STATE = 128


def visitor_of(request: Request, jar: CookieJar, proxies: Networks) -> Visitor:
    """Read who makes a request."""
    agent = request.headers.get("user-agent", "")
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
    """Tell whether a page is being opened; scripts and forms cannot be sent to WeChat."""
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and headers.get("x-requested-with", "").lower() != "xmlhttprequest"
    )


def returned_of(request: Request) -> Returned:
    """Read what WeChat's redirect says; a code that can be none of WeChat's is as good as a wrong one."""
    query = request.query_params
    code, account = query.get("code"), query.get("appid")
    return Returned(
        LoginState(query.get("state", "")[:LONGEST_STATE]),
        OAuthCode(code[:LONGEST_CODE]) if code else None,
        account[:LONGEST_STATE] if account else None,
    )
