"""Who authorised whom for what, and the refresh tokens that come of it.

A refresh token lives as long as the authorization. It changes when the merchant authorises again, and the
one before then works five more minutes; a renewal of the access token leaves it alone (授权流程,
刷新令牌).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal


@dataclass(slots=True)
class Authorization:
    """One account's grant to one platform."""

    platform: str
    appid: str
    func_ids: list[int]
    refresh_token: str
    authorized_at: int
    exchanged: bool = False
    retired: dict[str, float] = field(default_factory=dict)


class Authorizations:
    """Every live authorization."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._live: dict[tuple[str, str], Authorization] = {}

    def get(self, platform: str, appid: str) -> Authorization | None:
        """Return the live authorization of an account to a platform."""
        return self._live.get((platform, appid))

    def require(self, platform: str, appid: str) -> Authorization:
        """Return the live authorization; raises 61003 when there is none."""
        if authorization := self.get(platform, appid):
            return authorization
        raise refusal(61003)

    def of_platform(self, platform: str) -> list[Authorization]:
        """Return a platform's authorizations in the order they were made."""
        return [each for each in self._live.values() if each.platform == platform]

    def of_account(self, appid: str) -> list[Authorization]:
        """Return an account's authorizations in the order they were made."""
        return [each for each in self._live.values() if each.appid == appid]

    def all(self) -> list[Authorization]:
        """Return every live authorization."""
        return list(self._live.values())

    def grant(self, platform: str, appid: str, func_ids: Iterable[int]) -> tuple[Authorization, str | None]:
        """Authorise, or authorise again; returns the InfoType that tells of it, None when nothing changed."""
        wanted = sorted(set(func_ids))
        existing = self.get(platform, appid)
        if existing is None:
            made = Authorization(platform, appid, wanted, self._values.refresh_token(), self._clock.seconds())
            self._live[platform, appid] = made
            return made, "authorized"
        changed = existing.func_ids != wanted
        existing.func_ids = wanted
        existing.authorized_at = self._clock.seconds()
        if self._switches.update_rotates_refresh_token:
            self.rotate(existing)
        # WeChat says nothing of a re-authorization that leaves the permission sets as they were.
        return existing, "updateauthorized" if changed or self._switches.push_unchanged_update else None

    def rotate(self, authorization: Authorization) -> None:
        """Give the authorization a new refresh token; the old one works a little longer."""
        useless_at = self._clock.now() + self._switches.refresh_token_overlap
        authorization.retired[authorization.refresh_token] = useless_at
        authorization.refresh_token = self._values.refresh_token()

    def check_refresh_token(self, authorization: Authorization, value: str) -> None:
        """Accept the current refresh token, or one retired moments ago; raises 61023."""
        if value != authorization.refresh_token and self._clock.now() >= authorization.retired.get(
            value, 0.0
        ):
            raise refusal(61023)

    def cancel(self, platform: str, appid: str) -> Authorization | None:
        """End an authorization; with it goes its refresh token."""
        return self._live.pop((platform, appid), None)
