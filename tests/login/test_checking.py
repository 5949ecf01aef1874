"""What `wxgate login check` finds, and which domain WeChat must know."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wxgate.login.checking import check_login
from wxgate.login.domains import needed_domain
from wxgate.login.records import App, AppKind, Client, Realm
from wxgate.login.registration import KnownAccount
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import AppSecret

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLATFORM = "wxplatform0000001"
REALM = Realm("main", "Main", NOW)
SHOP = App("shop", "main", AppKind.OFFICIAL, "wxshop", PLATFORM, "Shop", NOW)
SITE = App("site", "main", AppKind.WEBSITE, "wxsite", DIRECT_ISSUER, "Site", NOW, AppSecret("s"))
CLIENT = Client("wxcl_1", "main", "web", NOW, redirect_uris=("https://web.example/callback",))
KNOWN = {"wxshop": KnownAccount((PLATFORM,), AppKind.OFFICIAL)}


def codes(
    *,
    base_url: str = "https://wx.example.com",
    realms: tuple[Realm, ...] = (REALM,),
    apps: tuple[App, ...] = (SHOP, SITE),
    clients: tuple[Client, ...] = (CLIENT,),
    known: dict[str, KnownAccount] = KNOWN,
) -> list[str]:
    """Name what is found."""
    found = check_login(base_url=base_url, realms=realms, apps=apps, clients=clients, known=known)
    assert all(one.text and one.text_zh for one in found)
    return [f"{'!' if one.wrong else ''}{one.code}" for one in found]


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"base_url": "http://wx.example.com"}, ["!no_https"]),
        ({"base_url": "http://127.0.0.1:8000"}, ["local_address"]),
        ({"apps": ()}, ["!empty_realm"]),
        ({"apps": (SITE,)}, ["no_official_app"]),
        ({"apps": (SHOP,)}, ["no_website_app"]),
        ({"clients": ()}, ["nowhere_to_go"]),
        ({"clients": (replace(CLIENT, redirect_uris=()),)}, ["!no_redirect_uri"]),
        ({"apps": (SHOP, replace(SITE, secret=None))}, ["!no_secret"]),
        ({"known": {}}, ["!not_authorized"]),
        ({"known": {"wxshop": KnownAccount((PLATFORM,), AppKind.MINI_PROGRAM)}}, ["!wrong_kind"]),
    ],
)
def test_each_mistake_is_found(given: dict[str, object], found: list[str]) -> None:
    assert codes(**given) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("app", "where"),
    [
        (SHOP, "公众号开发域名"),
        (replace(SHOP, issuer=DIRECT_ISSUER), "网页授权域名"),
        (SITE, "授权回调域"),
    ],
)
def test_each_kind_of_app_has_its_own_place_for_the_domain(app: App, where: str) -> None:
    needed = needed_domain(app, "https://wx.example.com/gate")
    assert needed.host == "wx.example.com"
    assert where in needed.where
    assert where in needed.where_zh


def test_a_mini_program_needs_no_domain() -> None:
    assert needed_domain(replace(SHOP, kind=AppKind.MINI_PROGRAM), "https://wx.example.com").host == ""
