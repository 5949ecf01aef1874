"""The merchants' pages: from an entry link through WeChat's authorization page to the result.

    entry or invite ──click──> start ──302──> WeChat ──> return ──303──> result (waits, then tells)

WeChat accepts a visitor only if the click was made on a page of the platform's registered domain
(授权发起页域名), which it reads from the Referer; so the entry page is ours, its links are plain, and both
answers on the way keep the origin. `results` has the way back.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wxgate.custody.records import Invite, LinkChoices, Platform
from wxgate.errors import GatewayError, HeldBack, LinkRefused, told
from wxgate.protocol import permissions
from wxgate.protocol.links import AuthType
from wxgate.server.asgi import client_ip
from wxgate.server.front import Answer, Front, Outcome, Restart, nothing, redirect
from wxgate.server.limits import Limiter, household
from wxgate.server.node import Node
from wxgate.server.pages import Referrer
from wxgate.server.qr import draw_qr
from wxgate.server.results import Results
from wxgate.server.texts import text
from wxgate.server.troubles import PREFETCH, TOO_MANY, Trouble, trouble_of
from wxgate.server.visits import Visit, as_query

log = structlog.get_logger("wxgate.authorize")

OFFERED = (AuthType.OFFICIAL_ACCOUNT, AuthType.MINI_PROGRAM, AuthType.OFFICIAL_ACCOUNT_AND_MINI_PROGRAM)
"""The choices everybody sees; others are offered where the address asks for them."""

CLICKS_PER_ADDRESS = 20
CLICKS_PER_PLATFORM = 600
CLICK_SECONDS = 60.0
"""How many clicks within how long lead on to WeChat: each takes a pre_auth_code, and there is a quota."""

HOLD_WAITED_OUT = 2.0
"""Seconds that a click waits, where no token is fetched for a moment after failures: whoever has just mended
something and tries again should not have to try twice."""

LONGEST_INVITE = 256

BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Option:
    """One kind of account to choose, as a link to the same page."""

    name: str
    href: str
    chosen: bool


class AuthorizePages:
    """Serves everything under /authorize."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._front = Front(node)
        self._results = Results(self._front)
        self._by_address = Limiter(CLICKS_PER_ADDRESS, CLICK_SECONDS)
        self._by_platform = Limiter(CLICKS_PER_PLATFORM, CLICK_SECONDS)

    def routes(self) -> list[Route]:
        """List the routes; invites come first, so that no platform can take their place."""
        return [
            self._route("/authorize/invite/{token}", "invite", self._invite),
            self._route("/authorize/{platform}", "entry", self._entry),
            self._route("/authorize/{platform}/start", "start", self._start),
            self._route("/authorize/{platform}/return", "return", self._results.accept),
            self._route("/authorize/{platform}/result/{id}", "result", self._results.show),
            self._route("/authorize{rest:path}", "unknown", self._unknown),
        ]

    def _route(self, path: str, page: str, answer: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            visit = Visit(request)
            try:
                result, response = await answer(visit)
            except GatewayError as error:
                trouble = trouble_of(error, visit.path("platform"))
                log.info("authorize.trouble", page=page, trouble=trouble.name, **told(error))
                result, response = self._front.trouble(visit, trouble, _restart(visit, trouble))
            self._node.metrics.pages.labels(page, result).inc()
            return response

        return Route(path, endpoint, methods=["GET"], name=page)

    async def _unknown(self, visit: Visit) -> Outcome:
        raise LinkRefused("there is no such page", reason="forged")

    async def _entry(self, visit: Visit) -> Outcome:
        platform = await self._front.platform(visit)
        choices = visit.choices()
        here = f"/authorize/{platform.appid}?{urlencode(as_query(choices))}"
        return self._offer(
            visit, platform, choices, here, as_query(choices), options=_options(visit, choices)
        )

    async def _invite(self, visit: Visit) -> Outcome:
        token = visit.path("token")
        invite = await self._open_invite(token)
        platform = await self._front.platform_of(invite.platform)
        here = f"/authorize/invite/{token}"
        return self._offer(visit, platform, invite.choices, here, {"invite": token}, until=invite.expires_at)

    def _offer(
        self,
        visit: Visit,
        platform: Platform,
        choices: LinkChoices,
        here: str,
        start: dict[str, str],
        *,
        options: list[Option] | None = None,
        until: datetime | None = None,
    ) -> Outcome:
        """Offer WeChat's pages; `here` is the path of this page, `start` what its links ask for."""
        to_start = f"{self._front.base}/authorize/{platform.appid}/start?"
        address = self._front.base + here
        # WeChat needs the Referer, so a phone is led to our page too, never straight to WeChat's.
        on_phone = address + ("&" if "?" in here else "?") + "device=phone"
        context = {
            "name": platform.name,
            "links": {kind: to_start + urlencode({"kind": kind, **start}) for kind in ("pc", "h5")},
            "on_phone": visit.on_phone,
            "in_wechat": visit.in_wechat,
            "address": address,
            "qr": None if visit.on_phone else draw_qr(on_phone),
            "asked_type": getattr(AuthType(choices.auth_type), visit.lang),
            "biz_appid": choices.biz_appid,
            "sets": [permissions.name(id, visit.lang) for id in choices.category_ids],
            "options": options,
            "until": until and f"{until.astimezone(BEIJING):%Y-%m-%d %H:%M}",
        }
        return "shown", self._front.page(visit, "entry.html", context, referrer=Referrer.ORIGIN)

    async def _start(self, visit: Visit) -> Outcome:
        platform = await self._front.platform(visit)
        if visit.is_head:
            return "head", nothing()
        if visit.is_prefetch:
            return self._front.trouble(visit, PREFETCH, Restart(_entry_of(visit)))
        invite = await self._invite_of(visit, platform)
        choices, kind = (invite.choices if invite else visit.choices()), visit.kind()
        if visit.is_from_elsewhere(self._front.base):
            return "not_from_here", redirect(self._front.base + _entry_of(visit), Referrer.ORIGIN)
        if wait := self._wait(visit, platform):
            result, response = self._front.trouble(visit, TOO_MANY, Restart(_entry_of(visit)))
            response.headers["Retry-After"] = str(math.ceil(wait))
            return result, response
        try:
            page = await self._node.links.start(platform.appid, kind, choices, invite)
        except HeldBack as held:
            if held.retry_after > HOLD_WAITED_OUT:
                raise
            await asyncio.sleep(held.retry_after)
            page = await self._node.links.start(platform.appid, kind, choices, invite)
        return kind, redirect(page, Referrer.ORIGIN, status=302)

    def _wait(self, visit: Visit, platform: Platform) -> float:
        """Count a click; return after how many seconds it may be made again, 0 when it is let through."""
        now = time.monotonic()
        address = household(client_ip(visit.request.scope, self._node.settings.proxies))
        # One after the other: who is stopped at the first takes nothing from everybody at the second.
        return self._by_address.take(address, now) or self._by_platform.take(platform.appid, now)

    async def _open_invite(self, token: str) -> Invite:
        if len(token) > LONGEST_INVITE:
            raise LinkRefused("no invite is that long", reason="forged")
        return await self._node.links.open_invite(token)

    async def _invite_of(self, visit: Visit, platform: Platform) -> Invite | None:
        if not (token := visit.query("invite")):
            return None
        invite = await self._open_invite(token)
        if invite.platform != platform.appid:
            raise LinkRefused("this invite is for another platform", reason="forged")
        return invite


def _options(visit: Visit, choices: LinkChoices) -> list[Option]:
    """List the kinds of account to choose from: the usual ones, and the one that was asked for."""
    kinds = sorted({*OFFERED, AuthType(choices.auth_type)})
    return [
        Option(
            text(visit.lang, f"entry.type.{int(kind)}"),
            visit.with_query(auth_type=str(int(kind))),
            chosen=kind == choices.auth_type,
        )
        for kind in kinds
    ]


def _entry_of(visit: Visit) -> str:
    """Make the path of the entry page that a start link belongs to."""
    if invite := visit.query("invite"):
        return f"/authorize/invite/{quote(invite, safe='')}"
    return f"/authorize/{visit.path('platform')}?{urlencode(as_query(visit.choices()))}"


def _restart(visit: Visit, trouble: Trouble) -> Restart:
    """Say where to try again, where trying again can help."""
    if trouble.status in (404, 410) or not visit.path("platform"):
        return Restart()
    if trouble.name == "bad_choice" and not visit.query("invite"):
        return Restart(f"/authorize/{visit.path('platform')}")
    return Restart(_entry_of(visit))
