"""Nobody is sent elsewhere: what is no path of ours, and not on the list, is refused (P6)."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.login.addresses import is_allowed, local_path, origin_of

ELSEWHERE = [
    "",
    "//evil.example",
    "///evil.example",
    "////evil.example/%2f..",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n//evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\x00/evil.example",
    "/\u3000/evil.example",
    "/\u2215/evil.example",
    "http:evil.example",
    "http:/evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "weixin://dl/business",
    "evil.example",
    "?return=/",
    "#/",
    "./x",
    "../x",
    "/<script>",
    '/"onclick=',
    "/`",
    "/" + "a" * 2048,
]

SPOOFED = [
    "https://shop.example@evil.example/",
    "https://shop.example:pw@evil.example/",
    "https://evil.example#@shop.example",
    "https://evil.example?.shop.example",
    "https://evil.example/shop.example",
    "https://shop.example.evil.example/",
    "https://evilshop.example/",
    "https://shop.example.",
    "https://shop.examp1e/",
    "https://shop.example\\.evil.example/",
    "https://shop.example\\@evil.example/",
    "https:\\\\shop.example/",
    "https:/shop.example/",
    "https:shop.example/",
    "//shop.example/",
    "http://shop.example/",
    "https://shop.example:444/",
    "https://shop.example:0/",
    "https://shop.example:/",
    "https://shop.example:443x/",
    "https://shop.example:99999/",
    "https://shop.example%2eevil.example/",
    "https://shop.example%00.evil.example/",
    "https://shop。example/",
    "https://ｓhop.example/",
    "https://[shop.example]/",
    "https://[::1/",
    "https://shop.example\t/",
    "https://shop.example\r\nSet-Cookie: a=b",
    " https://shop.example/",
    "https://shop.example /",
    "https://localhost:80@shop.example/",
    "javascript://shop.example/%0aalert(1)",
    "ftp://shop.example/",
    "",
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_what_could_lead_elsewhere_is_no_path_of_ours(text: str) -> None:
    assert local_path(text) is None


@pytest.mark.parametrize(
    "path", ["/", "/cart", "/cart?id=1&next=//x", "/a%20b", "/#/cart", "/me?u=http://x/"]
)
def test_a_path_of_ours_stays_as_it_is(path: str) -> None:
    assert local_path(path) == path


@given(st.text(max_size=40))
def test_a_path_of_ours_never_names_a_host(text: str) -> None:
    path = local_path("/" + text)
    if path is not None:
        assert not urlsplit(path).netloc
        assert path[1:2] not in ("/", "\\")


@pytest.mark.parametrize("text", SPOOFED)
def test_an_address_that_only_looks_listed_is_refused(text: str) -> None:
    assert not is_allowed(text, ["https://shop.example"])


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example",
        "https://shop.example/",
        "https://SHOP.example/cart?id=1#top",
        "https://shop.example:443/x",
        "https://shop.example/@evil.example",
        "https://shop.example/?next=https://evil.example",
    ],
)
def test_an_origin_allows_what_is_below_it(text: str) -> None:
    assert is_allowed(text, ["https://other.example", "https://shop.example"])


def test_a_whole_address_allows_itself_with_any_query() -> None:
    listed = ["https://shop.example/wx/back", "https://shop.example/exact?a=1"]
    assert is_allowed("https://shop.example/wx/back", listed)
    assert is_allowed("https://shop.example/wx/back?order=1", listed)
    assert is_allowed("https://shop.example/exact?a=1", listed)
    for other in ("/wx/back/more", "/wx/backup", "/", "/wx/../wx/back", "/exact?a=2", "/exact"):
        assert not is_allowed(f"https://shop.example{other}", listed)


@given(st.text(max_size=60))
def test_what_is_allowed_is_on_the_listed_host(text: str) -> None:
    for prefix in ("", "https://shop.example", "https://"):
        if is_allowed(prefix + text, ["https://shop.example"]):
            parts = urlsplit(prefix + text)
            assert (parts.scheme, parts.hostname, parts.username) == ("https", "shop.example", None)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.example/x?y", "https://a.example:443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("nonsense", None),
    ],
)
def test_an_origin_has_its_port_written(text: str, origin: str | None) -> None:
    assert origin_of(text) == origin
