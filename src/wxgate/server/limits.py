"""How often somebody may do what costs WeChat's quota: so many at once, coming back evenly."""

from ipaddress import IPv6Address, ip_address, ip_network

MOST_REMEMBERED = 10_000

ROUNDING = 1e-6
"""Seconds by which sums of small steps may be off."""

HOME_BITS = 64
"""What of an IPv6 address names a household; it has the rest to itself."""


class Limiter:
    """Lets every key through `most` times within `seconds`; time is an argument, and must not run back.

    Of a key it remembers only when its allowance is whole again; past `remembered` keys the one that has
    been quiet longest is forgotten.
    """

    def __init__(self, most: int, seconds: float, remembered: int = MOST_REMEMBERED) -> None:
        self._seconds = seconds
        self._step = seconds / most
        self._remembered = remembered
        self._whole_at: dict[str, float] = {}

    def take(self, key: str, now: float) -> float:
        """Take one of a key's allowance and return 0, or return in how many seconds there is one."""
        if wait := self.wait(key, now):
            return wait
        whole_at = max(self._whole_at.pop(key, now), now) + self._step
        self._whole_at[key] = whole_at
        if len(self._whole_at) > self._remembered:
            del self._whole_at[next(iter(self._whole_at))]
        return 0.0

    def wait(self, key: str, now: float) -> float:
        """Tell in how many seconds a key may take one, without taking it."""
        wait = max(self._whole_at.get(key, now), now) + self._step - now - self._seconds
        return wait if wait > ROUNDING else 0.0


def household(address: str) -> str:
    """Name whom an address belongs to: itself, or the network of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((int(found), HOME_BITS), strict=False))
    return address
