"""A visitor is sent back to this site and nowhere else, however the address is written."""

import pytest

from tests.sdk.visiting import Site
from wxgate.sdk.login.addresses import path_of, safe_path

ELSEWHERE = [
    "https://evil.example/",
    "HTTPS://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "javascript:alert(1)",
    "/\x00/evil.example",
    "//user@shop.example",
    "//[",
    "evil.example",
    "?next=//evil.example",
    "/\u2215evil.example",
    "/" + "x" * 1000,
    "",
]


@pytest.mark.parametrize("text", ELSEWHERE, ids=ascii)
def test_an_address_that_could_mean_another_site_becomes_the_first_page(text: str) -> None:
    assert safe_path(text) == "/"


@pytest.mark.parametrize("text", ["/", "/a/b?c=d&e=//f", "/%2F%2Fevil.example", "/a//b", "/a#b", "/@evil"])
def test_a_path_of_this_site_stays(text: str) -> None:
    assert safe_path(text) == text


def test_of_a_long_address_the_page_is_remembered() -> None:
    assert safe_path("/orders?q=" + "x" * 1000) == "/orders"
    assert safe_path("//evil.example?q=" + "x" * 1000) == "/"


def test_a_page_is_known_by_its_referer() -> None:
    origin = "https://shop.example"
    assert path_of("https://shop.example/cart?x=1", origin) == "/cart?x=1"
    assert path_of("https://shop.example", origin) == "/"
    for other in (
        "https://shop.example.evil/",
        "https://shop.example@evil/",
        "https://shop.example//evil",
        "",
    ):
        assert path_of(other, origin) == ""


@pytest.mark.parametrize("text", ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil"])
def test_a_login_that_was_begun_by_a_strange_link_ends_at_home(text: str) -> None:
    site = Site.make()
    visitor = site.visitor()
    sent = visitor.opens(f"/wechat/login?return_to={text}")
    back = visitor.returns(**site.issuer.arrive(sent.location))
    assert back.location == "/"
