"""The few lines of ASGI that the raw endpoints need."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeAlias

from wxgate.errors import MalformedPush, PushTooLarge
from wxgate.settings import Networks

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 10.0
"""How long a whole body may take to arrive; WeChat itself gives up after five."""


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """Read a body of at most `limit` bytes; what declares itself larger is refused unread."""
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise PushTooLarge(f"the body declares {int(declared)} bytes; the limit is {limit}")
    try:
        async with asyncio.timeout(seconds):
            return await _read_whole(receive, limit)
    except TimeoutError:
        raise MalformedPush(f"the body did not arrive within {seconds:g} s") from None


async def _read_whole(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise MalformedPush("the sender hung up in the middle of the body")
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise PushTooLarge(f"the body is larger than {limit} bytes")
        chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has hung up; its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_plain(
    send: Send, status: int, body: bytes, content_type: bytes = b"text/plain; charset=utf-8"
) -> None:
    """Send one whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that (lower-case) name."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), None)


def client_ip(scope: Scope, proxies: Networks) -> str:
    """Tell who called: the peer, or, behind trusted proxies, the last address none of them has."""
    client = scope.get("client")
    peer: str = client[0] if client else ""
    if not _is_in(peer, proxies):
        return peer
    # Each proxy may add a line of its own; together, in their order, they are one list.
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = [hop.strip() for hop in b",".join(lines).decode("latin-1").split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if not _is_in(hop, proxies)), peer)


def _is_in(address: str, networks: Networks) -> bool:
    if not networks:
        return False
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return any((mapped or found) in network for network in networks)
