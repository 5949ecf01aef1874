"""The authorization pages, PC and H5: choose the account, tick the permission sets, confirm.

The page wants to be opened by a click on the platform's own domain: the host of the Referer, the host of
redirect_uri and the platform's authorize_domain must be one and the same (授权流程技术说明).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from wxgate.emulator.acts import Actor, Authorized
from wxgate.emulator.control import redirect_url
from wxgate.emulator.pushes import Push, Pusher
from wxgate.emulator.rendering import Renderer
from wxgate.emulator.world import Account, Kind, PageRefusal, Platform, World
from wxgate.protocol import permissions

PATHS = ("/cgi-bin/componentloginpage", "/wxaopen/safe/bindcomponent", "/safe/bindcomponent")

# What auth_type lets the merchant choose from; 4, 5 and 8 are kinds that this world does not have.
_AUTHORIZING = frozenset({Kind.OFFICIAL_ACCOUNT, Kind.MINI_PROGRAM})
_KINDS: Mapping[str, frozenset[Kind]] = {
    "1": frozenset({Kind.OFFICIAL_ACCOUNT}),
    "2": frozenset({Kind.MINI_PROGRAM}),
    "3": _AUTHORIZING,
    "4": frozenset(),
    "5": frozenset(),
    "6": _AUTHORIZING,
    "8": frozenset(),
}
_DEFAULT_AUTH_TYPE = "3"


@dataclass(slots=True)
class Visit:
    """One person before the page, from opening it to confirming."""

    id: str
    platform: Platform
    pre_auth_code: str
    redirect_uri: str
    accounts: list[Account]
    sets: dict[Kind, list[int]] = field(default_factory=dict)


class Pages:
    """Serves the pages; what a visitor may do is the world's to say."""

    def __init__(self, world: World, actor: Actor, pusher: Pusher, render: Renderer) -> None:
        self._world, self._actor, self._pusher, self._render = world, actor, pusher, render
        self._visits: dict[str, Visit] = {}

    def routes(self) -> list[Route]:
        """Return the routes of mp.weixin.qq.com and open.weixin.qq.com."""
        return [Route(path, self._serve, methods=["GET", "POST"]) for path in PATHS]

    async def _serve(self, request: Request) -> Response:
        # HEAD comes along with GET in Starlette and opens the page as well.
        try:
            if request.method == "POST":
                return await self._confirm(await request.form())
            return self._show(request)
        except PageRefusal as refused:
            return self._render("refused.html", refused=refused)

    # Opening

    def _show(self, request: Request) -> Response:
        visit = self._open(request.query_params, request.headers.get("referer", ""))
        self._visits[visit.id] = visit
        return self._render("authorize.html", visit=visit, sets=self._offered(visit), action=request.url.path)

    def _open(self, given: Mapping[str, str], referer: str) -> Visit:
        for name, missing in (("component_appid", -306), ("pre_auth_code", -307), ("redirect_uri", -308)):
            if not given.get(name):
                raise PageRefusal(missing)
        platform = self._world.platforms.get(given["component_appid"])
        if platform is None:
            raise PageRefusal(-305)
        self._check_domain(platform, referer, given["redirect_uri"])
        self._world.check_pre_auth_code(platform, given["pre_auth_code"])
        visit = Visit(
            self._world.values.visit(),
            platform,
            given["pre_auth_code"],
            given["redirect_uri"],
            self._eligible(platform, given),
        )
        category_ids = [int(id) for id in given.get("category_id_list", "").split("|") if id.isdigit()]
        for account in visit.accounts:
            offered = self._world.offered_sets(platform, account)
            visit.sets[account.kind] = [id for id in offered if not category_ids or id in category_ids]
        return visit

    def _check_domain(self, platform: Platform, referer: str, redirect_uri: str) -> None:
        if not self._world.switches.check_referer:
            return
        entry, target = urlsplit(referer).netloc, urlsplit(redirect_uri).netloc
        if not entry or entry != target or entry not in platform.authorize_domain:
            raise PageRefusal(-302, entry=entry, target=target)

    def _eligible(self, platform: Platform, given: Mapping[str, str]) -> list[Account]:
        """Return whom the merchant may choose: biz_appid wins over auth_type when both are given."""
        if wanted := given.get("biz_appid"):
            known = [each for each in self._world.accounts.values() if each.kind in _AUTHORIZING]
            chosen = [each for each in known if each.appid == wanted]
        else:
            kinds = _KINDS.get(given.get("auth_type", _DEFAULT_AUTH_TYPE))
            if kinds is None:
                raise PageRefusal(-301)
            chosen = [each for each in self._world.accounts.values() if each.kind in kinds]
        allowed = [each for each in chosen if platform.published or each.appid in platform.test_accounts]
        if chosen and not allowed:
            raise PageRefusal(-108)
        return allowed

    def _offered(self, visit: Visit) -> dict[Kind, list[tuple[int, str]]]:
        lang = self._render.lang
        return {kind: [(id, permissions.name(id, lang)) for id in ids] for kind, ids in visit.sets.items()}

    # Confirming

    async def _confirm(self, form: FormData) -> Response:
        visit = self._visits.get(str(form.get("visit", "")))
        if visit is None or self._world.platforms.get(visit.platform.appid) is not visit.platform:
            raise PageRefusal(-101)
        account = next((each for each in visit.accounts if each.appid == form.get("appid")), None)
        if account is None:
            raise PageRefusal(-301)
        ticked = {int(str(id)) for id in form.getlist("func_id") if str(id).isdigit()}
        func_ids = [id for id in visit.sets[account.kind] if id in ticked]
        if not func_ids:
            raise PageRefusal(-104)
        authorized = self._actor.authorize(visit.platform, account, func_ids, visit.pre_auth_code)
        del self._visits[visit.id]
        await self._tell(authorized)
        granted = authorized.granted
        expires_in = granted.expires_at - self._world.clock.seconds()
        # The URL is already encoded: Starlette quotes only what cannot stand in a header.
        return RedirectResponse(redirect_url(visit.redirect_uri, granted.redirect_code, expires_in), 302)

    async def _tell(self, authorized: Authorized) -> None:
        """Push the news before, beside or after the browser's redirect."""
        if authorized.push is None:
            return
        order = self._world.switches.authorized_push
        head_start = self._world.switches.redirect_head_start if order == "redirect_first" else 0.0
        delivery = self._pusher.start(self._deliver_later(authorized.push, head_start))
        if order == "push_first":
            await delivery

    async def _deliver_later(self, push: Push, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._pusher.deliver(push)
