"""ID tokens that are not what they should be, one fault each: none of them logs anybody in."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.issuer import EC, ISSUER, NEXT_RSA, SHARED, Issuer
from tests.sdk.visiting import DESKTOP, Site
from wxgate.sdk.login import Acr, Policy
from wxgate.sdk.login.oidc import Fetched, Metadata, ProviderFailed

CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "wxcl_other"},
    "two audiences and no azp": {"aud": ["wxcl_shop", "wxcl_other"]},
    "azp of another": {"azp": "wxcl_other"},
    "expired": {"exp": 1},
    "no exp": {"exp": None},
    "exp that is a word": {"exp": "soon"},
    "exp beyond all time": {"exp": 1e300},
    "of the future": {"iat": 4_000_000_000},
    "another nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "at_hash that is no text": {"at_hash": 1},
    "no sub": {"sub": None},
    "empty sub": {"sub": ""},
    "endless sub": {"sub": "u" * 256},
}


@pytest.mark.parametrize("fault", CLAIMS)
def test_a_claim_that_is_wrong_logs_nobody_in(fault: str) -> None:
    site = Site.make()
    site.issuer.claims = CLAIMS[fault]
    visitor = site.visitor(DESKTOP)
    seen = visitor.returns(**site.issuer.arrive(visitor.opens("/wechat/login").location))
    assert seen.status == 400
    assert "__Host-wxlogin" not in visitor.cookies


def _by_another_key_of_that_name(issuer: Issuer) -> None:
    issuer.signing = NEXT_RSA
    issuer.signing = type(NEXT_RSA).import_key({**NEXT_RSA.as_dict(private=True), "kid": "rsa-1"})


def _with_the_client_secret(issuer: Issuer) -> None:
    issuer.signing, issuer.algorithm = SHARED, "HS256"
    issuer.metadata = {"id_token_signing_alg_values_supported": ["HS256", "RS256"]}


def _with_an_algorithm_not_offered(issuer: Issuer) -> None:
    issuer.signing, issuer.algorithm = EC, "ES256"
    issuer.metadata = {"id_token_signing_alg_values_supported": ["RS256"]}


def _with_an_unpublished_key(issuer: Issuer) -> None:
    issuer.signing = NEXT_RSA


@pytest.mark.parametrize(
    "signed",
    [
        _by_another_key_of_that_name,
        _with_the_client_secret,
        _with_an_algorithm_not_offered,
        _with_an_unpublished_key,
    ],
)
def test_a_token_signed_otherwise_logs_nobody_in(signed: Callable[[Issuer], None]) -> None:
    site = Site.make()
    signed(site.issuer)
    visitor = site.visitor(DESKTOP)
    seen = visitor.returns(**site.issuer.arrive(visitor.opens("/wechat/login").location))
    assert seen.status == 400
    assert "__Host-wxlogin" not in visitor.cookies


@pytest.mark.parametrize("token", ["none", "unsigned", "three words", "", "ü.ü.ü", "e30.e30.e30"])
def test_a_token_that_is_none_logs_nobody_in(token: str) -> None:
    site = Site.make()
    visitor = site.visitor(DESKTOP)
    arrived = site.issuer.arrive(visitor.opens("/wechat/login").location)
    claims = {"iss": ISSUER, "aud": "wxcl_shop", "sub": "u_zhang", "exp": 9e9, "iat": 1, "nonce": "n"}
    if token == "none":
        token = f"{_part({'alg': 'none'})}.{_part(claims)}."
    if token == "unsigned":
        token = f"{_part({'alg': 'RS256', 'kid': 'rsa-1'})}.{_part(claims)}."
    site.issuer.sign = lambda *_, **__: token  # type: ignore[method-assign] # the issuer lies

    assert visitor.returns(**arrived).status == 400
    assert "__Host-wxlogin" not in visitor.cookies


def test_a_proof_that_is_weaker_or_older_than_asked_for_is_refused_and_no_loop() -> None:
    site = Site.make()
    for policy, claims in (
        (Policy.demanding(acr=Acr.SCAN), {"acr": Acr.CONSENT}),
        (Policy.demanding(max_age=300), {"auth_time": site.issuer.moment() - 400}),
        (Policy.demanding(max_age=300), {"auth_time": None}),
    ):
        visitor = site.visitor(DESKTOP)
        sent = visitor.opens("/transfer", policy)
        assert visitor.returns(**site.issuer.arrive(sent.location, **claims)).status == 400


def test_userinfo_of_somebody_else_is_refused() -> None:
    site = Site.make(profile=True)
    site.issuer.userinfo = {"sub": "u_li", "name": "李四"}
    visitor = site.visitor(DESKTOP)
    seen = visitor.returns(**site.issuer.arrive(visitor.opens("/wechat/login?profile=1").location))
    assert seen.status == 400


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"token_endpoint": "http://gateway.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": 3},
    ],
    ids=str,
)
def test_a_discovery_document_that_is_not_ours_is_not_used(document: dict[str, Any]) -> None:
    endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    good = {"issuer": ISSUER} | {name: f"{ISSUER}/{name}" for name in endpoints}
    assert Metadata.read(Fetched(200, json.dumps(good).encode()), ISSUER).issuer == ISSUER
    with pytest.raises(ProviderFailed):
        Metadata.read(Fetched(200, json.dumps(good | document).encode()), ISSUER)
    with pytest.raises(ProviderFailed):
        Metadata.read(Fetched(200, b"<html>"), ISSUER)


def _part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
