"""Daily and minute limits of calls, counted per account and path, and how often they may be cleared.

The daily numbers are those published for a verified official account; a call on behalf counts against the
authorizer's quota and not the platform's. Where several third parties act for one account, each has a count
of its own, or all share one, as the switch `quota_per_party` says. A day ends at midnight in Beijing.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.world.refusals import refusal

BEIJING_OFFSET = 8 * 3600
DAILY_LIMITS = {
    "/cgi-bin/token": 2_000,
    "/cgi-bin/stable_token": 500_000,
    "/cgi-bin/menu/create": 1_000,
    "/cgi-bin/menu/get": 10_000,
    "/cgi-bin/menu/delete": 1_000,
    "/cgi-bin/media/upload": 100_000,
    "/cgi-bin/media/get": 200_000,
    "/cgi-bin/message/custom/send": 500_000,
    "/cgi-bin/message/mass/sendall": 100,
    "/cgi-bin/qrcode/create": 100_000,
    "/cgi-bin/user/get": 500,
    "/cgi-bin/user/info": 5_000_000,
    "/cgi-bin/draft/add": 1_000,
    "/cgi-bin/draft/delete": 1_000,
    "/cgi-bin/draft/update": 1_000,
    "/cgi-bin/draft/count": 1_000,
    "/cgi-bin/draft/batchget": 1_000,
    "/cgi-bin/draft/get": 500,
    "/cgi-bin/freepublish/submit": 100,
}
_UNPUBLISHED = ("/cgi-bin/component/api_component_token", "/cgi-bin/component/api_authorizer_token")


@dataclass(frozen=True, slots=True)
class Quota:
    """How a path stands for one account today; limit 0 means unlimited or unpublished."""

    limit: int
    used: int

    @property
    def remain(self) -> int:
        """Return how many calls are left."""
        return max(self.limit - self.used, 0)


class Quotas:
    """Counts calls and refuses those over a limit."""

    def __init__(self, clock: EmulatorClock, switches: Switches) -> None:
        self._clock, self._switches = clock, switches
        self._day = 0
        self._minute = 0
        self._daily: Counter[tuple[str, str | None, str]] = Counter()
        self._minutely: Counter[tuple[str, str | None]] = Counter()
        self._limits: dict[tuple[str, str], int] = {}
        self._clears: Counter[tuple[str, str]] = Counter()

    def set_limit(self, appid: str, path: str, limit: int) -> None:
        """Give one account another daily limit for a path."""
        self._limits[appid, path] = limit

    def limit(self, appid: str, path: str) -> int:
        """Return the daily limit, 0 when there is none."""
        if path in _UNPUBLISHED and self._switches.component_token_daily_limit is not None:
            return self._switches.component_token_daily_limit
        return self._limits.get((appid, path), DAILY_LIMITS.get(path, 0))

    def count(self, appid: str, path: str, party: str | None = None) -> None:
        """Count a call, the account's own or a party's for it; raises 45009 or 45011 where it is too many."""
        self._turn()
        party = self._counted(appid, party)
        limit, minute_limit = self.limit(appid, path), self._switches.minute_limit
        if self._switches.quotas and limit and self._daily[appid, party, path] >= limit:
            raise refusal(45009)
        if minute_limit is not None and self._minutely[appid, party] >= minute_limit:
            raise refusal(45011)
        self._daily[appid, party, path] += 1
        self._minutely[appid, party] += 1

    def get(self, appid: str, path: str, party: str | None = None) -> Quota:
        """Return how a path stands today."""
        self._turn()
        return Quota(self.limit(appid, path), self._daily[appid, self._counted(appid, party), path])

    def clear(self, appid: str, party: str | None = None) -> None:
        """Set a party's counters to zero, or everybody's; raises 48006 after ten times in a month."""
        self._turn()
        month = datetime.fromtimestamp(self._day * 86_400, UTC).strftime("%Y-%m")
        if self._clears[appid, month] >= self._switches.clears_per_month:
            raise refusal(48006)
        self._clears[appid, month] += 1
        party = self._counted(appid, party)
        for key in [key for key in self._daily if key[0] == appid and party in (None, key[1])]:
            del self._daily[key]

    def _counted(self, appid: str, party: str | None) -> str | None:
        return party if self._switches.quota_per_party and party != appid else None

    def _turn(self) -> None:
        now = self._clock.seconds()
        day, minute = (now + BEIJING_OFFSET) // 86_400, now // 60
        if day != self._day:
            self._day = day
            self._daily.clear()
        if minute != self._minute:
            self._minute = minute
            self._minutely.clear()
