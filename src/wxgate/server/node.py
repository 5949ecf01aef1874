"""One node: everything built once and passed in; the only place where parts are put together."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import structlog

from wxgate.client.api import WeChatApi
from wxgate.client.component import ComponentApi, DirectApi
from wxgate.client.transport import HttpTransport
from wxgate.clock import Clock, SystemClock
from wxgate.custody.accounts import Accounts
from wxgate.custody.authorizations import Authorizations
from wxgate.custody.exchanges import Exchanges
from wxgate.custody.intake import Intake
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.links import Links, WeChatPages
from wxgate.custody.registry import Registry
from wxgate.custody.sources import WeChatTokens
from wxgate.custody.tickets import Tickets
from wxgate.events.handlers import Handlers
from wxgate.events.reception import Reception
from wxgate.server.calls import Calls
from wxgate.server.follow import FollowedClock
from wxgate.server.metrics import Metrics
from wxgate.server.runner import Runner
from wxgate.settings import Settings
from wxgate.store import Store
from wxgate.store.store import open_vault

log = structlog.get_logger("wxgate.node")


@dataclass(slots=True)
class Node:
    """A running node of the gateway; `open` makes one, `close` ends it without losing an answer."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    store: Store
    transport: HttpTransport
    registry: Registry
    tickets: Tickets
    keeper: TokenKeeper
    accounts: Accounts
    exchanges: Exchanges
    authorizations: Authorizations
    links: Links
    intake: Intake
    handlers: Handlers
    reception: Reception
    calls: Calls
    runner: Runner

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        handlers: Handlers | None = None,
        context: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Open the store, bring its schema up to date, and build a node on it."""
        transport = HttpTransport(proxy=settings.outbound_proxy or None)
        if clock is None and settings.development_clock_url:
            followed = FollowedClock(transport, settings.development_clock_url)
            await followed.look()
            clock = followed
        clock = clock or SystemClock()
        vault = await open_vault(settings.database_url, settings.keys.get_secret_value(), settings.key_file)
        store = await Store.open(settings.database_url, vault)
        metrics = Metrics()
        holder = secrets.token_hex(8)
        api = WeChatApi(transport, settings.api_base_url)
        component = ComponentApi(api)
        registry = Registry(store.platforms, clock)
        tickets = Tickets(store.tickets, clock)
        source = WeChatTokens(
            component=component,
            direct=DirectApi(api),
            registry=registry,
            tickets=tickets,
            authorizations=store.authorizations,
            keeper=lambda: keeper,
            clock=clock,
        )
        keeper = TokenKeeper(store.tokens, source, clock, holder=holder, listener=metrics)
        accounts = Accounts(store.accounts, component, keeper, clock)
        exchanges = Exchanges(
            store.exchanges,
            authorizations=store.authorizations,
            component=component,
            keeper=keeper,
            accounts=accounts,
            clock=clock,
            on_authorized=lambda platform, _: metrics.authorizations.labels(platform, "authorized").inc(),
        )
        authorizations = Authorizations(store.authorizations, store.exchanges, keeper, clock)
        links = Links(
            store.links,
            component=component,
            keeper=keeper,
            signer=vault,
            pages=WeChatPages(settings.mp_base_url, settings.open_base_url),
            public_base_url=settings.public_base_url,
            clock=clock,
        )
        intake = Intake(
            tickets=tickets, exchanges=exchanges, authorizations=authorizations, links=links, keeper=keeper
        )
        calls = Calls(api, keeper, store.authorizations, registry)
        handlers = handlers if handlers is not None else Handlers()
        reception = Reception(
            store.inbox,
            handlers,
            clock,
            holder=holder,
            deadline=settings.reply_deadline,
            listener=metrics,
            context=lambda issuer, appid: {**(context or {}), "account": calls.account(appid, issuer=issuer)},
        )
        runner = Runner(
            store=store,
            keeper=keeper,
            exchanges=exchanges,
            accounts=accounts,
            reception=reception,
            clock=clock,
        )
        return cls(
            settings, clock, metrics, store, transport, registry, tickets, keeper, accounts, exchanges,
            authorizations, links, intake, handlers, reception, calls, runner,
        )  # fmt: skip

    async def close(self) -> None:
        """Stop in the order of the data: no new work, answers under way written, then the store.

        Closing twice does no harm.
        """
        await self.runner.stop()
        await asyncio.gather(self.reception.close(), self.exchanges.close())
        await self.keeper.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self.transport.close()
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
