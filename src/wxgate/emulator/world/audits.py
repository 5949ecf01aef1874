"""Audits of mini programs' code (代码审核): one at a time for each mini program, decided by the test.

Taking one back is possible five times a day and ten times a month (87013).
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from time import gmtime

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.world.refusals import refusal

UNDOS_PER_DAY = 5
UNDOS_PER_MONTH = 10


class AuditStatus(IntEnum):
    """WeChat's numbers for how an audit stands."""

    PASSED = 0
    REJECTED = 1
    WAITING = 2
    WITHDRAWN = 3
    DELAYED = 4


OPEN = (AuditStatus.WAITING, AuditStatus.DELAYED)


@dataclass(slots=True)
class CodeAudit:
    """One version under audit, and what became of it."""

    id: int
    appid: str
    submitted_at: int
    status: AuditStatus = AuditStatus.WAITING
    reason: str = ""
    screenshot: str = ""
    user_version: str = "1.0.0"
    user_desc: str = ""


class Audits:
    """Every audit there was."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._audits: list[CodeAudit] = []
        self._ids = count(430_000_001)
        self._undone: dict[str, list[int]] = {}

    def submit(self, appid: str, description: str = "") -> CodeAudit:
        """Submit a version; raises 85009 while another is under audit."""
        last = self.latest(appid)
        if last is not None and last.status in OPEN:
            raise refusal(85009)
        audit = CodeAudit(next(self._ids), appid, self._clock.seconds(), user_desc=description)
        self._audits.append(audit)
        return audit

    def get(self, appid: str, id: int) -> CodeAudit:
        """Return an audit of an account; raises 85012."""
        found = next((each for each in self._audits if (each.appid, each.id) == (appid, id)), None)
        if found is None:
            raise refusal(85012)
        return found

    def latest(self, appid: str) -> CodeAudit | None:
        """Return the newest audit of an account."""
        return next((each for each in reversed(self._audits) if each.appid == appid), None)

    def of(self, appid: str) -> list[CodeAudit]:
        """Return all audits of an account, oldest first."""
        return [each for each in self._audits if each.appid == appid]

    def undo(self, appid: str) -> None:
        """Take the audit back; raises 85058 when there is none, 87013 when it was done too often."""
        last = self.latest(appid)
        if last is None or last.status not in OPEN:
            raise refusal(85058)
        undone, today = self._undone.setdefault(appid, []), gmtime(self._clock.seconds())
        days = [gmtime(moment)[:3] for moment in undone]
        if days.count(today[:3]) >= UNDOS_PER_DAY or (
            sum(day[:2] == today[:2] for day in days) >= UNDOS_PER_MONTH
        ):
            raise refusal(87013)
        undone.append(self._clock.seconds())
        last.status = AuditStatus.WITHDRAWN

    def decide(
        self,
        appid: str,
        status: AuditStatus,
        *,
        id: int | None = None,
        reason: str = "",
        screenshot: str = "",
    ) -> CodeAudit:
        """Let the auditor decide, of the newest audit unless another is named; raises 85012 or 85058."""
        audit = self.latest(appid) if id is None else self.get(appid, id)
        if audit is None or audit.status not in OPEN:
            raise refusal(85058)
        audit.status, audit.reason, audit.screenshot = status, reason, screenshot
        return audit
