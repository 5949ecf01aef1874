"""Reconciling: pages through WeChat's list of each platform, asks about every difference, mends what is safe.

Nothing is changed before the list was read to its end. Each repair is a transaction of its own that counts
only while nothing newer is known, so a run that dies half-way is simply done again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog

from wxgate.client.component import LIST_PAGE, ComponentApi, Granted, Listed, ListPage
from wxgate.clock import Clock
from wxgate.custody.accounts import Accounts
from wxgate.custody.authorizations import Authorizations
from wxgate.custody.keeper import TokenKeeper
from wxgate.custody.links import reauthorization_link
from wxgate.custody.ports import DutyStore, ExchangeStore, PlatformStore, TicketStore
from wxgate.custody.reconcile import (
    Answer,
    Finding,
    FindingKind,
    Outcome,
    Question,
    compare,
    judge,
    needs_info,
)
from wxgate.custody.records import AuthorizationFilter, AuthorizationState, Duty
from wxgate.custody.registry import Registry
from wxgate.custody.sources import component_key
from wxgate.errors import (
    AlreadyRunning,
    GatewayError,
    NotAuthorizedByAccount,
    RateLimited,
    UpstreamError,
    told,
)
from wxgate.protocol.official_tests import TEST_ACCOUNTS
from wxgate.secret import AccessToken, ComponentToken, trace_of

log = structlog.get_logger("wxgate.reconcile")

LOOK_SECONDS = 60.0
"""How often a node looks whether a platform is due."""

LEASE = timedelta(minutes=3)
"""How long a node may be silent before another begins anew; a call to WeChat may take half a minute."""

RETRY = timedelta(minutes=15)
"""How long after a list could not be read it is tried again by itself."""

PASSES = 2
"""How often the list is read when it changed while it was paged: whoever slipped through shows up then."""

AT_ONCE = 8
"""How many accounts are asked about at the same time."""

CHUNK = 64
"""After how many accounts the lease is extended."""

TROUBLES_MOST = 5
"""After how many calls that WeChat could not answer the rest is left for the next time."""

KEPT_FINDINGS = 500
"""How many findings of the last run are kept for display."""

Advance = Callable[[int, int | None], None]


class ReconcileListener(Protocol):
    """Hears of findings, for metrics."""

    def found(self, platform: str, kind: str, outcome: str) -> None:
        """Note a finding."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of comparing one platform's authorizations with WeChat's list.

    `listed` and `held` count accounts without WeChat's own test accounts, of which there were `tests`.
    """

    platform: str
    dry_run: bool
    began_at: datetime
    done_at: datetime
    listed: int
    held: int
    tests: int
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many findings there are of each kind."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind.value: found[kind] for kind in FindingKind}

    def as_document(self, most: int | None = None) -> dict[str, Any]:
        """Return everything as JSON, with at most so many findings."""
        document = asdict(self) | {
            "began_at": self.began_at.isoformat(),
            "done_at": self.done_at.isoformat(),
            "counts": dict(self.counts),
            "findings": [asdict(finding) for finding in self.findings[:most]],
        }
        return document | {"findings_left_out": len(self.findings) - len(document["findings"])}


class Reconciler:
    """Compares the authorizations of platforms with WeChat's lists, when asked and when due."""

    def __init__(
        self,
        *,
        duties: DutyStore,
        tickets: TicketStore,
        exchanges: ExchangeStore,
        registry: Registry,
        platforms: PlatformStore,
        authorizations: Authorizations,
        accounts: Accounts,
        component: ComponentApi,
        keeper: TokenKeeper,
        public_base_url: str,
        holder: str,
        every: timedelta,
        random: Callable[[], float],
        clock: Clock,
        listener: ReconcileListener,
    ) -> None:
        self._duties = duties
        self._tickets = tickets
        self._exchanges = exchanges
        self._registry = registry
        self._platforms = platforms
        self._authorizations = authorizations
        self._accounts = accounts
        self._component = component
        self._keeper = keeper
        self._base = public_base_url
        self._holder = holder
        self._every = every
        self._random = random
        self._clock = clock
        self._listener = listener
        self._rehearsing: set[str] = set()

    async def reconcile(
        self, platform: str, *, dry_run: bool = False, advance: Advance = lambda done, total: None
    ) -> Report:
        """Compare one platform now; a dry run asks WeChat the same and changes nothing.

        Raises AlreadyRunning when some node is at it (for a dry run: this node at another), NotFound for an
        unknown platform, and what stood in the way of reading the list; then nothing was changed.
        """
        await self._registry.require_platform(platform)
        if dry_run:
            return await self._rehearse(platform, advance)
        duty = await self._duties.claim(
            _name(platform), holder=self._holder, now=self._clock.now(), ttl=LEASE, every=None
        )
        if duty is None:
            raise AlreadyRunning(f"platform {platform} is being reconciled at this moment")
        return await self._do(platform, duty, advance, again_at=None)

    async def last(self, platform: str) -> Mapping[str, Any] | None:
        """Load the result of the last run that reached its end, as JSON."""
        duty = await self._duties.load(_name(platform))
        return duty.result if duty.done_at is not None else None

    async def tick(self) -> None:
        """Reconcile the platforms that are due and that no other node is at."""
        if not self._every:
            return
        for platform in [record.appid for record in await self._platforms.list_platforms()]:
            if not await self._tickets.newest(platform, 1):
                continue
            if (duty := await self._claim_due(platform)) is not None:
                await self._do_quietly(platform, duty)

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.tick()
            except Exception as error:
                log.exception("reconcile.look_failed", exc_info=False, exception=trace_of(error))
            await asyncio.sleep(LOOK_SECONDS * (0.75 + self._random() / 2))

    async def _claim_due(self, platform: str) -> Duty | None:
        name, now = _name(platform), self._clock.now()
        seen = await self._duties.load(name)
        if seen.due_at is not None and now < seen.due_at <= now + self._every:
            return None
        duty = await self._duties.claim(name, holder=self._holder, now=now, ttl=LEASE, every=self._every)
        if duty is not None and duty.due_at is None and duty.done_at is None:
            # Nobody has asked for it: the first time comes within one interval, for each platform another.
            await self._duties.postpone(duty, due_at=now + self._every * self._random())
            return None
        return duty

    async def _rehearse(self, platform: str, advance: Advance) -> Report:
        if platform in self._rehearsing:
            raise AlreadyRunning(f"a dry run of platform {platform} is under way on this node")
        self._rehearsing.add(platform)
        try:
            return await self._compare(platform, None, advance)
        finally:
            self._rehearsing.discard(platform)

    async def _do_quietly(self, platform: str, duty: Duty) -> None:
        again_at = self._clock.now() + min(RETRY * (0.75 + self._random() / 2), self._every)
        try:
            await self._do(platform, duty, lambda done, total: None, again_at=again_at)
        except (TimeoutError, GatewayError) as error:
            log.warning("reconcile.failed", platform=platform, **told(error))

    async def _do(self, platform: str, duty: Duty, advance: Advance, *, again_at: datetime | None) -> Report:
        try:
            report = await self._compare(platform, duty, advance)
        except Exception:
            await self._duties.postpone(duty, due_at=again_at)
            raise
        now = self._clock.now()
        due_at = now + self._every * (0.9 + self._random() / 10) if self._every else None
        await self._duties.finish(duty, report.as_document(KEPT_FINDINGS), now=now, due_at=due_at)
        for finding in report.findings:
            self._listener.found(platform, finding.kind, finding.outcome)
        log.info("reconcile.done", platform=platform, listed=report.listed, **report.counts)
        return report

    async def _compare(self, platform: str, duty: Duty | None, advance: Advance) -> Report:
        """Compare, and repair where there is a duty to."""
        began = self._clock.now()
        # Before the list: what changes from now on makes the list's word on it out of date.
        ours = {
            held.appid: held
            for held in await self._authorizations.find(AuthorizationFilter(platform=platform))
        }
        listed = await self._read_list(platform, duty, advance)
        questions = compare(platform, ours, listed)
        asking = _Asking(partial(self._ask, keep=duty is not None))
        findings: list[Finding] = []
        for first in range(0, len(questions), CHUNK):
            advance(first, len(questions))
            await self._keep(duty)
            some = questions[first : first + CHUNK]
            settled = await asyncio.gather(
                *(self._settle(question, asking, began, dry_run=duty is None) for question in some),
                return_exceptions=True,
            )
            for one in settled:
                if isinstance(one, BaseException):
                    raise one
                if one is not None:
                    findings.append(one)
        known = {appid for appid, held in ours.items() if held.state is not AuthorizationState.REVOKED}
        return Report(
            platform=platform,
            dry_run=duty is None,
            began_at=began,
            done_at=self._clock.now(),
            listed=len(listed.keys() - TEST_ACCOUNTS),
            held=len(known - TEST_ACCOUNTS),
            tests=len(listed.keys() & TEST_ACCOUNTS),
            findings=tuple(findings),
        )

    async def _read_list(self, platform: str, duty: Duty | None, advance: Advance) -> dict[str, Listed]:
        """Read the list to its end, once more if it changed meanwhile; what was read last counts."""
        listed: dict[str, Listed] = {}
        for _ in range(PASSES):
            seen: dict[str, Listed] = {}
            totals: set[int] = set()
            offset = 0
            while True:
                await self._keep(duty)
                page = await self._page(platform, offset)
                fresh = {line.appid: line for line in page.lines if line.appid not in seen}
                if not offset and not page.count and page.total:
                    raise UpstreamError(
                        f"WeChat's list of {platform} has {page.total} accounts and names none", sent=True
                    )
                totals.add(page.total)
                seen |= fresh
                offset += page.count
                advance(len(seen), page.total)
                # A total that is wrong must not hide anybody: only a page that is not full is the last.
                if not fresh or (page.count < LIST_PAGE and offset >= page.total):
                    break
            listed |= seen
            if len(totals) == 1 and len(seen) >= max(totals):
                break
        return listed

    async def _page(self, platform: str, offset: int) -> ListPage:
        return await self._keeper.using(
            component_key(platform),
            lambda token: self._component.authorizer_page(platform, ComponentToken.of(token), offset),
        )

    async def _keep(self, duty: Duty | None) -> None:
        """Extend the lease; raises AlreadyRunning when it was lost."""
        if duty is not None and not await self._duties.extend(duty, self._clock.now() + LEASE):
            raise AlreadyRunning("this node was silent for too long, and another began anew")

    async def _settle(
        self, question: Question, asking: "_Asking", began: datetime, *, dry_run: bool
    ) -> Finding | None:
        """Ask about one account and do what is safe; None where there is nothing to tell."""
        platform, appid, held = question.platform, question.appid, question.held
        waiting = held is None or held.state is AuthorizationState.PENDING
        if waiting and await self._exchanges.is_open(platform, appid):
            return None  # Its code is on the way, with the reference it was asked for.
        answer = await asking.about(question) if needs_info(question) else Answer()
        link = reauthorization_link(self._base, platform, appid)
        verdict = judge(question, answer, began=began, link=link)
        finding = verdict.finding
        if verdict.evidence is None or dry_run:
            return finding
        change = await self._authorizations.observe(verdict.evidence, *verdict.triggers)
        if finding is None:
            return None
        if change is None:
            return replace(
                finding, outcome=Outcome.OVERTAKEN, detail=f"{finding.detail}; news came meanwhile"
            )
        log.warning(
            "reconcile.repaired",
            platform=platform,
            appid=appid,
            kind=finding.kind,
            outcome=finding.outcome,
            detail=finding.detail,
        )
        return finding

    async def _ask(self, question: Question, *, keep: bool) -> Granted:
        platform, appid = question.platform, question.appid

        async def ask(token: AccessToken) -> tuple[dict[str, Any], Granted]:
            return await self._component.authorizer_info(platform, ComponentToken.of(token), appid)

        raw, granted = await self._keeper.using(component_key(platform), ask)
        if keep:
            await self._accounts.keep(appid, raw)
        return granted


class _Asking:
    """Puts the questions of one run, a few at a time, until WeChat answers no more."""

    def __init__(self, ask: Callable[[Question], Awaitable[Granted]]) -> None:
        self._ask = ask
        self._room = asyncio.Semaphore(AT_ONCE)
        self._troubles = 0

    async def about(self, question: Question) -> Answer:
        """Ask about one account."""
        async with self._room:
            if self._troubles >= TROUBLES_MOST:
                return Answer(trouble="it was not asked about, as WeChat did not answer for others")
            try:
                return Answer(granted=await self._ask(question))
            except NotAuthorizedByAccount:
                return Answer(denied=True)
            except (TimeoutError, GatewayError) as error:
                if isinstance(error, (TimeoutError, UpstreamError, RateLimited)):
                    self._troubles += 1
                return Answer(trouble=f"WeChat could not be asked: {told(error)['error'] or 'no answer'}")


def _name(platform: str) -> str:
    return f"reconcile:{platform}"
