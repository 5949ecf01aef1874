"""What realms, apps and clients may be, in words for whoever typed them."""

from datetime import timedelta

import pytest

from wxgate.errors import ConfigError
from wxgate.login.records import AppKind, SessionLimits
from wxgate.login.registration import (
    KnownAccount,
    NewApp,
    NewClient,
    check_client,
    check_limits,
    check_name,
    check_redirect_uri,
    check_return_to,
    check_title,
    choose_issuer,
    choose_kind,
)
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import AppSecret

PLATFORM = "wxplatform0000001"
SHOP = KnownAccount((PLATFORM,), AppKind.OFFICIAL, "Noodle shop")


@pytest.mark.parametrize(
    "uri",
    [
        "https://shop.example/callback",
        "https://shop.example:8443/a/b?c=d",
        "http://localhost:3000/callback",
        "http://127.0.0.1/",
        "http://[::1]:8080/cb",
    ],
)
def test_an_exact_address_is_a_redirect_uri(uri: str) -> None:
    assert check_redirect_uri(uri) == uri


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://shop.example/callback", "https://"),
        ("http://localhost.evil.example/", "https://"),
        ("https://shop.example/callback#top", "fragment"),
        ("https://*.shop.example/callback", "no address"),
        ("https://shop.example/*", "wildcard"),
        ("https://me@shop.example/", "user"),
        ("https://shop.example@evil.example/", "user"),
        ("https://shop.example\\@evil.example/", "no address"),
        ("https://shop.example/a b", "no address"),
        ("https://shop.example/\n", "no address"),
        ("//shop.example/callback", "no address"),
        ("/callback", "no address"),
        ("javascript:alert(1)", "no address"),
        ("com.example.app:/callback", "no address"),
        ("https://店.example/", "no address"),
        ("https://shop.example:99999/", "no address"),
        ("https://[::1/", "no address"),
        ("https://", "no address"),
        ("", "no address"),
        (f"https://shop.example/{'a' * 2000}", "no address"),
    ],
)
def test_what_could_lead_elsewhere_is_no_redirect_uri(uri: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_redirect_uri(uri)


def test_people_go_back_to_origins_and_whole_addresses_once_each() -> None:
    given = ["https://shop.example/", "https://shop.example", "http://intranet:8080/in?a=b"]
    assert check_return_to(given) == ("https://shop.example", "http://intranet:8080/in?a=b")
    with pytest.raises(ConfigError, match="no address"):
        check_return_to(["shop.example"])


@pytest.mark.parametrize("name", ["", "Shop", "-shop", "shop-", "a" * 41, "shop.eu", "店", "a/b", "callback"])
def test_a_name_that_could_stand_in_no_address_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name an app"):
        check_name("app", name)


def test_titles_are_for_people() -> None:
    assert check_title("  Noodle \n shop 面馆 ") == "Noodle shop 面馆"
    for title in ("", " ", "a" * 101, "shop\u202e"):
        with pytest.raises(ConfigError, match="title"):
            check_title(title)


@pytest.mark.parametrize(
    "limits",
    [
        SessionLimits(idle=timedelta(days=31)),
        SessionLimits(absolute=timedelta(days=401)),
        SessionLimits(idle=timedelta(seconds=1)),
        SessionLimits(recheck_after=timedelta(0)),
    ],
)
def test_times_that_make_no_session_are_refused(limits: SessionLimits) -> None:
    with pytest.raises(ConfigError):
        check_limits(limits)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scopes": frozenset({"profile"})}, "openid"),
        ({"scopes": frozenset({"openid", "email"})}, "no scope 'email'"),
        ({"scopes": frozenset({"openid", "offline_access"})}, "refresh_token"),
        ({"grants": frozenset({"implicit"})}, "no grant 'implicit'"),
        ({"algorithm": "none"}, "RS256 or ES256"),
        ({"algorithm": "HS256"}, "RS256 or ES256"),
        ({"public": True, "require_pkce": False}, "PKCE"),
        ({"redirect_uris": ("http://shop.example/",)}, "https://"),
        ({"backchannel_logout_uri": "http://shop.example/"}, "https://"),
        ({"name": " "}, "title"),
        ({"sector": "two words"}, "sector"),
    ],
)
def test_a_client_that_would_be_unsafe_or_useless_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_client(NewClient(**{"name": "shop", **change}))  # type: ignore[arg-type]


def test_kind_and_issuer_are_found_out_where_the_gateway_knows_them() -> None:
    new = NewApp("shop", "wxshop")
    assert choose_kind(new, SHOP) is AppKind.OFFICIAL
    assert choose_issuer(new, AppKind.OFFICIAL, SHOP, DIRECT_ISSUER) == PLATFORM
    own = NewApp("shop", "wxshop", secret=AppSecret("s"))
    assert choose_issuer(own, AppKind.OFFICIAL, SHOP, DIRECT_ISSUER) == DIRECT_ISSUER
    site = NewApp("site", "wxsite", kind=AppKind.WEBSITE)
    assert choose_issuer(site, AppKind.WEBSITE, KnownAccount(), DIRECT_ISSUER) == DIRECT_ISSUER


@pytest.mark.parametrize(
    ("new", "known", "told"),
    [
        (NewApp("shop", "wxshop"), KnownAccount(), "does not know wxshop.*--kind official"),
        (NewApp("shop", "wxshop"), KnownAccount((DIRECT_ISSUER,)), "--kind official"),
        (NewApp("shop", "wxshop", kind=AppKind.WEBSITE), SHOP, "is an official account"),
    ],
)
def test_what_an_app_is_must_be_said_where_nobody_knows(new: NewApp, known: KnownAccount, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        choose_kind(new, known)


@pytest.mark.parametrize(
    ("new", "kind", "known", "told"),
    [
        (NewApp("shop", "wxshop"), AppKind.OFFICIAL, KnownAccount(), "nobody may act"),
        (NewApp("shop", "wxshop"), AppKind.OFFICIAL, KnownAccount(("a", "b")), "several .* a, b"),
        (NewApp("shop", "wxshop", issuer="x"), AppKind.OFFICIAL, SHOP, "not authorised 'x'"),
        (NewApp("site", "wxsite", issuer=PLATFORM), AppKind.WEBSITE, KnownAccount(), "own secret"),
    ],
)
def test_through_whom_must_be_said_where_it_is_not_plain(
    new: NewApp, kind: AppKind, known: KnownAccount, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        choose_issuer(new, kind, known, DIRECT_ISSUER)
