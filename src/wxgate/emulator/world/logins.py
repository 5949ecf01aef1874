"""Codes of 网页授权, of 扫码登录 and of wx.login(), and the user tokens that come of them.

A code is good once and for minutes, and only for the account it was made for, by the way it was made for:
one that was asked for through a platform is exchanged by that platform and by nobody else.
"""

from dataclasses import dataclass

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.refusals import refusal

BASE, USERINFO, LOGIN = "snsapi_base", "snsapi_userinfo", "snsapi_login"
MINI_PROGRAM = "jscode"


@dataclass(slots=True)
class LoginCode:
    """One code; `platform` is None for an account's own login, `scope` is `jscode` for a mini program's."""

    value: str
    appid: str
    platform: str | None
    user: str
    openid: str
    scope: str
    state: str
    expires_at: float
    snapshot: bool = False
    used: bool = False


@dataclass(slots=True)
class UserToken:
    """What a code was exchanged for: a user's permission to an account."""

    access_token: str
    refresh_token: str
    code: LoginCode
    expires_at: float
    refresh_expires_at: float

    @property
    def profile(self) -> bool:
        """Tell whether nickname and avatar may be read with it."""
        return bool({USERINFO, LOGIN}.intersection(self.code.scope.split(",")))


class Logins:
    """Every code and every user token."""

    def __init__(self, values: Values, clock: EmulatorClock, switches: Switches) -> None:
        self._values, self._clock, self._switches = values, clock, switches
        self._codes: dict[str, LoginCode] = {}
        self._by_access: dict[str, UserToken] = {}
        self._by_refresh: dict[str, UserToken] = {}
        self._virtual: dict[tuple[str, str], str] = {}

    # Codes

    def make_code(
        self,
        *,
        appid: str,
        user: str,
        openid: str,
        scope: str,
        platform: str | None = None,
        state: str = "",
        snapshot: bool = False,
    ) -> LoginCode:
        """Make a code for a user; in a snapshot page the openid is a virtual one."""
        switches = self._switches
        lifetime = switches.website_code_lifetime if scope == LOGIN else switches.code_lifetime
        if snapshot and not switches.snapshot_with_real_openid:
            openid = self._virtual.setdefault((user, appid), self._values.openid())
        code = LoginCode(
            self._values.login_code(),
            appid,
            platform,
            user,
            openid,
            scope,
            state,
            self._clock.now() + lifetime,
            snapshot,
        )
        self._codes[code.value] = code
        return code

    def of_state(self, state: str) -> list[LoginCode]:
        """Return the codes that were sent with a state, in the order they were made."""
        return [each for each in self._codes.values() if each.state == state]

    def spend(self, value: str, *, appid: str, platform: str | None, mini_program: bool = False) -> LoginCode:
        """Use a code up; raises 41008, 40029 or 40163."""
        if not value:
            raise refusal(41008)
        code = self._codes.get(value)
        if code is None or code.appid != appid or (code.scope == MINI_PROGRAM) != mini_program:
            raise refusal(40029)
        # A mini program asks for its code without saying who will exchange it.
        if not mini_program and code.platform != platform:
            raise refusal(40029)
        if code.used:
            raise refusal(40163)
        if self._clock.now() >= code.expires_at:
            raise refusal(40029)
        code.used = True
        return code

    def burn(self, value: str) -> None:
        """Use a code up without giving anything for it."""
        if code := self._codes.get(value):
            code.used = True

    # Tokens

    def make_token(self, code: LoginCode) -> UserToken:
        """Make the tokens of a spent code."""
        now = self._clock.now()
        token = UserToken(
            self._values.access_token(),
            self._values.user_refresh_token(),
            code,
            now + self._switches.user_token_lifetime,
            now + self._switches.user_refresh_lifetime,
        )
        self._by_access[token.access_token] = self._by_refresh[token.refresh_token] = token
        return token

    def refresh(self, value: str, *, appid: str, platform: str | None) -> UserToken:
        """Prolong a token that still works, or give another; raises 41003, 40030 or 42002."""
        if not value:
            raise refusal(41003)
        token = self._by_refresh.get(value)
        if token is None or (token.code.appid, token.code.platform) != (appid, platform):
            raise refusal(40030)
        now = self._clock.now()
        if now >= token.refresh_expires_at:
            raise refusal(42002)
        if now >= token.expires_at:
            token.access_token = self._values.access_token()
            self._by_access[token.access_token] = token
        token.expires_at = now + self._switches.user_token_lifetime
        return token

    def check(self, access_token: str, openid: str) -> UserToken:
        """Return the token behind a value; raises 41001, 40001, 42001, 41009 or 40003."""
        if not access_token:
            raise refusal(41001)
        token = self._by_access.get(access_token)
        if token is None:
            raise refusal(40001)
        if token.access_token != access_token or self._clock.now() >= token.expires_at:
            raise refusal(42001)
        if not openid:
            raise refusal(41009)
        if openid != token.code.openid:
            raise refusal(40003)
        return token
