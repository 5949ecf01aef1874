"""Cookies: their names, how they are written, and which of them a request brought."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

LONGEST = 4000
"""Browsers keep at most 4,096 bytes of a cookie with its name and attributes."""

_PAIR = re.compile(r"\s*([^=;\s]+)\s*=\s*([^;]*)")


@dataclass(frozen=True, slots=True)
class Names:
    """The cookies of one application; over https the browser itself guards them by the prefix `__Host-`."""

    base: str
    secure: bool

    @property
    def session(self) -> str:
        """Who somebody is; lasts."""
        return self._named("")

    @property
    def presence(self) -> str:
        """Still the same process of the browser; goes with it."""
        return self._named("-p")

    @property
    def logged_out(self) -> str:
        """The visitor has logged out; goes with the browser."""
        return self._named("-o")

    @property
    def hops(self) -> str:
        """How often the visitor was sent away within a minute."""
        return self._named("-l")

    @property
    def refused(self) -> str:
        """A silent login has failed, so that it is not tried with every page."""
        return self._named("-n")

    @property
    def attempts(self) -> str:
        """What the names of attempts begin with: each has a cookie of its own."""
        return self._named("-a-")

    def _named(self, end: str) -> str:
        return f"{'__Host-' if self.secure else ''}{self.base}{end}"


@dataclass(slots=True)
class Jar:
    """The cookies to be set with an answer, one of each name."""

    secure: bool
    values: dict[str, tuple[str, timedelta | None]] = field(default_factory=dict, repr=False)

    def put(self, name: str, value: str, age: timedelta | None = None) -> None:
        """Set a cookie; without an age it goes when the browser does."""
        self.values[name] = (value, age)

    def drop(self, name: str) -> None:
        """Take a cookie away."""
        self.values[name] = ("", timedelta(0))

    def lines(self) -> Iterator[str]:
        """Write the values of the Set-Cookie headers."""
        for name, (value, age) in self.values.items():
            lasting = "" if age is None else f"; Max-Age={int(age.total_seconds())}"
            secure = "; Secure" if self.secure else ""
            yield f"{name}={value}; Path=/{lasting}; HttpOnly; SameSite=Lax{secure}"


def read_cookies(header: str) -> Mapping[str, str]:
    """Read a Cookie header as it was sent; of a name that comes twice the first counts."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        pair = _PAIR.fullmatch(part)
        if pair:
            found.setdefault(pair[1], pair[2].strip().strip('"'))
    return found
