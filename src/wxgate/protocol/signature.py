"""The SHA-1 signatures on pushes, replies, URL verification and JS-SDK pages."""

from hashlib import sha1

from wxgate.secret import equal


def sign(token: str, timestamp: str, nonce: str, encrypt: str | None = None) -> str:
    """Make the msg_signature over `encrypt`, or without it the plain signature."""
    parts = [token, timestamp, nonce] if encrypt is None else [token, timestamp, nonce, encrypt]
    parts.sort()
    return sha1("".join(parts).encode("utf-8", "replace")).hexdigest()


def matches(
    signature: str | None, token: str, timestamp: str, nonce: str, encrypt: str | None = None
) -> bool:
    """Tell in constant time whether a received signature is the one we would have made."""
    # A query string is anybody's text: what cannot be encoded must compare false, not raise.
    received = (signature or "").encode("utf-8", "replace")
    return equal(received, sign(token, timestamp, nonce, encrypt).encode())


def jsapi_signature(ticket: str, noncestr: str, timestamp: int, url: str) -> str:
    """Make the wx.config signature of a page; the URL's fragment does not take part."""
    page = url.partition("#")[0]
    return sha1(
        f"jsapi_ticket={ticket}&noncestr={noncestr}&timestamp={timestamp}&url={page}".encode()
    ).hexdigest()


def card_signature(ticket: str, *values: str) -> str:
    """Make the signature of a card: all values and the api_ticket, sorted and put together."""
    return sha1("".join(sorted([ticket, *values])).encode()).hexdigest()
