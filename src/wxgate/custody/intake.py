"""What each component-level push does to custody; every effect is durable before the push is acknowledged."""

from datetime import UTC, datetime

import structlog

from wxgate.custody.authorizations import Authorizations
from wxgate.custody.exchanges import Exchanges
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.links import Links
from wxgate.custody.records import Exchange, ExchangeSource, ExchangeState, NewExchange
from wxgate.custody.sources import authorizer_key, component_key
from wxgate.custody.states import Trigger
from wxgate.custody.tickets import Tickets
from wxgate.protocol.pushes import (
    AuthorizationUpdated,
    Authorized,
    ComponentEvent,
    FastRegistered,
    Unauthorized,
    VerifyTicket,
)
from wxgate.secret import AuthorizationCode, PreAuthCode

log = structlog.get_logger("wxgate.intake")


class Intake:
    """Applies component-level events; applying one twice changes nothing more."""

    def __init__(
        self,
        *,
        tickets: Tickets,
        exchanges: Exchanges,
        authorizations: Authorizations,
        links: Links,
        keeper: TokenKeeper,
    ) -> None:
        self._tickets = tickets
        self._exchanges = exchanges
        self._authorizations = authorizations
        self._links = links
        self._keeper = keeper

    async def accept(self, event: ComponentEvent) -> Exchange | None:
        """Apply one event, and return the exchange it set off; kinds that custody has no part in pass by."""
        match event:
            case VerifyTicket():
                await self._tickets.accept(event)
                # With the first ticket, or the first in time, the token it buys need not wait for a caller.
                await self._keeper.tend(component_key(event.platform))
            case AuthorizationUpdated():
                return await self._update(event)
            case Authorized():
                return await self._exchange(
                    event, ExchangeSource.AUTHORIZED, event.appid, event.code, event.pre_auth_code
                )
            case Unauthorized():
                await self._authorizations.apply(
                    Trigger.TAKEN_BACK,
                    event.platform,
                    event.appid,
                    event_at=_at(event),
                    reason=event.info_type,
                )
            case FastRegistered(code=AuthorizationCode() as code):
                return await self._exchange(event, ExchangeSource.REGISTERED, event.appid, code)
            case FastRegistered(status=int(status)) if status:
                log.warning(
                    "registration.failed",
                    platform=event.platform,
                    status=status,
                    reason=", ".join(event.in_words) or event.message,
                )
            case _:
                pass
        return None

    async def _update(self, event: AuthorizationUpdated) -> Exchange:
        exchange = await self._exchange(
            event, ExchangeSource.UPDATED, event.appid, event.code, event.pre_auth_code
        )
        if exchange.state is ExchangeState.PENDING:
            # The rights changed: the token with the old ones must not be used while the code is exchanged.
            await self._keeper.drop(authorizer_key(event.platform, event.appid))
        return exchange

    async def _exchange(
        self,
        event: ComponentEvent,
        source: ExchangeSource,
        appid: str,
        code: AuthorizationCode,
        pre_auth_code: PreAuthCode | None = None,
    ) -> Exchange:
        if appid:
            await self._authorizations.apply(
                Trigger.CODE_GIVEN, event.platform, appid, event_at=_at(event), reason=source.value
            )
        flow = await self._links.flow_of(event.platform, pre_auth_code) if pre_auth_code else None
        new = NewExchange(event.platform, code, source, _at(event), appid or None, flow.id if flow else None)
        return await self._exchanges.submit(new)


def _at(event: ComponentEvent) -> datetime:
    return datetime.fromtimestamp(event.created_at, UTC)
