"""Authorization links: made at click time, bound to a tenant by signed invites.

invite (signed, expiring, n uses) ──> entry page ──click──> flow + fresh pre_auth_code ──> WeChat
                                                              │
     return page <── exchange <── redirect_uri?flow=… <───────┘
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from wxgate.client.component import ComponentApi
from wxgate.clock import Clock
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import LinkStore
from wxgate.custody.records import Flow, Invite, LinkChoices
from wxgate.custody.sources import component_key
from wxgate.errors import ConfigError, LinkRefused
from wxgate.protocol.links import AuthType, LinkKind, authorization_link
from wxgate.secret import ComponentToken, PreAuthCode

INVITE_PURPOSE = "invite"
"""Names what a signature is for, so that one made for another purpose never fits."""

FLOW_KEPT = timedelta(days=1)
"""How long a click is remembered: the code lives an hour, the merchant's return page a day."""


MOST_SETS = 50
"""How many permission sets one link may ask for; nobody would read a longer list."""

LONGEST_APPID = 64


class Signer(Protocol):
    """Signs short texts with keys that survive rotation."""

    def sign(self, purpose: str, data: str) -> str:
        """Sign data for one purpose."""
        ...

    def verify(self, purpose: str, data: str, signature: str) -> bool:
        """Check a signature made for this purpose, with any key of the ring."""
        ...


@dataclass(frozen=True, slots=True)
class WeChatPages:
    """Where WeChat's authorization pages are."""

    mp: str
    open: str


class Links:
    """Makes and checks authorization links."""

    def __init__(
        self,
        store: LinkStore,
        *,
        component: ComponentApi,
        keeper: TokenKeeper,
        signer: Signer,
        pages: WeChatPages,
        public_base_url: str,
        clock: Clock,
        make_id: Callable[[], str] = lambda: secrets.token_urlsafe(16),
    ) -> None:
        self._store = store
        self._component = component
        self._keeper = keeper
        self._signer = signer
        self._pages = pages
        self._base = public_base_url
        self._clock = clock
        self._make_id = make_id

    async def invite(
        self,
        platform: str,
        *,
        reference: str,
        choices: LinkChoices,
        valid_for: timedelta,
        max_uses: int = 1,
        return_url: str | None = None,
    ) -> tuple[Invite, str]:
        """Make an invite; return it with the link to send to the merchant."""
        check_choices(choices)
        check_return_url(return_url)
        now = self._clock.now()
        invite = Invite(
            self._make_id(), platform, reference, choices, return_url, max_uses, 0, now + valid_for, now
        )
        await self._store.put_invite(invite)
        token = f"{invite.id}.{self._signer.sign(INVITE_PURPOSE, invite.id)}"
        return invite, f"{self._base}/authorize/invite/{token}"

    async def open_invite(self, token: str) -> Invite:
        """Check an invite's token; raise LinkRefused if it is forged, expired or used up."""
        invite_id, _, signature = token.partition(".")
        if not self._signer.verify(INVITE_PURPOSE, invite_id, signature):
            raise LinkRefused("this link is not one of ours, or was cut short", reason="forged")
        invite = await self._store.load_invite(invite_id)
        if invite is None:
            raise LinkRefused("this link is no longer known", reason="forged")
        if self._clock.now() >= invite.expires_at:
            raise LinkRefused("this link has expired", reason="expired")
        if invite.max_uses and invite.uses >= invite.max_uses:
            raise LinkRefused("this link has been used already", reason="used")
        return invite

    async def start(
        self, platform: str, kind: LinkKind, choices: LinkChoices, invite: Invite | None = None
    ) -> str:
        """Begin one authorization at the moment of the click; return the WeChat page to go to."""
        check_choices(choices)
        issued = await self._keeper.using(
            component_key(platform),
            lambda token: self._component.pre_auth_code(platform, ComponentToken.of(token)),
        )
        now = self._clock.now()
        flow = Flow(
            id=self._make_id(),
            platform=platform,
            pre_auth_fingerprint=fingerprint(issued.value),
            invite=invite.id if invite else None,
            reference=invite.reference if invite else "",
            return_url=invite.return_url if invite else None,
            created_at=now,
            expires_at=now + FLOW_KEPT,
        )
        await self._store.put_flow(flow)
        return authorization_link(
            kind,
            base_mp=self._pages.mp,
            base_open=self._pages.open,
            component_appid=platform,
            pre_auth_code=issued.value.reveal(),
            redirect_uri=f"{self._base}/authorize/{platform}/return?{urlencode({'flow': flow.id})}",
            auth_type=choices.auth_type,
            biz_appid=choices.biz_appid,
            category_ids=choices.category_ids,
        )

    async def load_flow(self, platform: str, flow_id: str) -> Flow | None:
        """Load a flow of this platform that is still remembered."""
        flow = await self._store.load_flow(flow_id)
        if flow is None or flow.platform != platform or self._clock.now() >= flow.expires_at:
            return None
        return flow

    async def flow_of(self, platform: str, pre_auth_code: PreAuthCode) -> Flow | None:
        """Find the flow a pre_auth_code started."""
        return await self._store.find_flow(platform, fingerprint(pre_auth_code))


def reauthorization_link(base: str, platform: str, appid: str) -> str:
    """Make the lasting link where one account authorises a platform (again); its reference stays.

    It names no permission sets: WeChat then offers all that the platform has, those of before included.
    """
    return f"{base}/authorize/{platform}?{urlencode({'biz_appid': appid})}"


def fingerprint(code: PreAuthCode) -> str:
    """Name a pre_auth_code without keeping it."""
    return sha256(code.reveal().encode()).hexdigest()


def check_choices(choices: LinkChoices) -> None:
    """Refuse choices WeChat would refuse, before the merchant sees an error page."""
    if choices.auth_type not in {int(kind) for kind in AuthType}:
        known = ", ".join(str(int(kind)) for kind in AuthType)
        raise LinkRefused(
            f"auth_type {choices.auth_type} does not exist; WeChat knows {known}", reason="bad_choice"
        )
    appid = choices.biz_appid
    if appid is not None and not (appid.isalnum() and appid.isascii() and len(appid) <= LONGEST_APPID):
        raise LinkRefused("biz_appid is not an appid", reason="bad_choice")
    if len(choices.category_ids) > MOST_SETS:
        raise LinkRefused(f"a link asks for at most {MOST_SETS} permission sets", reason="bad_choice")
    if not all(0 <= each < 100_000 for each in choices.category_ids):
        raise LinkRefused("category_id_list is numbers of at most five digits", reason="bad_choice")


def check_return_url(url: str | None) -> None:
    """Refuse a return address that signed parameters cannot be added to."""
    parts = urlsplit(url or "https://nowhere/")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ConfigError("return_url must begin with http:// or https://, name a host and have no #fragment")


def signed_return(url: str, key: str, fields: dict[str, str], now: datetime) -> str:
    """Add the outcome of an authorization to a tenant's own URL, signed so that it can be believed.

    The signature is HMAC-SHA256 in hex over the added parameters but `sign`, sorted by name, form-encoded.
    """
    signed = {**fields, "ts": str(int(now.timestamp()))}
    signed["sign"] = sign_fields(signed, key)
    separator = "&" if urlsplit(url).query else "?"
    return f"{url}{separator}{urlencode(signed)}"


def sign_fields(fields: dict[str, str], key: str) -> str:
    """Sign form fields the way `signed_return` does; a tenant checks with the same computation."""
    return hmac.digest(key.encode(), urlencode(sorted(fields.items())).encode(), "sha256").hex()
