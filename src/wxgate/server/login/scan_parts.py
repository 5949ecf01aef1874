"""Logins by scanning, put together: what makes codes, and how often."""

import time

from wxgate.errors import UpstreamError
from wxgate.login.records import App
from wxgate.login.scan_entering import Spent, Wait
from wxgate.login.scans import MakeCode
from wxgate.login.visits import Visitor
from wxgate.server.calls import Calls
from wxgate.server.limits import Limiter, household

PATH = "/cgi-bin/qrcode/create"

CODES_PER_ADDRESS = 20
CODES_PER_APP = 600
SECONDS = 60.0
"""How many codes within how long are made."""

CODES_PER_DAY = 20_000
DAY_SECONDS = 86_400.0
"""How many codes a node has made of an account within a day. Each costs one of the account's hundred
thousand, which its business needs too, and anybody can open the page that shows one."""


def make_codes(calls: Calls) -> MakeCode:
    """Make what asks WeChat for codes, with the token of the app's account."""

    async def make_code(app: App, scene: str, seconds: int) -> str:
        wanted = {
            "expire_seconds": seconds,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        answer = await calls.account(app.appid, issuer=app.issuer).post(PATH, json=wanted)
        url = answer.get("url") if isinstance(answer, dict) else None
        if not isinstance(url, str) or not url:
            raise UpstreamError("WeChat's answer lacks the code's url", sent=True)
        return url

    return make_code


def make_wait() -> Wait:
    """Make what counts the codes of an address and of an app."""
    by_address, by_app = Limiter(CODES_PER_ADDRESS, SECONDS), Limiter(CODES_PER_APP, SECONDS)

    def wait(visitor: Visitor, app: App) -> float:
        now = time.monotonic()
        # One after the other: who is stopped at the first takes nothing from everybody at the second.
        return by_address.take(household(visitor.address), now) or by_app.take(app.name, now)

    return wait


def make_spent(most: int = CODES_PER_DAY) -> Spent:
    """Make what counts the codes of an app's day."""
    by_app = Limiter(most, DAY_SECONDS)

    def spent(app: App) -> bool:
        return by_app.take(app.name, time.monotonic()) > 0

    return spent
