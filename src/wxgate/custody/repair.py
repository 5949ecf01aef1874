"""Repair: a refresh token that WeChat refuses is looked up before the merchant is asked to authorise again.

    61023, 61003, or no refresh token at all
      └─> ask for the account's information, then for the list
            ├── WeChat names another refresh token: keep it, try once more
            ├── it names the same one, or none:     needs_reauthorization, with a link
            └── it knows of no authorization:       revoked

All of it happens under the lease of the token that was to be renewed, so one node does it; and a look at
WeChat puts the next one off, so that a dead account costs next to nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from wxgate.client.component import ComponentApi, Granted
from wxgate.clock import Clock
from wxgate.custody.authorizations import Authorizations
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.links import reauthorization_link
from wxgate.custody.ports import AuthorizationStore
from wxgate.custody.records import Authorization, AuthorizationState, Evidence
from wxgate.custody.sources import component_key
from wxgate.custody.states import USABLE, Trigger
from wxgate.errors import (
    GatewayError,
    NeedsReauthorization,
    NotAuthorized,
    NotAuthorizedByAccount,
    UpstreamError,
    WeChatError,
)
from wxgate.secret import AccessToken, ComponentToken, RefreshToken

log = structlog.get_logger("wxgate.repair")

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
"""How long after one look at WeChat the next may follow; it doubles from the first to the longest."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """What WeChat knows of an authorization."""

    known: bool
    refresh_token: RefreshToken | None


class Repairs:
    """Mends authorizations whose refresh token does not work."""

    def __init__(
        self,
        store: AuthorizationStore,
        *,
        authorizations: Authorizations,
        component: ComponentApi,
        keeper: Callable[[], TokenKeeper],
        public_base_url: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._authorizations = authorizations
        self._component = component
        self._keeper = keeper
        self._base = public_base_url
        self._clock = clock

    async def usable(self, platform: str, appid: str) -> Authorization:
        """Load an authorization that it is worth trying; raise with who must do what."""
        authorization = await self._store.load(platform, appid)
        if authorization is None:
            raise self._not_authorized(platform, appid, "has not authorised platform")
        if authorization.state is AuthorizationState.REVOKED:
            raise self._not_authorized(platform, appid, "took back its authorization of platform")
        if (until := self._put_off(authorization)) is not None:
            if authorization.state is AuthorizationState.NEEDS_REAUTHORIZATION:
                raise self._needs(authorization, authorization.reason)
            raise UpstreamError(
                f"the refresh token of {appid} does not work, and WeChat could not be asked for the current "
                f"one; it is asked again at {until:%H:%M:%S}",
                sent=False,
            )
        return authorization

    async def mend(self, authorization: Authorization, refused: WeChatError | None) -> Authorization:
        """Look for the current refresh token; return the authorization with it, to be tried once.

        `refused` is WeChat's refusal, None where there was no refresh token. Raises NeedsReauthorization,
        NotAuthorized or, where WeChat could not be asked, what stood in the way.
        """
        platform, appid, held = authorization.platform, authorization.appid, authorization.refresh_token
        now = self._clock.now()
        until = now + min(FIRST_WAIT * 2 ** min(authorization.repairs, 10), LONGEST_WAIT)
        if await self._store.put_off_repair(platform, appid, held=held, until=until, now=now):
            finding = await self._look(platform, appid)
            if not finding.known:
                await self._conclude(authorization, Trigger.GONE, "WeChat knows of no authorization (61003)")
                raise self._not_authorized(platform, appid, "took back its authorization of platform")
            if finding.refresh_token in (None, held):
                what = f"WeChat refuses the refresh token ({refused.errcode})" if refused else "there is none"
                raise await self.give_up(authorization, f"{what}, and WeChat names no other")
            evidence = self._evidence(authorization, "looked up", found=finding.refresh_token)
            await self._authorizations.observe(evidence)
            log.warning("authorization.refresh_token_replaced", platform=platform, appid=appid)
        mended = await self._store.load(platform, appid)
        if mended is None or mended.refresh_token in (None, held):
            raise self._changed(appid)
        return mended

    async def give_up(self, authorization: Authorization, reason: str) -> GatewayError:
        """Note that only the merchant can help; return the error that says so."""
        await self._conclude(authorization, Trigger.REFUSED, reason)
        return self._needs(authorization, reason)

    async def note_success(self, authorization: Authorization, token: RefreshToken) -> None:
        """Note that the refresh token works, where there was doubt."""
        if authorization.state not in USABLE or authorization.repairs:
            evidence = Evidence(
                authorization.platform, authorization.appid, authorization.event_at, token, "it works again"
            )
            await self._authorizations.observe(evidence, Trigger.WORKS)

    async def _look(self, platform: str, appid: str) -> _Finding:
        """Ask WeChat what it knows; that it knows nothing takes the word of the list as well."""
        try:
            granted = await self._info(platform, appid)
        except NotAuthorizedByAccount:
            return await self._search(platform, appid)
        if granted.refresh_token is not None:
            return _Finding(True, granted.refresh_token)
        return _Finding(True, (await self._search(platform, appid)).refresh_token)

    async def _info(self, platform: str, appid: str) -> Granted:
        async def ask(token: AccessToken) -> Granted:
            return (await self._component.authorizer_info(platform, ComponentToken.of(token), appid))[1]

        return await self._keeper().using(component_key(platform), ask)

    async def _search(self, platform: str, appid: str) -> _Finding:
        async def ask(token: AccessToken) -> _Finding:
            async for listed in self._component.authorizers(platform, ComponentToken.of(token)):
                if listed.appid == appid:
                    return _Finding(True, listed.refresh_token)
            return _Finding(False, None)

        return await self._keeper().using(component_key(platform), ask)

    async def _conclude(self, authorization: Authorization, trigger: Trigger, reason: str) -> None:
        evidence = self._evidence(authorization, reason)
        if await self._authorizations.observe(evidence, trigger) is None:
            raise self._changed(authorization.appid)

    def _evidence(
        self, authorization: Authorization, reason: str, found: RefreshToken | None = None
    ) -> Evidence:
        return Evidence(
            authorization.platform,
            authorization.appid,
            authorization.event_at,
            authorization.refresh_token,
            reason,
            found=found,
            link=reauthorization_link(self._base, authorization.platform, authorization.appid),
        )

    def _put_off(self, authorization: Authorization) -> datetime | None:
        """Tell until when WeChat is not asked again; a moment further away than any wait is no wait."""
        until, now = authorization.repair_at, self._clock.now()
        return until if until is not None and now < until <= now + 2 * LONGEST_WAIT else None

    def _changed(self, appid: str) -> GatewayError:
        return UpstreamError(
            f"the authorization of {appid} changed while it was looked into; try again", sent=False
        )

    def _needs(self, authorization: Authorization, reason: str) -> NeedsReauthorization:
        platform, appid = authorization.platform, authorization.appid
        link = reauthorization_link(self._base, platform, appid)
        return NeedsReauthorization(
            f"{appid} has to authorise platform {platform} again: {reason}; send the merchant {link}",
            platform=platform,
            link=link,
        )

    def _not_authorized(self, platform: str, appid: str, what: str) -> NotAuthorized:
        link = reauthorization_link(self._base, platform, appid)
        return NotAuthorized(
            f"{appid} {what} {platform}; to act for it, send the merchant {link}",
            platform=platform,
            link=link,
        )
