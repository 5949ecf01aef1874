"""Which addresses subscribers may have, so that nobody makes the gateway knock inside your network."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from wxgate.errors import ConfigError

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]
Address: TypeAlias = IPv4Address | IPv6Address

LONGEST_URL = 2048

_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")


def may_connect(address: Address, allowed: Networks) -> bool:
    """Tell whether an address is public, or in one of the networks that are allowed all the same.

    An IPv6 address that carries an IPv4 address is judged by that.
    """
    carried = _carried(address)
    if any(each in network for each in (address, carried) for network in allowed):
        return True
    if isinstance(carried, IPv6Address) and carried not in _UNICAST:
        return False
    return carried.is_global and not carried.is_multicast and not carried.is_reserved


def check_url(url: str, allowed: Networks) -> str:
    """Return the URL of a subscriber; raises ConfigError that says what is wrong with it.

    A name is looked up when something is sent, and its addresses are judged then.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{url[:200]!r} is no address that can be posted to") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("the URL must begin with https:// (or http://) and name a host")
    if len(url) > LONGEST_URL or " " in url or not url.isprintable():
        raise ConfigError(
            f"the URL is longer than {LONGEST_URL} characters, or has blanks or unprintable characters in it"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "the URL holds a user name or password, which would be shown in lists and logs; leave it out: "
            "what we send is signed"
        )
    if parts.fragment:
        raise ConfigError("the URL has a part behind #, which is never sent; leave it out")
    check_host(host, allowed)
    return url


def check_host(host: str, allowed: Networks) -> None:
    """Raise ConfigError for a host that is written as an address that may not be connected to."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not may_connect(address, allowed):
        raise ConfigError(refusal(str(address)))


def refusal(address: str) -> str:
    """Say why an address is not connected to, and what to do about it."""
    return (
        f"{address} is not a public address; if the subscriber may be there, add its network to "
        "WXGATE_SUBSCRIBER_NETWORKS"
    )


def _carried(address: Address) -> Address:
    """Return the IPv4 address inside a mapped, 6to4, Teredo or NAT64 address; else the address itself.

    Where one lies inside 64:ff9b:1::/48 is decided by whoever runs that translator: such an address counts
    as itself, which is private.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or int(address) < 1 << 32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
