"""Authorization requests: who is answered where, and what is refused in which words."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.errors import AuthorizationRefused, OAuthRefused
from wxgate.login.oidc.logout import read_logout
from wxgate.login.oidc.requests import (
    AuthorizationRequest,
    Parameters,
    answer_url,
    check_addressee,
    read_authorization,
)
from wxgate.login.records import Acr, Client

CALLBACK = "https://shop.example/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

CLIENT = Client(
    id="wxcl_0123456789abcdef",
    realm="shop",
    name="the shop",
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    secret_hash="0" * 64,
    redirect_uris=(CALLBACK,),
    post_logout_redirect_uris=("https://shop.example/bye",),
)

GOOD = {
    "response_type": "code",
    "client_id": CLIENT.id,
    "redirect_uri": CALLBACK,
    "scope": "openid profile",
    "state": "a state",
    "nonce": "a nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def read(client: Client = CLIENT, **changed: str | None) -> AuthorizationRequest:
    """Read the good request with some parameters changed, or taken out."""
    pairs = [(name, value) for name, value in {**GOOD, **changed}.items() if value is not None]
    return read_authorization(Parameters.of(pairs), client, CALLBACK)


def test_a_whole_request_is_read() -> None:
    found = read(
        prompt="login consent",
        max_age="300",
        acr_values="urn:other urn:wxgw:consent urn:wxgw:scan",
        login_hint="app:news",
        ui_locales="en",
    )

    assert found.scope == {"openid", "profile"}
    assert (found.state, found.nonce, found.code_challenge) == ("a state", "a nonce", CHALLENGE)
    assert (found.prompt, found.max_age, found.acr) == ({"login", "consent"}, 300, Acr.CONSENT)
    assert (found.app, found.ui_locales) == ("news", "en")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://shop.example/request"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"nonce": "n" * 513}, "invalid_request"),
    ],
    ids=str,
)
def test_what_is_not_served_goes_back_to_the_client_in_the_words_of_the_specification(
    changed: dict[str, str | None], error: str
) -> None:
    with pytest.raises(AuthorizationRefused) as refused:
        read(**changed)

    assert refused.value.error == error
    assert (refused.value.redirect_uri, refused.value.state) == (CALLBACK, "a state")


def test_a_state_that_is_too_long_is_not_sent_back() -> None:
    with pytest.raises(AuthorizationRefused) as refused:
        read(state="s" * 2049)
    assert refused.value.state is None


def test_a_repeated_parameter_is_refused_and_none_of_its_values_believed() -> None:
    parameters = Parameters.of([*GOOD.items(), ("state", "another state")])
    with pytest.raises(AuthorizationRefused) as refused:
        read_authorization(parameters, CLIENT, CALLBACK)
    assert (refused.value.error, refused.value.state) == ("invalid_request", None)


def test_a_parameter_without_a_value_counts_as_absent() -> None:
    assert read(nonce="", max_age="", prompt="").nonce is None


def test_a_scope_the_client_may_not_have_is_left_out() -> None:
    assert read(scope="openid profile wechat offline_access email").scope == {"openid", "profile"}


def test_without_pkce_only_a_confidential_client_that_was_let_off_comes_through() -> None:
    let_off = replace(CLIENT, require_pkce=False)
    none = {"code_challenge": None, "code_challenge_method": None}

    assert read(let_off, **none).code_challenge is None
    with pytest.raises(AuthorizationRefused):
        read(replace(let_off, secret_hash=None), **none)


CORPUS = [
    "https://shop.example/callback/",
    "https://shop.example/callback?x=1",
    "https://shop.example/callback#",
    "https://shop.example/Callback",
    "https://SHOP.example/callback",
    "https://shop.example:443/callback",
    "http://shop.example/callback",
    "https://shop.example/../callback",
    "https://shop.example/%63allback",
    "https://shop.example@evil.example/callback",
    "https://shop.example.evil.example/callback",
    "https://evil.example/https://shop.example/callback",
    "https://shop.example/callback ",
    "https://shop.example\\@evil.example/callback",
    "//shop.example/callback",
    "/callback",
    "javascript:alert(1)//https://shop.example/callback",
    "https://shop.example/callback\r\nLocation: https://evil.example",
]


@pytest.mark.parametrize("uri", CORPUS, ids=range(len(CORPUS)))
def test_no_address_but_the_registered_one_is_answered(uri: str) -> None:
    parameters = Parameters.of([*(GOOD | {"redirect_uri": uri}).items()])
    with pytest.raises(OAuthRefused) as refused:
        check_addressee(parameters, CLIENT, "shop")
    assert not isinstance(refused.value, AuthorizationRefused)


@given(st.text())
def test_only_the_very_address_is_ever_the_same(uri: str) -> None:
    try:
        _, found = check_addressee(Parameters.of([("redirect_uri", uri)]), CLIENT, "shop")
    except OAuthRefused:
        return
    assert found == uri == CALLBACK


@pytest.mark.parametrize(
    "client",
    [None, replace(CLIENT, realm="other"), replace(CLIENT, disabled_at=CLIENT.created_at)],
    ids=["unknown", "of another realm", "disabled"],
)
def test_a_client_that_is_not_here_is_answered_nowhere(client: Client | None) -> None:
    with pytest.raises(OAuthRefused) as refused:
        check_addressee(Parameters.of(GOOD.items()), client, "shop")
    assert not isinstance(refused.value, AuthorizationRefused)


def test_a_missing_or_doubled_address_is_answered_nowhere() -> None:
    without = [(name, value) for name, value in GOOD.items() if name != "redirect_uri"]
    doubled = [*GOOD.items(), ("redirect_uri", "https://evil.example")]
    for pairs in (without, doubled):
        with pytest.raises(OAuthRefused):
            check_addressee(Parameters.of(pairs), CLIENT, "shop")


def test_an_answer_keeps_the_query_of_its_address_and_names_the_issuer() -> None:
    url = answer_url("https://shop.example/cb?tenant=7", "https://gw.example/oidc/shop", "a&b", code="wxc_1")
    assert url == (
        "https://shop.example/cb?tenant=7&code=wxc_1&state=a%26b&iss=https%3A%2F%2Fgw.example%2Foidc%2Fshop"
    )
    assert answer_url("app.example:/cb", "i", None, code="c") == "app.example:/cb?code=c&iss=i"


ISSUER = "https://gw.example/oidc/shop"
HINT = {"iss": ISSUER, "aud": CLIENT.id, "sub": "u_1", "sid": "s_1"}


def test_a_logout_goes_back_to_a_registered_address_with_its_state() -> None:
    parameters = Parameters.of(
        {
            "id_token_hint": "…",
            "post_logout_redirect_uri": "https://shop.example/bye",
            "state": "a b",
        }.items()
    )
    found = read_logout(parameters, CLIENT, HINT, ISSUER, "shop")

    assert found.next == "https://shop.example/bye?state=a+b"
    assert found.ends_without_asking("s_1")
    assert found.ends_without_asking(None)
    assert not found.ends_without_asking("s_2")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"post_logout_redirect_uri": "https://evil.example/"}, None),
        ({"post_logout_redirect_uri": "https://shop.example/bye"}, None),
        ({"id_token_hint": "forged"}, None),
        ({"id_token_hint": "of another realm"}, HINT | {"iss": "https://gw.example/oidc/other"}),
        ({"id_token_hint": "a logout token", "client_id": "wxcl_other"}, HINT),
        ({"client_id": "wxcl_nobody"}, None),
    ],
    ids=str,
)
def test_a_logout_that_does_not_fit_is_answered_nowhere(
    given: dict[str, str], hint: dict[str, str] | None
) -> None:
    client = CLIENT if hint else None
    with pytest.raises(OAuthRefused):
        read_logout(Parameters.of(given.items()), client, hint, ISSUER, "shop")


def test_without_a_hint_the_person_is_asked() -> None:
    found = read_logout(Parameters.of([("client_id", CLIENT.id)]), CLIENT, None, ISSUER, "shop")
    assert not found.ends_without_asking("s_1")
