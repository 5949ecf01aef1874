"""Exchanges: each authorization code is turned into an authorization exactly once.

A code arrives by the browser's redirect and by the `authorized` push, in either order, perhaps several
times. Every arrival opens the same job, which is durable before anything is called. One worker claims it;
everybody else waits.

    PENDING ──claim──> EXCHANGING ──commit the grant──> DONE
       ^                   │  └──WeChat says the code is no good, and nothing can be read back──> FAILED
       └───────────────────┘ no answer: try again (the second try tells whether the first was received)

A code whose answer was lost is spent: WeChat answers 61010 to the second try. What it granted is then read
back through the account's info, or the authorizer list when the account is not known.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from wxgate.client.component import ComponentApi, Granted
from wxgate.clock import Clock
from wxgate.custody.accounts import Accounts
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.ports import AuthorizationStore, ExchangeStore
from wxgate.custody.records import (
    Exchange,
    ExchangeSource,
    ExchangeState,
    FetchedToken,
    Grant,
    NewExchange,
)
from wxgate.custody.sources import component_key
from wxgate.errors import (
    Busy,
    CodeRejected,
    GatewayError,
    LinkRefused,
    NotAuthorizedByAccount,
    StorageError,
    UpstreamError,
    WeChatError,
    told,
)
from wxgate.secret import AccessToken, ComponentToken, trace_of

T = TypeVar("T")

log = structlog.get_logger("wxgate.exchanges")

LEASE = timedelta(seconds=15)
"""How long one attempt may take before another worker may try."""

GIVE_UP_AFTER = timedelta(hours=2)
"""A code lives an hour; after two there is nothing left to try."""

RETRY_SECONDS = (0.2, 1.0, 3.0)
"""Pauses before another attempt within one run; later attempts come from the sweep."""

POLL_SECONDS = 0.1

SPENT = 61010
"""WeChat's word for a code that was good once: used or expired."""

BACKOFF_MOST = timedelta(minutes=5)

CODES_PER_FLOW = 3
"""How many different codes one click may bring: WeChat gives one or two, a stranger as many as he likes."""


class _MaybeSpent(UpstreamError):
    """The code may be spent, and what it brought was not heard, or could not be written."""


class Exchanges:
    """Takes codes in and sees them through."""

    def __init__(
        self,
        store: ExchangeStore,
        *,
        authorizations: AuthorizationStore,
        component: ComponentApi,
        keeper: TokenKeeper,
        accounts: Accounts,
        clock: Clock,
        on_authorized: Callable[[str, str], None] = lambda platform, appid: None,
    ) -> None:
        self._store = store
        self._authorizations = authorizations
        self._component = component
        self._keeper = keeper
        self._accounts = accounts
        self._clock = clock
        self._on_authorized = on_authorized
        self._running: dict[str, asyncio.Task[None]] = {}

    async def submit(self, new: NewExchange) -> Exchange:
        """Make the job durable and start on it; return it as it stands, at once.

        Raises LinkRefused for one code too many by the same click.
        """
        if new.source is ExchangeSource.REDIRECT and new.flow is not None:
            known = await self._store.find_by_flow(new.flow)
            if len(known) >= CODES_PER_FLOW and new.code not in {job.code for job in known}:
                raise LinkRefused("this click has brought too many codes", reason="used")
        job = await self._store.open(new, now=self._clock.now())
        if job.state in (ExchangeState.PENDING, ExchangeState.EXCHANGING):
            self._start(job.id)
        return job

    async def wait(self, exchange_id: str, *, seconds: float) -> Exchange | None:
        """Wait until a job is done or failed, whoever works on it; return it as it then stands.

        Where this node works on it, that includes asking who the account is.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            left = max(0.0, deadline - asyncio.get_running_loop().time())
            if (task := self._running.get(exchange_id)) is not None:
                await asyncio.wait([task], timeout=left)
            job = await self._store.load(exchange_id)
            if job is None or not left or job.state in (ExchangeState.DONE, ExchangeState.FAILED):
                return job
            await asyncio.sleep(min(POLL_SECONDS, left))

    async def find_by_flow(self, flow: str) -> Exchange | None:
        """Find the newest job of a flow; a finished one counts before others."""
        jobs = await self._store.find_by_flow(flow)
        done = [job for job in jobs if job.state is ExchangeState.DONE]
        return next(iter(done or jobs), None)

    async def sweep(self) -> int:
        """Start on every job nobody works on: after a crash, and after passing trouble; return how many."""
        jobs = await self._store.unfinished(now=self._clock.now())
        for job in jobs:
            self._start(job.id)
        return len(jobs)

    async def close(self) -> None:
        """Wait for the jobs under way; what does not end in time is durable and resumed at the next start."""
        running = list(self._running.values())
        if running:
            _, pending = await asyncio.wait(running, timeout=LEASE.total_seconds())
            for task in pending:
                task.cancel()

    def _start(self, exchange_id: str) -> None:
        if exchange_id not in self._running:
            task = asyncio.create_task(self._run(exchange_id), name=f"exchange {exchange_id}")
            self._running[exchange_id] = task
            task.add_done_callback(partial(self._ended, exchange_id))

    def _ended(self, exchange_id: str, task: asyncio.Task[None]) -> None:
        del self._running[exchange_id]
        if not task.cancelled() and (fault := task.exception()) is not None:
            # The job is durable, and is tried again when the lease of this attempt has ended.
            log.error("exchange.interrupted", exchange=exchange_id, exception=trace_of(fault))

    async def _run(self, exchange_id: str) -> None:
        for pause in (*RETRY_SECONDS, None):
            job = await self._store.claim(exchange_id, now=self._clock.now(), ttl=LEASE)
            if job is None:
                return
            try:
                await self._attempt(job)
            except (CodeRejected, NotAuthorizedByAccount) as refusal:
                await self._fail(job, refusal)
                return
            except GatewayError as trouble:
                # It says nothing about the code itself, which stays good for an hour.
                soon = pause is not None and isinstance(trouble, (UpstreamError, Busy))
                await self._put_off(job, trouble, soon=soon)
                if pause is None or not soon:
                    return
                await asyncio.sleep(pause)
            else:
                return

    async def _attempt(self, job: Exchange) -> None:
        bind_flow = True
        before = await self._authorizations.load(job.platform, job.appid) if job.appid else None
        try:
            granted = await self._call(job.platform, self._exchange_call(job))
        except CodeRejected as rejected:
            found = await self._read_back(job, rejected)
            if found is None:
                raise rejected from None
            granted, bind_flow = found, job.appid is not None
        try:
            authorization = await self._store.finish(
                job, self._grant(granted), now=self._clock.now(), bind_flow=bind_flow
            )
        except StorageError as error:
            raise _MaybeSpent(str(error), sent=True) from error
        if authorization is None:
            return  # Overtaken after the lease ended; whoever did it has committed the result.
        self._keeper.forget_account(job.platform, granted.appid)
        had, has = set(before.func_ids if before else ()), set(authorization.func_ids)
        log.info(
            "exchange.done",
            platform=job.platform,
            appid=granted.appid,
            source=job.source,
            gained=sorted(has - had),
            lost=sorted(had - has),
        )
        self._on_authorized(job.platform, granted.appid)
        await self._accounts.refresh_quietly(job.platform, granted.appid)

    def _exchange_call(self, job: Exchange) -> Callable[[AccessToken], Awaitable[Granted]]:
        async def spend(token: AccessToken) -> Granted:
            try:
                return await self._component.exchange(job.platform, ComponentToken.of(token), job.code)
            except UpstreamError as error:
                if error.sent:
                    raise _MaybeSpent(str(error), sent=True) from None
                raise

        return spend

    async def _call(self, platform: str, call: Callable[[AccessToken], Awaitable[T]]) -> T:
        return await self._keeper.using(component_key(platform), call)

    async def _read_back(self, job: Exchange, rejected: CodeRejected) -> Granted | None:
        """Find what a spent code granted.

        Where a push named the account, its information tells. A code that only a browser brought is
        believed to be ours only if we may have spent it ourselves and WeChat says that it is spent (61010,
        never 61009); the account found is kept, but credited to no tenant: the browser may be a stranger's.
        """
        if (appid := job.appid) is not None:
            try:
                _, granted = await self._call(job.platform, partial(self._ask_about, job.platform, appid))
            except (NotAuthorizedByAccount, CodeRejected):
                return None
            return granted if granted.refresh_token else None
        if rejected.errcode != SPENT or not job.maybe_spent:
            return None
        return await self._call(job.platform, lambda token: self._search_list(job, ComponentToken.of(token)))

    async def _ask_about(
        self, platform: str, appid: str, token: AccessToken
    ) -> tuple[dict[str, Any], Granted]:
        return await self._component.authorizer_info(platform, ComponentToken.of(token), appid)

    async def _search_list(self, job: Exchange, token: ComponentToken) -> Granted | None:
        """Find the account that authorised when this job began and whose refresh token is not ours yet.

        Of several one is this code's and the others are other merchants', so the push has to tell which.
        """
        since = (job.created_at - timedelta(hours=1)).timestamp()
        unknown = []
        async for listed in self._component.authorizers(job.platform, token):
            if listed.refresh_token is None or listed.auth_time < since:
                continue
            known = await self._authorizations.load(job.platform, listed.appid)
            if known is None or known.refresh_token != listed.refresh_token:
                unknown.append(listed.appid)
        if not unknown:
            return None
        if len(unknown) > 1:
            raise UpstreamError(
                f"the code is spent, and {len(unknown)} accounts may be the one it was for", sent=False
            )
        _, granted = await self._component.authorizer_info(job.platform, token, unknown[0])
        return granted

    def _grant(self, granted: Granted) -> Grant:
        access = None
        if granted.access is not None:
            now = self._clock.now()
            access = FetchedToken(
                granted.access.value, now, now + timedelta(seconds=granted.access.expires_in)
            )
        return Grant(granted.appid, granted.refresh_token, granted.func_ids, access)

    async def _put_off(self, job: Exchange, trouble: GatewayError, *, soon: bool) -> None:
        now = self._clock.now()
        if now - job.created_at > GIVE_UP_AFTER:
            await self._fail(job, trouble)
            return
        log.warning("exchange.put_off", platform=job.platform, source=job.source, **told(trouble))
        wait = timedelta(0) if soon else min(timedelta(seconds=2 ** min(job.fence, 10)), BACKOFF_MOST)
        await self._store.postpone(
            job, error=str(trouble), not_before=now + wait, maybe_spent=isinstance(trouble, _MaybeSpent)
        )

    async def _fail(self, job: Exchange, refusal: GatewayError) -> None:
        errcode = refusal.errcode if isinstance(refusal, WeChatError) else None
        log.warning("exchange.failed", platform=job.platform, source=job.source, **told(refusal))
        await self._store.fail(job, errcode=errcode, error=str(refusal), now=self._clock.now())
