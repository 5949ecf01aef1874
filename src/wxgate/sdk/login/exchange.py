"""One request and one answer, as every framework can be told them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from wxgate.sdk.login import pages
from wxgate.sdk.login.cookies import read_cookies

PRIVATE = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
MOST_BODY = 64 * 1024
"""A logout token is the longest thing anybody sends us."""


@dataclass(frozen=True)
class Asked:
    """A request; `path` is as it was sent, and the names of headers are in lower case."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that came with it."""
        return read_cookies(self.header("cookie"))

    @property
    def navigates(self) -> bool:
        """Tell whether the answer will fill the window."""
        for name, expected in (("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")):
            if self.header(name):
                return self.header(name) == expected
        # Compared whole: WeChat for Android sends its own name (com.tencent.mm) in this header, always.
        by_script = self.header("x-requested-with").lower() == "xmlhttprequest"
        return not by_script and "text/html" in self.header("accept")

    def is_from_elsewhere(self, origin: str) -> bool:
        """Tell whether a page of another site has sent this, as far as the browser says."""
        site = self.header("sec-fetch-site")
        return site in ("cross-site", "same-site") if site else self.header("origin") not in ("", origin)

    @property
    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str:
        """Return a header, or nothing."""
        return self.headers.get(name, "")

    def parameters(self) -> Mapping[str, str] | None:
        """Read the query; None when a name comes twice, which nobody does who means well."""
        return _once(self.query)

    def form(self) -> Mapping[str, str] | None:
        """Read the body as a form."""
        return _once(self.body.decode("utf-8", "replace"))

    @property
    def language(self) -> str:
        """The language to answer in."""
        return pages.language((self.parameters() or {}).get("lang", ""), self.header("accept-language"))


def _once(text: str) -> Mapping[str, str] | None:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, but for its cookies."""

    status: int
    headers: tuple[tuple[str, str], ...] = PRIVATE
    body: bytes = field(default=b"", repr=False)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All headers."""
        return [*self.headers, ("Content-Length", str(len(self.body)))]


def redirect(url: str) -> Answer:
    """Send the visitor somewhere, by GET."""
    return Answer(303, (("Location", url), *PRIVATE))


def document(status: int, content: Mapping[str, object]) -> Answer:
    """Answer a script."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return Answer(status, (("Content-Type", "application/json"), *PRIVATE), body)


def shown(status: int, name: str, lang: str, address: str, *, post_to: str = "") -> Answer:
    """Show one of our pages; `post_to` says to which sites its form may lead."""
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", pages.content_policy(post_to or "'none'")),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        # Without any referrer a browser would hide where a form comes from, too.
        ("Referrer-Policy", "same-origin" if post_to else "no-referrer"),
    )
    return Answer(status, headers, pages.page(name, lang, address, post=bool(post_to)))
