"""The emulator's world: every rule and every fact, without I/O; time from its clock, chance from its seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.switches import Switches
from wxgate.emulator.values import Values
from wxgate.emulator.world.audits import Audits
from wxgate.emulator.world.authorizations import Authorization, Authorizations
from wxgate.emulator.world.codes import Codes, IssuedCode
from wxgate.emulator.world.conversations import Conversations
from wxgate.emulator.world.entities import MAIN, Account, Kind, Platform, Server, User, merge
from wxgate.emulator.world.js_tickets import JsTickets
from wxgate.emulator.world.logins import Logins
from wxgate.emulator.world.page_errors import PageRefusal
from wxgate.emulator.world.qr_codes import QrCodes
from wxgate.emulator.world.qr_logins import QrLogins
from wxgate.emulator.world.quotas import Quotas
from wxgate.emulator.world.refusals import refusal
from wxgate.emulator.world.tickets import Tickets
from wxgate.emulator.world.tokens import Tokens
from wxgate.errors import ConfigError, NotFound
from wxgate.protocol import permissions
from wxgate.protocol.permissions import AccountKind

# Whoever was granted one of these receives the account's messages: 消息管理, or 客服消息管理 and 开发管理.
RECEIVING_SETS = {Kind.OFFICIAL_ACCOUNT: {1}, Kind.MINI_PROGRAM: {18, 19}, Kind.WEBSITE: set[int]()}

CONVERTIBLE_SECONDS = 15 * 86_400
"""How long after a move the old openids can be changed for new ones."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What came of one confirmation on the authorization page."""

    authorization: Authorization
    info_type: str | None
    redirect_code: str
    push_code: str
    expires_at: int
    pre_auth_code: str


class World:
    """Everything there is; `reset` makes it new, and the same again for the same seed."""

    def __init__(self, seed: int = 1, clock: EmulatorClock | None = None) -> None:
        self.clock = clock or EmulatorClock()
        self.seed = seed
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Begin again, with the clock put back and every switch at its default."""
        self.seed = seed if seed is not None else self.seed
        self.switches = Switches()
        self.values = Values(f"{self.seed}/values")
        self.wire_values = Values(
            f"{self.seed}/wire"
        )  # apart, so that a retried push does not shift the world
        self.login_values = Values(f"{self.seed}/login")  # apart too: a login leaves openids as they were
        self.platforms: dict[str, Platform] = {}
        self.accounts: dict[str, Account] = {}
        self.users: dict[str, User] = {}
        self._system_openids: dict[str, str] = {}
        self._moves: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}
        parts = (self.values, self.clock, self.switches)
        self.tickets = Tickets(*parts)
        self.tokens = Tokens(*parts)
        self.codes = Codes(*parts)
        self.authorizations = Authorizations(*parts)
        self.js_tickets = JsTickets(*parts)
        login_parts = (self.login_values, self.clock, self.switches)
        self.logins = Logins(*login_parts)
        self.qr_logins = QrLogins(*login_parts)
        self.qr_codes = QrCodes(self.login_values, self.clock)
        self.audits = Audits(self.clock)
        self.quotas = Quotas(self.clock, self.switches)
        self.conversations = Conversations(self.clock, self.switches)
        self.clock.put_back()

    # Who exists

    def put_platform(self, given: Mapping[str, Any]) -> Platform:
        """Make a platform or change the given values of one."""
        appid = given.get("appid") or self.values.appid()
        platform = self.platforms.get(appid)
        if platform is None:
            made = self.values
            platform = Platform(appid, made.app_secret(), made.push_token(), made.aes_key())
            platform.next_ticket_at = self.clock.now() + self.switches.ticket_interval
        changes = {**given, "appid": appid}
        for name in ("authorize_domain", "oauth_domain"):
            if isinstance(changes.get(name), str):
                changes[name] = [changes[name]]
        merge(platform, changes)
        self.platforms[appid] = platform
        return platform

    def put_account(self, given: Mapping[str, Any]) -> Account:
        """Make an account or change the given values of one."""
        appid = given.get("appid") or self.values.appid()
        account = self.accounts.get(appid) or Account(
            appid, self.values.user_name(), self.values.app_secret()
        )
        changes = {**given, "appid": appid}
        if "kind" in changes:
            changes["kind"] = Kind(changes["kind"])
        if isinstance(changes.get("oauth_domains"), str):
            changes["oauth_domains"] = [changes["oauth_domains"]]
        if isinstance(changes.get("server"), Mapping):
            changes["server"] = self._server(changes["server"])
        merge(account, changes)
        self.accounts[appid] = account
        return account

    def _server(self, given: Mapping[str, Any]) -> Server:
        defaults = {"token": self.values.push_token(), "aes_key": self.values.aes_key()}
        try:
            return Server(**{**defaults, **given})
        except TypeError as problem:
            raise ConfigError(f"this is not a server configuration: {problem}") from None

    def put_user(self, given: Mapping[str, Any]) -> User:
        """Make a user, who follows the accounts named in `follows`."""
        id = given.get("id") or f"user-{len(self.users) + 1}"
        user = self.users.get(id) or User(id, self.values.unionid())
        merge(user, {name: value for name, value in given.items() if name != "follows"})
        self.users[id] = user
        for appid in given.get("follows", ()):
            self.follow(user, self.account(appid))
        return user

    def follow(self, user: User, account: Account) -> str:
        """Let a user follow an account and return the openid."""
        user.followed_at[account.appid] = self.clock.seconds()
        return self.openid(user, account)

    def unfollow(self, user: User, account: Account) -> None:
        """Let a user leave an account, which may then no longer write."""
        user.followed_at.pop(account.appid, None)
        self.conversations.close(account.appid, self.openid(user, account))

    def openid(self, user: User, account: Account) -> str:
        """Return the openid by which the account knows the user."""
        return user.openids.setdefault(account.appid, self.values.openid())

    def unionid(self, user: User, account: Account) -> str:
        """Return the unionid that accounts of one open-platform account share, "" for an unbound account."""
        if account.open_account in ("", MAIN):
            return user.unionid if account.open_account else ""
        return user.unionids.setdefault(account.open_account, self.login_values.unionid())

    def move_account(self, source: Account, target: Account) -> dict[str, str]:
        """Move an account's followers to another account (账号迁移); returns their openids, old to new."""
        known = [user for user in self.users.values() if source.appid in user.openids]
        moved = {user.openids[source.appid]: self.openid(user, target) for user in known}
        for user in known:
            if (since := user.followed_at.pop(source.appid, None)) is not None:
                user.followed_at[target.appid] = since
        self._moves[source.appid, target.appid] = self.clock.now(), moved
        return moved

    def moved_openids(self, source: str, target: str) -> Mapping[str, str]:
        """Return the openids of a move, old to new; raises 63178 without one in the last fifteen days."""
        at, moved = self._moves.get((source, target), (float("-inf"), {}))
        if self.clock.now() >= at + CONVERTIBLE_SECONDS:
            raise refusal(63178)
        return moved

    def platform(self, appid: str) -> Platform:
        """Return a platform; raises NotFound."""
        if appid not in self.platforms:
            raise NotFound(f"there is no platform {appid!r} in this world")
        return self.platforms[appid]

    def account(self, appid: str) -> Account:
        """Return an account; raises NotFound."""
        if appid not in self.accounts:
            raise NotFound(f"there is no account {appid!r} in this world")
        return self.accounts[appid]

    def user(self, id: str) -> User:
        """Return a user by id; raises NotFound."""
        if id not in self.users:
            raise NotFound(f"there is no user {id!r} in this world")
        return self.users[id]

    def user_by_openid(self, appid: str, openid: str) -> User | None:
        """Return the user whom an account knows by an openid."""
        return next((user for user in self.users.values() if user.openids.get(appid) == openid), None)

    def system_openid(self, account: Account) -> str:
        """Return the openid that WeChat's own notices to an account come from."""
        return self._system_openids.setdefault(account.appid, self.wire_values.openid())

    # Authorizing

    def offered_sets(self, platform: Platform, account: Account) -> list[int]:
        """Return the permission sets that the authorization page offers."""
        if account.kind is Kind.WEBSITE:
            raise ConfigError(f"{account.appid} is a website application; it cannot authorise a platform")
        kinds = [each.id for each in permissions.sets_for(AccountKind(account.kind))]
        wanted = platform.permission_sets
        return [id for id in kinds if wanted is None or id in wanted]

    def check_may_authorize(self, platform: Platform, account: Account, func_ids: Iterable[int]) -> None:
        """Raise what the authorization page says when the account may not authorise this."""
        if not platform.published and account.appid not in platform.test_accounts:
            raise PageRefusal(-108)
        exclusive = {id for id in func_ids if (known := permissions.get(id)) and known.exclusive}
        others = [
            each for each in self.authorizations.of_account(account.appid) if each.platform != platform.appid
        ]
        if self.switches.exclusive_sets and any(exclusive.intersection(each.func_ids) for each in others):
            raise PageRefusal(-107)

    def authorize(
        self,
        platform: Platform,
        account: Account,
        func_ids: Iterable[int] | None,
        pre_auth_code: str | None = None,
    ) -> Granted:
        """Confirm an authorization and make its codes; raises PageRefusal."""
        offered = self.offered_sets(platform, account)
        chosen = list(offered if func_ids is None else func_ids)
        self.check_may_authorize(platform, account, chosen)
        pre = self.spend_pre_auth_code(platform, pre_auth_code)
        authorization, info_type = self.authorizations.grant(platform.appid, account.appid, chosen)
        redirect, push = self.codes.make_pair(platform.appid, account.appid)
        return Granted(authorization, info_type, redirect.value, push.value, int(push.expires_at), pre)

    def register(self, platform: Platform, account: Account) -> IssuedCode:
        """Let a fast registration end well: the account has authorised the platform, and this code tells."""
        sets = self.offered_sets(platform, account)
        self.authorizations.grant(platform.appid, account.appid, sets)
        return self.codes.make_pair(platform.appid, account.appid)[1]

    def spend_pre_auth_code(self, platform: Platform, value: str | None) -> str:
        """Use up a pre_auth_code, or a fresh one when none is given."""
        if value is None:
            value = self.codes.make_pre_auth_code(platform.appid).value
        self.check_pre_auth_code(platform, value)
        code = self.codes.get_pre_auth_code(value)
        assert code is not None
        code.used = True
        return value

    def check_pre_auth_code(self, platform: Platform, value: str) -> None:
        """Raise what the authorization page says of a foreign (-100), used (-110) or old (-105) code."""
        code = self.codes.get_pre_auth_code(value)
        if code is None or code.platform != platform.appid:
            raise PageRefusal(-100)
        if code.used:
            raise PageRefusal(-110)
        if self.codes.is_over(code):
            raise PageRefusal(-105)

    def receivers(self, account: Account) -> list[Platform]:
        """Return the platforms that receive the account's messages."""
        sets = RECEIVING_SETS[account.kind]
        granted = self.authorizations.of_account(account.appid)
        return [self.platforms[each.platform] for each in granted if sets.intersection(each.func_ids)]
