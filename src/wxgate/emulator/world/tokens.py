"""Access tokens of every kind: how long they live, what a newer one does, what is wrong with a bad one.

A newer token of the same key leaves the older one usable for five minutes (公众号 access_token 说明).
Tokens of `cgi-bin/token` and of `cgi-bin/stable_token` are isolated from each other, and so are those of
every issuer.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal

_FORM = re.compile(r"\d\d_[\w-]{100,510}", re.ASCII)
STABLE_RENEWAL = 300.0  # stable_token hands out the same token until five minutes before its end
FORCED_PAUSE = 30.0  # force_refresh within half a minute changes nothing
FORCED_PER_DAY = 20


class Origin(StrEnum):
    """How an access token was got, and so whose it is."""

    COMPONENT = "component"
    AUTHORIZER = "authorizer"
    DIRECT = "direct"
    STABLE = "stable"


@dataclass(slots=True)
class IssuedToken:
    """One access token; `platform` is None for an account's own."""

    value: str
    origin: Origin
    platform: str | None
    appid: str
    issued_at: float
    expires_at: float
    useless_at: float | None = None

    @property
    def key(self) -> tuple[Origin, str | None, str]:
        """Return what a newer token must share to supersede this one."""
        return self.origin, self.platform, self.appid


class Tokens:
    """Every access token ever issued."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._by_value: dict[str, IssuedToken] = {}
        self._latest: dict[tuple[Origin, str | None, str], IssuedToken] = {}
        self._forced: dict[str, list[float]] = {}

    def issue(self, origin: Origin, appid: str, *, platform: str | None = None) -> IssuedToken:
        """Issue a token; the one before it stops working after the overlap."""
        now = self._clock.now()
        lifetime = self._switches.access_token_lifetime
        token = IssuedToken(self._values.access_token(), origin, platform, appid, now, now + lifetime)
        if previous := self._latest.get(token.key):
            component = origin is Origin.COMPONENT
            overlap = self._switches.component_token_overlap if component else self._switches.token_overlap
            previous.useless_at = now + overlap
        self._latest[token.key] = self._by_value[token.value] = token
        return token

    def issue_stable(self, appid: str, *, force: bool) -> IssuedToken:
        """Return the account's stable token, a new one when it is nearly over or a new one is forced."""
        now = self._clock.now()
        latest = self._latest.get((Origin.STABLE, None, appid))
        if latest is None or now >= latest.expires_at - STABLE_RENEWAL:
            return self.issue(Origin.STABLE, appid)
        if not force or not self._may_force(appid, now):
            return latest
        latest.useless_at = now
        token = self.issue(Origin.STABLE, appid)
        latest.useless_at = now  # forcing leaves no overlap
        return token

    def _may_force(self, appid: str, now: float) -> bool:
        forced = [at for at in self._forced.get(appid, []) if at > now - 86_400]
        if forced and now - forced[-1] < FORCED_PAUSE:
            return False
        if len(forced) >= FORCED_PER_DAY:
            raise refusal(45009)
        self._forced[appid] = [*forced, now]
        return True

    def check(self, value: str) -> IssuedToken:
        """Return the token behind a value; raises 40014, 40001, 42001 or 42006."""
        if not _FORM.fullmatch(value):
            raise refusal(40014)
        token = self._by_value.get(value)
        now = self._clock.now()
        if token is None or (token.useless_at is not None and now >= token.useless_at):
            raise refusal(40001)
        if now >= token.expires_at:
            component = token.origin is Origin.COMPONENT
            raise refusal(self._switches.expired_component_token if component else 42001)
        return token

    def get(self, value: str) -> IssuedToken | None:
        """Return what is known of a value, however old, for the log."""
        return self._by_value.get(value)

    def expire(self, *, appid: str | None = None, origin: Origin | None = None) -> int:
        """End tokens before their time, as WeChat sometimes does; returns how many."""
        ended = [
            token
            for token in self._by_value.values()
            if appid in (None, token.appid) and origin in (None, token.origin) and token.useless_at is None
        ]
        for token in ended:
            token.useless_at = self._clock.now()
        return len(ended)

    def count(self) -> dict[str, int]:
        """Return how many tokens of each origin work at present."""
        now = self._clock.now()
        alive = [
            token
            for token in self._by_value.values()
            if now < token.expires_at and (token.useless_at is None or now < token.useless_at)
        ]
        return {str(origin): sum(token.origin is origin for token in alive) for origin in Origin}
