"""The links people click: authorization pages and OAuth pages, with parameters in WeChat's order.

WeChat matches OAuth links with a strict pattern, so order and the `#wechat_redirect` fragment are part of the
format ("网页授权", "授权流程技术说明", "网站应用微信登录").
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from urllib.parse import quote

_FRAGMENT = "#wechat_redirect"
MAX_STATE_BYTES = 128


class LinkKind(StrEnum):
    """Name the forms of the authorization link."""

    PC = "pc"
    H5 = "h5"
    H5_OLD = "h5_old"


class AuthType(IntEnum):
    """Say which kinds of account the authorization page offers."""

    OFFICIAL_ACCOUNT = 1
    MINI_PROGRAM = 2
    OFFICIAL_ACCOUNT_AND_MINI_PROGRAM = 3
    PROMOTER = 4
    CHANNELS = 5
    ALL = 6
    TALENT = 8

    @property
    def zh(self) -> str:
        """The Chinese name."""
        return _AUTH_TYPE_NAMES[self][0]

    @property
    def en(self) -> str:
        """The English name."""
        return _AUTH_TYPE_NAMES[self][1]


_AUTH_TYPE_NAMES = {
    AuthType.OFFICIAL_ACCOUNT: ("公众号", "official account"),
    AuthType.MINI_PROGRAM: ("小程序", "mini program"),
    AuthType.OFFICIAL_ACCOUNT_AND_MINI_PROGRAM: ("公众号和小程序", "official account or mini program"),
    AuthType.PROMOTER: ("小程序推客账号", "mini-program promoter"),
    AuthType.CHANNELS: ("视频号", "channels account"),
    AuthType.ALL: ("公众号、小程序和视频号", "official account, mini program or channels account"),
    AuthType.TALENT: ("带货助手", "live-commerce assistant"),
}


class Scope(StrEnum):
    """Say what an OAuth page asks the user for."""

    BASE = "snsapi_base"
    USERINFO = "snsapi_userinfo"
    LOGIN = "snsapi_login"


def authorization_link(
    kind: LinkKind,
    *,
    base_mp: str,
    base_open: str,
    component_appid: str,
    pre_auth_code: str,
    redirect_uri: str,
    auth_type: int,
    biz_appid: str | None = None,
    category_ids: Sequence[int] = (),
) -> str:
    """Make the link on which an account's administrator authorises the platform.

    The click must come from a page of the platform's 授权发起页域名 with its Referer; WeChat checks that.
    """
    platform = [
        ("component_appid", component_appid),
        ("pre_auth_code", pre_auth_code),
        ("redirect_uri", redirect_uri),
    ]
    kinds = [("auth_type", str(auth_type))]
    choice = [("biz_appid", biz_appid)] if biz_appid else []
    if category_ids:
        choice.append(("category_id_list", "|".join(map(str, category_ids))))
    action, no_scan = [("action", "bindcomponent")], [("no_scan", "1")]
    match kind:
        case LinkKind.PC:
            return _link(f"{base_mp}/cgi-bin/componentloginpage", platform + kinds + choice)
        case LinkKind.H5:
            path = f"{base_open}/wxaopen/safe/bindcomponent"
            return _link(path, action + no_scan + platform + kinds + choice) + _FRAGMENT
        case LinkKind.H5_OLD:
            return (
                _link(f"{base_mp}/safe/bindcomponent", action + kinds + no_scan + platform + choice)
                + _FRAGMENT
            )


def oauth_link(
    *,
    base_open: str,
    appid: str,
    redirect_uri: str,
    scope: str,
    state: str,
    force_popup: bool = False,
    force_snapshot: bool = False,
) -> str:
    """Make the link on which a user logs in to a page of an official account, in the WeChat browser."""
    extras = [("forcePopup", "true")] if force_popup else []
    if force_snapshot:
        extras.append(("forceSnapShot", "true"))
    return _oauth(f"{base_open}/connect/oauth2/authorize", appid, redirect_uri, scope, state, extras)


def oauth_on_behalf_link(
    *,
    base_open: str,
    appid: str,
    component_appid: str,
    redirect_uri: str,
    scope: str,
    state: str,
    force_popup: bool = False,
    force_snapshot: bool = False,
) -> str:
    """Make the link on which a user logs in to a page that a platform runs for an official account.

    The platform's appid stands last, whatever else is asked for: WeChat matches the order.
    """
    extras = [("forcePopup", "true")] if force_popup else []
    if force_snapshot:
        extras.append(("forceSnapShot", "true"))
    extras.append(("component_appid", component_appid))
    return _oauth(f"{base_open}/connect/oauth2/authorize", appid, redirect_uri, scope, state, extras)


def qrconnect_link(
    *,
    base_open: str,
    appid: str,
    redirect_uri: str,
    state: str,
    scope: str = Scope.LOGIN,
    lang: str | None = None,
) -> str:
    """Make the link to the QR page on which a user logs in to a website application."""
    extras = [("lang", lang)] if lang else []
    return _oauth(f"{base_open}/connect/qrconnect", appid, redirect_uri, scope, state, extras)


def _oauth(
    page: str, appid: str, redirect_uri: str, scope: str, state: str, extras: Sequence[tuple[str, str]]
) -> str:
    if len(state.encode()) > MAX_STATE_BYTES:
        raise ValueError(f"state may have {MAX_STATE_BYTES} bytes at most")
    pairs = [
        ("appid", appid),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", scope),
        ("state", state),
        *extras,
    ]
    return _link(page, pairs) + _FRAGMENT


def _link(page: str, pairs: Sequence[tuple[str, str]]) -> str:
    # The comma between several scopes stays as WeChat writes it.
    return f"{page}?" + "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs)
