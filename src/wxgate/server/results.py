"""The way back from WeChat: the code is made durable, the merchant sees what came of it, the tenant is told.

The browser is sent on to an address without the code, so that neither history nor the next site's Referer has
it. A result is found by the unguessable id of its flow or exchange, for a day.
"""

from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from wxgate.custody.links import signed_return
from wxgate.custody.records import (
    AuthorizationState,
    Exchange,
    ExchangeSource,
    ExchangeState,
    Flow,
    NewExchange,
    Platform,
)
from wxgate.protocol import permissions
from wxgate.server.front import Front, Onward, Outcome, Restart, nothing, redirect
from wxgate.server.pages import Referrer
from wxgate.server.troubles import BAD_CODE, CANCELLED, UNKNOWN_RESULT, trouble_of_exchange
from wxgate.server.visits import Visit, as_id

log = structlog.get_logger("wxgate.authorize")

WAIT_SECONDS = 3.0
"""How long a result page waits for the exchange before it says "still working"."""

REFRESH_SECONDS = 2
"""How soon an unfinished result page looks again."""

NAME_WITHIN = timedelta(seconds=30)
"""How long a result page looks again for the account's name, which comes after the authorization itself."""

READING_SECONDS = {"authorized": 3, "failed": 10}
"""How long the merchant can read before the browser goes on to the tenant's own site."""


class Results:
    """Takes codes from browsers and shows what they brought."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._node = front.node

    async def accept(self, visit: Visit) -> Outcome:
        """Take the code that WeChat's page sent the browser back with."""
        platform = await self._front.platform(visit)
        if visit.is_head:
            return "head", nothing()
        flow = await self._flow(platform, as_id(visit.query("flow")))
        if not visit.query("auth_code"):
            return self._front.trouble(visit, CANCELLED, _restart(platform, flow))
        code = visit.code()
        if code is None:
            return self._front.trouble(visit, BAD_CODE, _restart(platform, flow))
        if flow is None:
            # Nobody clicked here for it. If it is a merchant's all the same, WeChat's push brings the code.
            return self._front.trouble(visit, UNKNOWN_RESULT, _restart(platform, None))
        new = NewExchange(
            platform.appid,
            code,
            ExchangeSource.REDIRECT,
            # WeChat's own times are whole seconds; its push, when it comes, puts them right.
            event_at=self._node.clock.now().replace(microsecond=0),
            flow=flow.id,
        )
        await self._node.exchanges.submit(new)
        result = f"{self._front.base}/authorize/{platform.appid}/result/{flow.id}"
        return "taken", redirect(result, Referrer.NONE)

    async def show(self, visit: Visit) -> Outcome:
        """Show what a code brought, or that it is being worked on."""
        platform = await self._front.platform(visit)
        flow = await self._flow(platform, as_id(visit.path("id")))
        job = await self._job(flow, 0 if visit.is_head else WAIT_SECONDS) if flow else None
        if flow is None or job is None:
            return self._front.trouble(visit, UNKNOWN_RESULT, _restart(platform, flow))
        match job.state:
            case ExchangeState.DONE:
                return await self._authorized(visit, platform, job, flow)
            case ExchangeState.FAILED:
                onward = self._onward(platform, flow, "failed", job.appid)
                return self._front.trouble(visit, trouble_of_exchange(job), _restart(platform, flow), onward)
            case _:
                return "working", self._front.page(visit, "working.html", {"refresh": REFRESH_SECONDS})

    async def _authorized(self, visit: Visit, platform: Platform, job: Exchange, flow: Flow) -> Outcome:
        appid = job.appid or ""
        authorization = await self._node.authorizations.load(platform.appid, appid)
        if authorization is None or authorization.state is AuthorizationState.REVOKED:
            context = {"appid": appid, **self._front.restart(_restart(platform, flow))}
            return "revoked", self._front.page(visit, "revoked.html", context)
        account = await self._node.accounts.load(appid)
        # An account that others' use of the invite left unbound is not announced in the tenant's name.
        bound = authorization.reference == flow.reference
        onward = self._onward(platform, flow, "authorized", appid) if bound else None
        young = self._node.clock.now() - job.created_at < NAME_WITHIN
        context = {
            "name": platform.name,
            "appid": appid,
            "account": account,
            "sets": [permissions.name(id, visit.lang) for id in authorization.func_ids],
            "onward": onward,
            "refresh": REFRESH_SECONDS if account is None and young and onward is None else None,
        }
        return "authorized", self._front.page(visit, "authorized.html", context)

    async def _flow(self, platform: Platform, id: str | None) -> Flow | None:
        return await self._node.links.load_flow(platform.appid, id) if id else None

    async def _job(self, flow: Flow, seconds: float) -> Exchange | None:
        """Find the exchange a result page is about, and wait for it a little."""
        job = await self._node.exchanges.find_by_flow(flow.id)
        if job is not None:
            await self._node.exchanges.wait(job.id, seconds=seconds)
            # The push may have brought another code for the same click, and that one may have done it.
            job = await self._node.exchanges.find_by_flow(flow.id)
        return job

    def _onward(self, platform: Platform, flow: Flow | None, state: str, appid: str | None) -> Onward | None:
        """Make the way to the tenant's own site, where the invite named one."""
        if flow is None or not flow.return_url:
            return None
        fields = {
            "reference": flow.reference,
            "platform": platform.appid,
            "appid": appid or "",
            "state": state,
        }
        key = platform.redirect_key.reveal()
        url = signed_return(flow.return_url, key, fields, self._node.clock.now())
        return Onward(url, urlsplit(url).hostname or "", READING_SECONDS[state])


def _restart(platform: Platform, flow: Flow | None) -> Restart:
    if flow is not None and flow.invite is not None:
        return Restart(by_invite=True)
    return Restart(f"/authorize/{platform.appid}")
