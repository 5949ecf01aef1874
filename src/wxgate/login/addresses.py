"""Where people may be sent to after a login: a path of ours, or what is on a list (P6).

An address is read once, by one parser, and what is compared is what was read: scheme, host and port. What
browsers and parsers read differently (`//`, `\\`, control characters, user names) is refused, not mended.
"""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

LONGEST_ADDRESS = 2048

_ODD = re.compile(r"[^!-~]|[\\^`{|}<>\"]")
"""What no address has unescaped; browsers drop some of it and take the backslash for a slash."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443}

CALLBACK = "/login/wechat/callback"


def local_path(text: str) -> str | None:
    """Return a path on our own site, or None for anything that could lead elsewhere."""
    if not _fit(text) or not text.startswith("/") or text.startswith("//"):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if not parts.scheme and not parts.netloc else None


def origin_of(text: str) -> str | None:
    """Return the origin of an absolute web address, its port always written; None if it is none."""
    parts = _split(text)
    return _origin(parts) if parts is not None else None


def is_allowed(text: str, allowed: Iterable[str]) -> bool:
    """Tell whether an absolute address is on a list of origins and whole addresses.

    An origin allows everything below it; a whole address only itself, with any query.
    """
    parts = _split(text)
    if parts is None:
        return False
    for entry in allowed:
        listed = _split(entry)
        if listed is None or _origin(listed) != _origin(parts):
            continue
        if (listed.path in ("", "/") and not listed.query) or (
            listed.path == parts.path and listed.query in ("", parts.query)
        ):
            return True
    return False


def _fit(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ADDRESS and not _ODD.search(text)


def _split(text: str) -> SplitResult | None:
    if not _fit(text):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or port == 0:
        return None
    if not text.lower().startswith(f"{parts.scheme}://{parts.netloc.lower()}"):
        return None
    return parts if _HOST.fullmatch(_bare(parts)) and parts.netloc.rpartition(":")[2] != "" else None


def _bare(parts: SplitResult) -> str:
    """Return the host as it is written, brackets kept."""
    host = (parts.hostname or "").lower()
    return f"[{host}]" if ":" in host else host


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{_bare(parts)}:{parts.port or _PORTS[parts.scheme]}"
