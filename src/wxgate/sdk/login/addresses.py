"""Where a visitor may be sent back to: a path of this very site, and nothing that could be read otherwise."""

from urllib.parse import quote, urlsplit

LONGEST = 1000
"""It is kept in a cookie. Of a longer address the path is kept, without its query."""


def safe_path(text: str, otherwise: str = "/") -> str:
    """Return a path with its query if it can only mean this site, else something harmless.

    Browsers read `//host` and `/\\host` as another site, and drop tabs and line ends before they look.
    """
    if len(text) > LONGEST:
        text = text.partition("?")[0].partition("#")[0]
    if not text.startswith("/") or len(text) > LONGEST or not text.isascii():
        return otherwise
    if "\\" in text or any(ord(sign) <= 0x20 or ord(sign) == 0x7F for sign in text):
        return otherwise
    try:
        parts = urlsplit(text)
    except ValueError:
        return otherwise
    if parts.scheme or parts.netloc or text.startswith("//"):
        return otherwise
    return text


def quoted(path: str) -> str:
    """Write a path as it stands in an address, from the text that frameworks make of it."""
    return quote(path, safe="/:@!$&'()*+,;=~-._")


def path_of(url: str, origin: str) -> str:
    """Return the path of a page of ours, as a Referer names it; empty for a page of anybody else."""
    if url == origin:
        return "/"
    return safe_path(url[len(origin) :], "") if url.startswith(f"{origin}/") else ""
