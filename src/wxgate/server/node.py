"""One node: everything built once and passed in; the only place where parts are put together.

It is long because it is a list: each part once, with what it is made of.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import structlog

from wxgate.client.account import AccountApi
from wxgate.client.api import WeChatApi
from wxgate.client.component import ComponentApi, DirectApi
from wxgate.client.quota import QuotaApi
from wxgate.client.transport import HttpTransport
from wxgate.clock import Clock, SystemClock
from wxgate.custody.accounts import Accounts
from wxgate.custody.audit import Audit
from wxgate.custody.authorizations import Authorizations
from wxgate.custody.changes import Configuration
from wxgate.custody.exchanges import Exchanges
from wxgate.custody.guarding import GuardedTokens
from wxgate.custody.handover import Handover
from wxgate.custody.intake import Intake
from wxgate.custody.issuing import Clients
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.key_uses import KeyUses
from wxgate.custody.late_tickets import LateTickets
from wxgate.custody.links import Links, WeChatPages
from wxgate.custody.missing import MissingPermissions
from wxgate.custody.quota import Quotas
from wxgate.custody.reconciling import Reconciler
from wxgate.custody.registry import Registry
from wxgate.custody.renewals import Renewals
from wxgate.custody.renewing import LeaseTerms
from wxgate.custody.repair import Repairs
from wxgate.custody.situations import Situations
from wxgate.custody.sources import WeChatTokens
from wxgate.custody.targets import Targets
from wxgate.custody.tickets import Tickets
from wxgate.custody.transfer import Transfer
from wxgate.errors import StorageError
from wxgate.events.code_audits import CodeAudits
from wxgate.events.feed import Feed
from wxgate.events.handlers import Handlers
from wxgate.events.planning import Planner
from wxgate.events.push_log import PushRecorder
from wxgate.events.reception import Reception
from wxgate.events.release_testing import ReleaseTesting
from wxgate.events.replays import Replays
from wxgate.events.replies import Replies
from wxgate.events.retention import Keeper, read_retention
from wxgate.protocol.answers import Answer
from wxgate.protocol.tokens import TokenKey, TokenKind
from wxgate.server.admission import Admission
from wxgate.server.calls import Calls
from wxgate.server.delivering import Delivering
from wxgate.server.explainer import ExplainedTokens, Explainer, ExplainingApi
from wxgate.server.follow import FollowedClock
from wxgate.server.login.known import make_known
from wxgate.server.login.news import make_tell
from wxgate.server.login.parts import Login
from wxgate.server.metrics import Metrics
from wxgate.server.receiving import make_reception
from wxgate.server.release_tests import make_release_testing
from wxgate.server.runner import Runner
from wxgate.settings import Settings
from wxgate.store import Store
from wxgate.store.keys import Keys
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
    clients: Clients
    targets: Targets
    audit: Audit
    admission: Admission
    keys: Keys
    renewals: Renewals
    configuration: Configuration
    transfer: Transfer
    handover: Handover
    reconciler: Reconciler
    runner: Runner
    situations: Situations
    quotas: Quotas
    missing: MissingPermissions
    guarded: GuardedTokens
    late_tickets: LateTickets
    key_uses: KeyUses
    feed: Feed
    release_testing: ReleaseTesting
    planner: Planner
    replies: Replies
    code_audits: CodeAudits
    delivering: Delivering
    push_recorder: PushRecorder
    replays: Replays
    login: Login

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
        limits = read_retention(settings.retention)
        transport = HttpTransport(proxy=settings.outbound_proxy or None)
        if clock is None and settings.development_clock_url:
            followed = FollowedClock(transport, settings.development_clock_url)
            await followed.look()
            clock = followed
        clock = clock or SystemClock()
        given_keys = settings.keys.get_secret_value()
        vault = await open_vault(settings.database_url, given_keys, settings.key_file)
        store = await Store.open(settings.database_url, vault)
        metrics = Metrics()
        holder = secrets.token_hex(8)
        registry = Registry(store.platforms, clock)
        tickets = Tickets(store.tickets, clock)
        key_uses = KeyUses(store.key_uses, clock)
        situations = Situations(
            tickets=tickets,
            tokens=store.tokens,
            platforms=store.platforms,
            authorizations=store.authorizations,
            accounts=store.accounts,
            public_base_url=settings.public_base_url,
            clock=clock,
        )
        explainer = Explainer(situations)
        api = WeChatApi(transport, settings.api_base_url)
        explaining = ExplainingApi(transport, settings.api_base_url, explainer)
        component = ComponentApi(explaining)
        authorizations = Authorizations(
            store.authorizations,
            store.exchanges,
            lambda: keeper,
            clock,
            on_change=lambda platform, state: metrics.authorizations.labels(platform, state).inc(),
        )
        repairs = Repairs(
            store.authorizations,
            authorizations=authorizations,
            component=component,
            keeper=lambda: keeper,
            public_base_url=settings.public_base_url,
            clock=clock,
        )
        source = WeChatTokens(
            component=component,
            direct=DirectApi(explaining),
            account=AccountApi(api),
            registry=registry,
            tickets=tickets,
            authorizations=store.authorizations,
            repairs=repairs,
            keeper=lambda: keeper,
            clock=clock,
        )
        own, behalf = settings.daily_fetches, settings.daily_authorizer_fetches
        guarded = GuardedTokens(
            ExplainedTokens(source, explainer),
            store.quota,
            clock,
            limits={kind: behalf if kind is TokenKind.AUTHORIZER else own for kind in TokenKind},
            random=random.SystemRandom().random,
        )
        keeper = TokenKeeper(
            store.tokens,
            guarded,
            clock,
            holder=holder,
            listener=metrics,
            random=random.SystemRandom().random,
            terms=LeaseTerms.of_seconds(settings.renewal_lease_seconds),
        )
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
        targets = Targets(store.authorizations, registry, store.labels, clock)
        audit = Audit(store.audit, clock, keep=timedelta(days=settings.audit_days))
        admission = Admission(store.clients, audit, clock)

        async def note_call(key: TokenKey, path: str, answer: Answer) -> None:
            await code_audits.called(key.issuer, key.account, path, answer.data)

        async def ask(platform: str, appid: str, path: str, json: Any) -> Any:
            account = calls.account(appid, issuer=platform)
            return await (account.get(path) if json is None else account.post(path, json=json))

        calls = Calls(
            api, keeper, store.authorizations, registry, explainer, key_uses.is_heard, on_answer=note_call
        )
        quotas = Quotas(
            store.quota,
            api=QuotaApi(explaining),
            keeper=keeper,
            registry=registry,
            clock=clock,
            on_cleared=guarded.forget,
        )
        planner = Planner(
            store.policies, clock, parties_of=calls.parties, is_mini_program=accounts.is_mini_program
        )
        replies = Replies(store.policies, planner, clock)
        handlers = handlers if handlers is not None else Handlers()
        delivering = Delivering.make(settings, store, clock, holder=holder, listener=metrics)
        await delivering.open()
        feed = Feed(store.event_log)
        code_audits = CodeAudits(
            store.code_audits,
            store.inbox,
            store.event_log,
            clock,
            ask=ask,
            user_name=accounts.user_name,
            fanout_of=delivering.subscribers.matching,
            queued=delivering.deliverer.kick,
            heard=feed.kick,
            on_settled=lambda state, source: metrics.code_audits.labels(state, source).inc(),
        )
        push_recorder = PushRecorder(store.push_log, clock, on_dropped=metrics.push_lines_dropped.inc)
        reception, customer_service = make_reception(
            store,
            handlers,
            clock,
            holder=holder,
            settings=settings,
            metrics=metrics,
            calls=calls,
            planner=planner,
            context=context or {},
            fanout_of=delivering.subscribers.matching,
            queued=delivering.deliverer.kick,
            heard=feed.kick,
            replier_of=delivering.replier_of,
        )
        key_file = None if given_keys else settings.key_file
        keys = Keys(vault, store.rotation, clock, holder=holder, key_file=key_file)
        renewals = Renewals(
            store.tokens,
            keeper,
            clock,
            window=timedelta(hours=settings.renew_window_hours),
            at_once=settings.renewals_at_once,
            random=random.SystemRandom().random,
            listener=metrics,
        )
        late_tickets = LateTickets(
            store.tickets,
            store.platforms,
            tickets,
            component,
            clock,
            on_request=lambda platform, result: metrics.ticket_requests.labels(platform, result).inc(),
        )
        reconciler = Reconciler(
            duties=store.duties,
            tickets=store.tickets,
            exchanges=store.exchanges,
            registry=registry,
            platforms=store.platforms,
            authorizations=authorizations,
            accounts=accounts,
            component=component,
            keeper=keeper,
            public_base_url=settings.public_base_url,
            holder=holder,
            every=timedelta(hours=settings.reconcile_hours),
            random=random.SystemRandom().random,
            clock=clock,
            listener=metrics,
        )
        release_testing = make_release_testing(
            store.release_tests,
            api=api,
            component=component,
            keeper=keeper,
            tickets=tickets,
            listener=metrics,
            clock=clock,
            enabled=settings.release_test,
        )
        hours = settings.redact_after_hours
        retention = Keeper(
            store.event_log,
            store.push_log,
            store.subscribers,
            clock,
            retention=limits,
            redact_after=timedelta(hours=hours) if hours else None,
            records={
                "release_test": store.release_tests.prune,
                "audit": store.code_audits.prune,
                "key_use": store.key_uses.prune,
            },
            on_removed=lambda kind, count: metrics.removed.labels(kind).inc(count),
        )
        login = Login.make(
            settings,
            store.login,
            api=api,
            registry=registry,
            keeper=keeper,
            calls=calls,
            known=make_known(targets, accounts, store.platforms),
            tell=make_tell(
                store.inbox,
                clock,
                fanout_of=delivering.subscribers.matching,
                queued=delivering.deliverer.kick,
                heard=feed.kick,
            ),
            metrics=metrics,
            outgoing=delivering.outgoing,
            clock=clock,
            holder=holder,
        )
        runner = Runner(
            retention=retention,
            login=login.upkeep,
            code_audits=code_audits,
            key_uses=key_uses,
            renewals=renewals,
            late_tickets=late_tickets,
            reconciler=reconciler,
            store=store,
            keys=keys,
            keeper=keeper,
            exchanges=exchanges,
            accounts=accounts,
            reception=reception,
            delivering=delivering,
            customer_service=customer_service,
            audit=audit,
            release_testing=release_testing,
            clock=clock,
        )
        configuration = Configuration(
            platforms=store.platforms,
            labels=store.labels,
            authorizations=store.authorizations,
            store=store.configuration,
            registry=registry,
            keeper=keeper,
            key_uses=key_uses,
            clock=clock,
        )
        transfer = Transfer(
            platforms=store.platforms,
            labels=store.labels,
            configuration=store.configuration,
            store=store.transfer,
            clock=clock,
        )
        replays = Replays(
            store.event_log,
            store.deliveries,
            delivering.subscriptions,
            clock,
            tags_of=targets.tags,
            kick=delivering.deliverer.kick,
        )
        return cls(
            settings, clock, metrics, store, transport, registry, tickets, keeper, accounts, exchanges,
            authorizations, links, intake, handlers, reception, calls,
            Clients(store.clients, clock), targets, audit, admission, keys, renewals, configuration,
            transfer, Handover(component, keeper, store.transfer, clock), reconciler, runner, situations,
            quotas,
            MissingPermissions(
                store.authorizations, store.accounts, registry, public_base_url=settings.public_base_url
            ),
            guarded,
            late_tickets,
            key_uses,
            feed,
            release_testing,
            planner,
            replies,
            code_audits,
            delivering,
            push_recorder,
            replays,
            login,
        )  # fmt: skip

    async def close(self) -> None:
        """Stop in the order of the data: no new work, answers under way written, then the store.

        Closing twice does no harm.
        """
        await self.feed.close()
        await self.runner.stop()
        await asyncio.gather(
            self.reception.close(),
            self.exchanges.close(),
            self.release_testing.close(),
            self.login.close(),
        )
        await self.delivering.close()
        await self.keeper.close()
        with contextlib.suppress(StorageError):
            await self.guarded.close()
        with contextlib.suppress(StorageError):
            await self.key_uses.write()
        await asyncio.gather(self.audit.close(), self.push_recorder.close())
        with contextlib.suppress(asyncio.CancelledError):
            await self.transport.close()
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
