"""What a login link asks for, read as strictly as WeChat reads it: names, order, scope, state, host.

"严格按照以下格式，包括顺序和大小写": a link whose parameters stand in another order opens nothing (网页授权).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from wxgate.emulator.world.entities import Account, Kind, Platform
from wxgate.emulator.world.logins import BASE, LOGIN, USERINFO
from wxgate.emulator.world.page_errors import LinkRefusal
from wxgate.emulator.world.world import World

Pairs = Sequence[tuple[str, str]]

_FIRST = ("appid", "redirect_uri", "response_type", "scope", "state")
_BETWEEN = frozenset({"forcePopup", "forceSnapShot", "connect_redirect"})
_LAST = "component_appid"
# wxLogin.js writes its frame's address in this order, and without response_type.
_FRAME = ("appid", "scope", "redirect_uri", "state", "login_type")
_STATE = re.compile(r"[A-Za-z0-9]{0,128}", re.ASCII)
# 网站应用's state is documented without an alphabet; its length is the same.
_WEBSITE_STATE = re.compile(r"[!-~]{0,128}", re.ASCII)
_WEB_PAGES = 4  # the permission set 网页服务


@dataclass(frozen=True, slots=True)
class LoginLink:
    """A link that passed; `platform` is the one that logs in on behalf, if any."""

    account: Account
    redirect_uri: str
    scope: str
    state: str
    platform: Platform | None = None
    options: frozenset[tuple[str, str]] = frozenset()

    def asks(self, name: str, value: str = "true") -> bool:
        """Tell whether the link has this option."""
        return (name, value) in self.options

    def back(self, code: str | None) -> str:
        """Return where the browser goes, with a code or, after a refusal, without one."""
        more = [("appid", self.account.appid)] if self.platform and code else []
        return lead_back(self.redirect_uri, code, self.state, *more)


def lead_back(redirect_uri: str, code: str | None, state: str, *more: tuple[str, str]) -> str:
    """Write an address with code and state behind what it has already."""
    pairs = [*([("code", code)] if code else []), ("state", state), *more]
    address, hash, fragment = redirect_uri.partition("#")
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    return f"{address}{'&' if '?' in address else '?'}{query}{hash}{fragment}"


def read_authorize(world: World, pairs: Pairs) -> LoginLink:
    """Read the link of 网页授权; raises LinkRefusal."""
    given = dict(pairs)
    for name, refused in (("appid", 10012), ("redirect_uri", 10011), ("scope", 10010)):
        if not given.get(name):
            raise LinkRefusal(refused)
    _check_order([name for name, _ in pairs])
    if given["response_type"] != "code":
        raise LinkRefusal("form", "response_type must be code")
    if not _STATE.fullmatch(given.get("state", "")):
        raise LinkRefusal("state", "state takes a-zA-Z0-9, 128 at most")
    account = _account(world, given["appid"])
    platform = None
    if _LAST in given:
        platform = world.platforms.get(given[_LAST])
        authorization = world.authorizations.get(given[_LAST], account.appid)
        if platform is None or authorization is None:
            raise LinkRefusal(10015)
        if _WEB_PAGES not in authorization.func_ids:
            raise LinkRefusal(10005, "the account has not granted 网页服务 (4) to the platform")
    _check_scope(account, given["scope"])
    _check_host(given["redirect_uri"], platform.oauth_domain if platform else account.oauth_domains, 10003)
    options = frozenset((name, value) for name, value in pairs if name in _BETWEEN)
    return LoginLink(
        account, given["redirect_uri"], given["scope"], given.get("state", ""), platform, options
    )


def _check_order(names: Sequence[str]) -> None:
    rest = list(names)
    for name in _FIRST:
        if rest[:1] == [name]:
            del rest[0]
        elif name != "state":  # the only one that may be left out
            raise LinkRefusal("form", f"{name} is expected before {rest[0] if rest else 'the end'}")
    if rest and rest[-1] == _LAST:
        del rest[-1]
    for name in rest:
        if name not in _BETWEEN:
            late = " stands last" if name == _LAST else " does not belong here"
            raise LinkRefusal("form", f"{name}{late}; is redirect_uri percent-encoded?")


def _account(world: World, appid: str) -> Account:
    account = world.accounts.get(appid)
    if account is None:
        raise LinkRefusal(40013)
    if account.kind is not Kind.OFFICIAL_ACCOUNT:
        raise LinkRefusal(10016)
    return account


def _check_scope(account: Account, scope: str) -> None:
    able = account.service_type == 2 and account.verify_type >= 0 and account.can(_WEB_PAGES)
    if not able or not set(scope.split(",")) <= {BASE, USERINFO}:
        raise LinkRefusal(10005)


def _check_host(redirect_uri: str, allowed: Sequence[str] | None, refused: int | str) -> None:
    """Compare hosts exactly: a domain that is set does not cover those below it."""
    target = urlsplit(redirect_uri)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise LinkRefusal(refused, "redirect_uri is no http address")
    if allowed is not None and not {target.hostname, target.netloc}.intersection(allowed):
        raise LinkRefusal(refused, f"{target.netloc} is not among {', '.join(allowed) or 'no domains'}")


def read_qrconnect(world: World, pairs: Pairs) -> LoginLink:
    """Read the link of 扫码登录, of a whole page or of wxLogin.js' frame; raises LinkRefusal."""
    given = dict(pairs)
    names = [name for name, _ in pairs]
    frame = given.get("login_type") == "jssdk"
    wanted = _FRAME if frame else _FIRST
    if tuple(names[: len(wanted)]) != wanted:
        raise LinkRefusal("unreachable", f"the parameters begin with {', '.join(wanted)}")
    account = world.accounts.get(given["appid"])
    if account is None or account.kind is not Kind.WEBSITE:
        raise LinkRefusal("unreachable", "appid is no website application")
    if given["scope"] != LOGIN or given.get("response_type", "code") != "code":
        raise LinkRefusal("unreachable", f"scope must be {LOGIN}")
    if not _WEBSITE_STATE.fullmatch(given["state"]):
        raise LinkRefusal("state")
    _check_host(given["redirect_uri"], account.oauth_domains, "unreachable")
    options = frozenset((name, value) for name, value in pairs if name not in _FIRST)
    return LoginLink(account, given["redirect_uri"], LOGIN, given["state"], None, options)
