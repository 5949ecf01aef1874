"""One request of a browser: how it is sent on by a redirect, and what it tells of where it comes from.

After Fetch and Referrer Policy, as far as a server can tell the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urldefrag, urlsplit

_DISTANCE = ("same-origin", "same-site", "cross-site")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request on its way through redirects.

    `site` is what Sec-Fetch-Site says, `referrer` the page it comes from, "" when that shall not be told.
    """

    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    navigation: bool
    referrer: str
    origin: str | None
    site: str


def redirected(request: Outgoing, status: int, url: str) -> Outgoing:
    """Turn a request to where an answer leads; only 307 and 308 keep what was sent."""
    kept = status in (307, 308)
    if "#" not in url and urldefrag(request.url).fragment:
        url = f"{url}#{urldefrag(request.url).fragment}"  # inherited, as browsers do
    site = _further(request.site, site_of(request.url, url))
    headers = {
        name: value for name, value in request.headers.items() if kept or name.lower() != "content-type"
    }
    origin = request.origin
    if origin and origin_of(url) != origin_of(request.url) and origin_of(request.url) != origin:
        origin = "null"
    return Outgoing(
        request.method if kept else "GET",
        url,
        request.body if kept else None,
        headers,
        request.navigation,
        request.referrer,
        origin if kept or not request.navigation else None,
        site,
    )


def _further(site: str, other: str) -> str:
    """Return the more distant of two relations; what a person typed is nobody's doing, wherever it leads."""
    return "none" if site == "none" else max(site, other, key=_DISTANCE.index)


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def site_of(source: str, target: str) -> str:
    """Relate two addresses as Sec-Fetch-Site does; a port makes another origin, and no other site."""
    if origin_of(source) == origin_of(target):
        return "same-origin"
    first, second = urlsplit(source), urlsplit(target)
    same = first.scheme == second.scheme and _registrable(first.hostname) == _registrable(second.hostname)
    return "same-site" if same else "cross-site"


def _registrable(host: str | None) -> str:
    """Return what makes a site: the last two labels, which will do without the public suffix list."""
    labels = (host or "").split(".")
    return host or "" if labels[-1].isdigit() else ".".join(labels[-2:])


def referrer_of(source: str, target: str) -> str:
    """Write the Referer by the rule browsers have when nothing is said: strict-origin-when-cross-origin."""
    if not source:
        return ""
    if origin_of(source) == origin_of(target):
        return urldefrag(source).url
    downgrade = source.startswith("https:") and target.startswith("http:")
    return "" if downgrade else f"{origin_of(source)}/"
