"""Which addresses may be posted to."""

from ipaddress import ip_address, ip_network

import pytest

from wxgate.errors import ConfigError
from wxgate.events.addresses import check_url, may_connect

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "::7f00:1", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "fd00:ec2::254"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::"),
    *("64:ff9b:1::808:808", "64:ff9b:1:7f00:0:100::"),  # somebody's own NAT64
    "2001:0:53aa:64c::f5ff:fffe",  # Teredo, for 10.0.0.1
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_public_is_refused(text: str) -> None:
    assert not may_connect(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_not(text: str) -> None:
    assert may_connect(ip_address(text), ())


def test_an_allowed_network_is_allowed_in_every_spelling() -> None:
    allowed = (ip_network("127.0.0.0/8"),)
    assert may_connect(ip_address("127.0.0.1"), allowed)
    assert may_connect(ip_address("::ffff:127.0.0.1"), allowed)
    assert not may_connect(ip_address("10.0.0.1"), allowed)
    assert not may_connect(ip_address("::1"), allowed)
    own_nat64 = ip_network("64:ff9b:1::/48")
    assert may_connect(ip_address("64:ff9b:1::808:808"), (own_nat64,))
    assert not may_connect(ip_address("64:ff9b:1::7f00:1"), allowed)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "must begin with"),
        ("https:///path", "must begin with"),
        ("example.com", "must begin with"),
        ("https://user:pass@example.com/", "user name or password"),
        ("https://example.com/#part", "behind #"),
        ("https://example.com/a b", "blanks"),
        ("https://exa\ud83dmple.com/", "unprintable"),
        ("https://example.com/" + "a" * 2048, "longer than"),
        ("https://example.com:99999/", "no address"),
        ("http://127.0.0.1/", "WXGATE_SUBSCRIBER_NETWORKS"),
        ("http://[::ffff:10.0.0.1]/", "WXGATE_SUBSCRIBER_NETWORKS"),
        ("http://[fe80::1%25eth0]/", "WXGATE_SUBSCRIBER_NETWORKS"),
        ("http://169.254.169.254/latest/meta-data", "WXGATE_SUBSCRIBER_NETWORKS"),
    ],
)
def test_a_bad_url_says_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_url(url, ())


@pytest.mark.parametrize(
    "url", ["https://example.com/hooks?a=1", "http://example.com:8080/$APPID$", "http://8.8.8.8/"]
)
def test_a_good_url_is_kept(url: str) -> None:
    assert check_url(url, ()) == url
