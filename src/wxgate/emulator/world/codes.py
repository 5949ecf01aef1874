"""pre_auth_code and authorization_code: who made them, how long they live, how often they can be used.

A pre_auth_code serves one successful authorization. An authorization_code is exchanged once: used or too
old it is expired (61010), foreign or malformed it is invalid (61009).
"""

from dataclasses import dataclass

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal


@dataclass(slots=True)
class PreAuthCode:
    """One run through the authorization page."""

    value: str
    platform: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class IssuedCode:
    """One authorization_code; a twin is the differing code that the other way carried."""

    value: str
    platform: str
    appid: str
    expires_at: float
    used: bool = False
    twin: "IssuedCode | None" = None


class Codes:
    """Every code made."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._pre: dict[str, PreAuthCode] = {}
        self._codes: dict[str, IssuedCode] = {}

    def make_pre_auth_code(self, platform: str) -> PreAuthCode:
        """Make a pre_auth_code for a platform."""
        expires_at = self._clock.now() + self._switches.pre_auth_code_lifetime
        code = PreAuthCode(self._values.pre_auth_code(), platform, expires_at)
        self._pre[code.value] = code
        return code

    @property
    def pre_auth_codes_made(self) -> int:
        """Return how many pre_auth_codes there are, used and unused."""
        return len(self._pre)

    def get_pre_auth_code(self, value: str) -> PreAuthCode | None:
        """Return a pre_auth_code by its value."""
        return self._pre.get(value)

    def is_over(self, code: PreAuthCode) -> bool:
        """Tell whether a pre_auth_code has expired."""
        return self._clock.now() >= code.expires_at

    def make_pair(self, platform: str, appid: str) -> tuple[IssuedCode, IssuedCode]:
        """Make the codes of one authorization: the redirect's and the push's, by default the same one."""
        first = self._make(platform, appid)
        if self._switches.codes_identical:
            return first, first
        second = self._make(platform, appid)
        first.twin, second.twin = second, first
        return first, second

    def _make(self, platform: str, appid: str) -> IssuedCode:
        expires_at = self._clock.now() + self._switches.authorization_code_lifetime
        code = IssuedCode(self._values.authorization_code(), platform, appid, expires_at)
        self._codes[code.value] = code
        return code

    def exchange(self, platform: str, value: str) -> IssuedCode:
        """Spend an authorization_code; raises 61009 or 61010."""
        code = self._codes.get(value)
        if code is None or code.platform != platform:
            raise refusal(61009)
        if code.used or self._clock.now() >= code.expires_at:
            raise refusal(61010)
        code.used = True
        if code.twin and not self._switches.both_codes_work:
            code.twin.used = True
        return code
