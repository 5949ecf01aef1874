"""Audits of mini programs' code: noted when they are submitted, settled by WeChat's push, or by asking.

    noted ──push──commit──> settled by push ──> recorded and handled as any event
      │                        └─not recorded ten minutes later ──> as if found by asking
      │
      └─no push─> ask: after 1 h, then every 2 h, then daily
                    ├─ under audit ────────> ask again
                    └─ a result ──commit──> settled by poll ──> an event of the same shape ──> told
                                               └─ a push that comes after all is recorded, not handled

A result is committed before its event is recorded, and marked told after that; a node that dies in between
leaves it due. What was found by asking makes the same event however often it is recorded; of what was pushed
the event is looked for first.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from wxgate.clock import Clock
from wxgate.errors import GatewayError, NotFound, WeChatError, told
from wxgate.events.audit_records import (
    EVENTS,
    STATE_OF,
    AuditAnswer,
    AuditSource,
    AuditState,
    CodeAudit,
    event_of,
    next_check,
    read_answer,
)
from wxgate.events.ports import CodeAuditStore, EventLog, Inbox
from wxgate.events.records import EventQuery, NewEvent
from wxgate.events.subscribers import FanoutOf
from wxgate.protocol.messages import CodeAuditEvent

log = structlog.get_logger("wxgate.audits")

SUBMIT = "wxa/submit_audit"
UNDO = "wxa/undocodeaudit"

CLAIMED = timedelta(minutes=10)
"""How long one node has for asking, or for recording what was pushed; after that another may."""

AT_ONCE = 20
"""How many audits one look asks about: the rest is due at the next."""

SLACK = timedelta(minutes=1)
"""How far WeChat's clock and ours may be apart."""

INVALID_AUDIT = 85012

TOLD_BEFORE = "the result was told before, when WeChat was asked for it; this push of it came later"

Ask = Callable[[str, str, str, Any], Awaitable[Any]]
"""Calls WeChat on behalf of an account: platform, appid, path, and the JSON to POST (None: GET)."""


class CodeAudits:
    """Sees every audit to its end, whether or not WeChat's push of it arrives."""

    def __init__(
        self,
        store: CodeAuditStore,
        inbox: Inbox,
        event_log: EventLog,
        clock: Clock,
        *,
        ask: Ask,
        user_name: Callable[[str], Awaitable[str]],
        fanout_of: FanoutOf = lambda new: (),
        queued: Callable[[], object] = lambda: None,
        heard: Callable[[], object] = lambda: None,
        on_settled: Callable[[AuditState, AuditSource], None] = lambda state, source: None,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._event_log = event_log
        self._clock = clock
        self._ask = ask
        self._user_name = user_name
        self._fanout_of = fanout_of
        self._queued = queued
        self._heard = heard
        self._on_settled = on_settled

    async def called(self, issuer: str, appid: str, path: str, data: Any) -> None:
        """Take note of a call that was answered well: a version was submitted, or taken back."""
        path = path.strip("/")
        if path == SUBMIT and isinstance(data, dict) and data.get("auditid"):
            now = self._clock.now()
            new = CodeAudit(appid=appid, audit_id=str(data["auditid"]), platform=issuer, submitted_at=now)
            await self._store.note(replace(new, next_check_at=next_check(new, now)))
        elif path == UNDO:
            for audit in await self._store.find(appid=appid, platform=issuer, open_only=True):
                await self._settle(audit, AuditState.WITHDRAWN, AuditSource.NOTED)

    async def watch(self, platform: str, appid: str, audit_id: str | None = None) -> CodeAudit:
        """Note an audit that was submitted elsewhere, the newest unless it is named, and ask about it soon.

        Raises WeChatError when WeChat knows of none.
        """
        now, submitted_at = self._clock.now(), None
        if audit_id is None:
            newest = await self._ask_newest(platform, appid)
            audit_id, submitted_at = newest.audit_id, newest.submitted_at
            if not audit_id:
                raise NotFound(f"WeChat names no audit of {appid}; give its id")
        new = CodeAudit(
            appid=appid,
            audit_id=audit_id,
            platform=platform,
            submitted_at=min(submitted_at or now, now),
            next_check_at=now,
        )
        if await self._store.note(new):
            return new
        known = await self._store.load(appid, audit_id)
        if known is None:
            return new
        due = replace(known, next_check_at=now) if known.state.is_open else known
        return due if await self._store.change(due, before=known.state) else known

    async def pushed(self, new: NewEvent, message: CodeAuditEvent) -> bool:
        """Settle an audit by WeChat's push; return whether its result was told before, by asking."""
        state = STATE_OF.get(message.event.lower())
        if state is None:
            return False
        at = datetime.fromtimestamp(min(message.at or new.created_at, 2**35), UTC)
        for audit in await self._store.find(appid=new.appid, platform=new.issuer):
            if audit.submitted_at > at + SLACK:
                continue  # submitted after this result
            if audit.source is AuditSource.POLL and audit.state is state:
                return audit.checked_at is None or at <= audit.checked_at + SLACK
            if audit.state.is_open and not await self._settle(
                audit, state, AuditSource.PUSH, message.reason, message.screenshot
            ):
                return await self.pushed(new, message)  # somebody was faster: it may be told now
            return False
        return False

    async def find(
        self,
        *,
        appid: str | None = None,
        state: AuditState | None = None,
        keep: Callable[[CodeAudit], bool] = lambda audit: True,
        limit: int = 100,
    ) -> Sequence[CodeAudit]:
        """List audits to keep, newest first."""
        kept: list[CodeAudit] = []
        last: CodeAudit | None = None
        while True:
            page = await self._store.find(appid=appid, state=state, before=last, limit=limit)
            kept += [audit for audit in page if keep(audit)]
            if len(page) < limit or len(kept) >= limit:
                return kept[:limit]
            last = page[-1]

    async def sweep(self) -> int:
        """Ask about what is due, a few at a time; return how many."""
        now = self._clock.now()
        due = await self._store.claim(now=now, until=now + CLAIMED, limit=AT_ONCE)
        for audit in due:
            try:
                await self._see_to(audit)
            except GatewayError as trouble:  # it is due again when its claim ends
                log.warning("audit.put_off", appid=audit.appid, audit=audit.audit_id, **told(trouble))
        return len(due)

    async def _see_to(self, audit: CodeAudit) -> None:
        if not audit.told and audit.source is AuditSource.PUSH:
            await self._see_to_pushed(audit)
        elif not audit.told:
            await self._tell(audit)
        elif audit.state.is_open:
            await self._check(audit)
        else:
            await self._store.change(replace(audit, next_check_at=None), before=audit.state)

    async def _see_to_pushed(self, audit: CodeAudit) -> None:
        """Tell a result whose push was never recorded, since its node died or the database was away."""
        now = self._clock.now()
        name, _ = EVENTS[audit.state]
        since = (audit.checked_at or now) - SLACK
        pushed = EventQuery(appid=audit.appid, issuer=audit.platform, names=(name,), since=since, limit=1)
        if await self._event_log.find_events(pushed):
            when = self._after(audit, audit.state, now)
            await self._store.change(replace(audit, told=True, next_check_at=when), before=audit.state)
            return
        log.warning("audit.push_not_recorded", appid=audit.appid, audit=audit.audit_id)
        taken_over = replace(audit, source=AuditSource.POLL)
        # Before it is told, so that a push that comes after all knows of it.
        if await self._store.change(taken_over, before=audit.state):
            await self._tell(taken_over)

    async def _check(self, audit: CodeAudit) -> None:
        now = self._clock.now()
        try:
            answer = await self._ask_about(audit)
        except GatewayError as trouble:
            log.warning("audit.not_asked", appid=audit.appid, audit=audit.audit_id, **told(trouble))
            if isinstance(trouble, WeChatError) and trouble.errcode == INVALID_AUDIT:
                await self._settle(audit, AuditState.UNKNOWN, AuditSource.POLL, str(trouble))
            else:
                await self._postpone(replace(audit, reason=str(trouble)), now)
            return
        if answer.state is audit.state or answer.state is AuditState.UNKNOWN:
            await self._postpone(replace(audit, checked_at=now), now)
        elif answer.state is AuditState.WAITING:
            await self._postpone(replace(audit, checked_at=now), now)  # no delay is ever taken back
        else:
            await self._settle(audit, answer.state, AuditSource.POLL, answer.reason, answer.screenshot)

    async def _postpone(self, audit: CodeAudit, now: datetime) -> None:
        when = next_check(audit, now)
        if when is None:
            await self._settle(audit, AuditState.UNKNOWN, AuditSource.POLL, "no result for a month")
        else:
            await self._store.change(replace(audit, next_check_at=when), before=audit.state)

    async def _settle(
        self,
        audit: CodeAudit,
        state: AuditState,
        source: AuditSource,
        reason: str = "",
        screenshot: str = "",
    ) -> bool:
        """Write a state, unless somebody else was faster with a push or an answer of its own."""
        now = self._clock.now()
        to_tell = source is not AuditSource.NOTED and state in EVENTS
        settled = replace(
            audit,
            state=state,
            source=source,
            reason=reason,
            screenshot=screenshot,
            told=not to_tell,
            checked_at=now,
            next_check_at=now + CLAIMED if to_tell else self._after(audit, state, now),
        )
        if not await self._store.change(settled, before=audit.state):
            return False
        self._on_settled(state, source)
        log.info("audit.settled", appid=audit.appid, audit=audit.audit_id, state=state, source=source)
        if to_tell and source is AuditSource.POLL:
            await self._tell(settled)
        return True

    async def _tell(self, audit: CodeAudit) -> None:
        """Record the event of a result that was found by asking; the sweep of the inbox has it handled."""
        now = self._clock.now()
        new = event_of(audit, account=await self._user_name(audit.appid), now=now)
        fanout = self._fanout_of(new)
        recorded = await self._inbox.record(new, holder="", lease_until=now, fanout=fanout)
        if recorded.fresh:
            self._heard()
            if fanout:
                self._queued()
        when = self._after(audit, audit.state, now)
        await self._store.change(replace(audit, told=True, next_check_at=when), before=audit.state)

    def _after(self, audit: CodeAudit, state: AuditState, now: datetime) -> datetime | None:
        return next_check(audit, now) if state.is_open else None

    async def _ask_about(self, audit: CodeAudit) -> AuditAnswer:
        id = int(audit.audit_id) if audit.audit_id.isdecimal() else audit.audit_id
        data = await self._ask(audit.platform, audit.appid, "wxa/get_auditstatus", {"auditid": id})
        return read_answer(data, self._clock.now())

    async def _ask_newest(self, platform: str, appid: str) -> AuditAnswer:
        data = await self._ask(platform, appid, "wxa/get_latest_auditstatus", None)
        return read_answer(data, self._clock.now())
