"""What the gateway knows about itself at the time of a refusal, gathered from what is kept."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wxgate.clock import Clock
from wxgate.custody.ports import AccountStore, AuthorizationStore, PlatformStore, TokenStore
from wxgate.custody.records import AuthorizationFilter, AuthorizationState
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.custody.tickets import TicketHealth, Tickets
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey


@dataclass(frozen=True, slots=True)
class Situation:
    """What this gateway knows at the time of a refusal; "" and None mean not known, or none.

    `issuer` is a platform's appid or `direct`. `last_accepted` is when WeChat last gave a token for the
    secret, `token_fetched_at` when the token of the call was fetched. `others` are the issuers besides this
    one that may act for the account, `platforms` all that are served here.
    """

    now: datetime
    issuer: str = ""
    account: str = ""
    path: str = ""
    link: str = ""
    ticket: TicketHealth | None = None
    ticket_age: timedelta | None = None
    last_accepted: datetime | None = None
    token_fetched_at: datetime | None = None
    state: AuthorizationState | None = None
    authorized_at: datetime | None = None
    changed_at: datetime | None = None
    func_ids: tuple[int, ...] = ()
    account_kind: str = ""
    others: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    is_direct_here: bool = False

    @property
    def by_platform(self) -> bool:
        """Tell whether a platform called, for itself or for an account."""
        return self.issuer not in ("", DIRECT_ISSUER)

    @property
    def on_behalf(self) -> bool:
        """Tell whether a platform acts for an account."""
        return self.by_platform and self.account not in ("", self.issuer)

    @property
    def whose(self) -> str:
        """Name whose secret or quota it is: the platform, or the direct account."""
        return self.account if self.issuer == DIRECT_ISSUER else self.issuer


class Situations:
    """Looks at the stores on behalf of an explanation; it never calls WeChat."""

    def __init__(
        self,
        *,
        tickets: Tickets,
        tokens: TokenStore,
        platforms: PlatformStore,
        authorizations: AuthorizationStore,
        accounts: AccountStore,
        public_base_url: str,
        clock: Clock,
    ) -> None:
        self._tickets = tickets
        self._tokens = tokens
        self._platforms = platforms
        self._authorizations = authorizations
        self._accounts = accounts
        self._public_base_url = public_base_url.rstrip("/")
        self._clock = clock

    async def gather(self, issuer: str, account: str = "", *, path: str = "") -> Situation:
        """Gather the situation of one issuer and, where one is meant, one account."""
        at = Situation(self._clock.now(), issuer=issuer, account=account, path=path)
        if issuer == DIRECT_ISSUER:
            return await self._with_account(await self._with_token(at, direct_key(account)))
        age = await self._tickets.age(issuer)
        served = [platform.appid for platform in await self._platforms.list_platforms()]
        at = replace(
            await self._with_token(at, component_key(issuer)),
            account=account or issuer,
            link=f"{self._public_base_url}/authorize/{issuer}",
            ticket=age.health,
            ticket_age=age.age,
            platforms=tuple(served),
            is_direct_here=await self._platforms.load_direct(issuer) is not None,
        )
        return await self._with_account(at) if at.on_behalf else at

    async def _with_token(self, at: Situation, key: TokenKey) -> Situation:
        kept = await self._tokens.load(key)
        fetched_at = kept.fetched_at if kept else None
        return replace(at, last_accepted=fetched_at, token_fetched_at=fetched_at)

    async def _with_account(self, at: Situation) -> Situation:
        info = await self._accounts.load(at.account)
        found = await self._authorizations.find(AuthorizationFilter(appid=at.account))
        live = [one.platform for one in found if one.state is not AuthorizationState.REVOKED]
        at = replace(
            at,
            account_kind=info.kind if info else "",
            others=tuple(issuer for issuer in live if issuer != at.issuer),
        )
        mine = next((one for one in found if one.platform == at.issuer), None)
        if at.issuer != DIRECT_ISSUER:
            kept = await self._tokens.load(authorizer_key(at.issuer, at.account))
            at = replace(at, token_fetched_at=kept.fetched_at if kept else None)
        if mine is None:
            return at
        return replace(
            at,
            state=mine.state,
            authorized_at=mine.authorized_at,
            changed_at=mine.event_at,
            func_ids=mine.func_ids,
        )
