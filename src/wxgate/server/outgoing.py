"""The way out to subscribers: a client that goes nowhere but to public addresses and never waits for long.

Addresses are judged at the moment of connecting, as they were resolved, so that a name which is public when
it is checked and private when used (DNS rebinding) helps nobody. Redirects are not followed, proxies of the
environment not used, cookies not kept; an answer is read to a limit and no further.
"""

import asyncio
import contextlib
import errno
import math
import socket
import threading
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from wxgate.errors import ConfigError, Undeliverable
from wxgate.events.addresses import Networks, check_host, may_connect, refusal
from wxgate.events.sending import Answered, Posting

ANSWER_LIMIT = 256 * 1024
"""How much of an answer is read; no reply is longer than a few kilobytes."""

LOOKUP_SECONDS = 6.0
"""How long a name is waited for: a lost packet costs five seconds. Whoever comes later is refused at once."""

KNOWN_SECONDS = 10.0
UNKNOWN_SECONDS = 2.0
"""How long addresses are remembered, and that there are none; they are judged at each connecting."""

MOST_LOOKUPS = 256
"""How many lookups may hang at the same time, each with a thread."""

USER_AGENT = "wxgate"


class AddressRefused(OSError):
    """Raised inside the connector for an address that is not connected to."""


_Addresses = list[tuple[Any, ...]]
"""What `socket.getaddrinfo` returns."""


@dataclass(slots=True)
class _Lookup:
    """One lookup, for all who want to know; what it found, or what went wrong, is good until `until`."""

    began: float
    found: "asyncio.Future[_Addresses | OSError]"
    until: float = math.inf


class _Resolver(AbstractResolver):
    """Looks each name up once at a time, in a thread of its own, and remembers the answer for a moment.

    A thread cannot be stopped: a name server that hangs keeps one for each of its names, and nobody else
    waits for it.
    """

    def __init__(self) -> None:
        self._lookups: dict[str, _Lookup] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        now = asyncio.get_running_loop().time()
        lookup = self._lookups.get(host)
        if lookup is None or lookup.until <= now:
            lookup = self._begin(host, family, now)
        if not lookup.found.done() and (left := lookup.began + LOOKUP_SECONDS - now) > 0:
            await asyncio.wait([lookup.found], timeout=left)
        if not lookup.found.done():
            raise socket.gaierror(socket.EAI_AGAIN, "looking up its name takes too long")
        found = lookup.found.result()
        if isinstance(found, OSError):
            raise socket.gaierror(found.errno, found.strerror)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._lookups.clear()

    def _begin(self, host: str, family: socket.AddressFamily, now: float) -> _Lookup:
        """Start a lookup; forget those that are no longer good."""
        kept = {name: lookup for name, lookup in self._lookups.items() if lookup.until > now}
        self._lookups = kept
        if sum(not lookup.found.done() for lookup in kept.values()) >= MOST_LOOKUPS:
            raise socket.gaierror(socket.EAI_AGAIN, "too many other names are being looked up")
        loop = asyncio.get_running_loop()
        lookup = kept[host] = _Lookup(now, loop.create_future())

        def finish(found: _Addresses | OSError) -> None:
            lookup.until = loop.time() + (UNKNOWN_SECONDS if isinstance(found, OSError) else KNOWN_SECONDS)
            lookup.found.set_result(found)

        def work() -> None:
            found = _look_up(host, family)
            with contextlib.suppress(RuntimeError):  # the loop is gone, and nobody waits any more
                loop.call_soon_threadsafe(finish, found)

        threading.Thread(target=work, name="lookup", daemon=True).start()
        return lookup


def _look_up(host: str, family: socket.AddressFamily) -> _Addresses | OSError:
    try:
        return list(socket.getaddrinfo(host, None, family, socket.SOCK_STREAM))
    except OSError as error:
        return error
    except ValueError:
        return OSError(errno.EINVAL, "its name cannot be looked up")


class Outgoing:
    """Posts to subscribers over connections that are kept open; close it at the end.

    How many are posted to at once is up to the caller: nobody waits here until a dead one is given up.
    """

    def __init__(self, allowed: Networks) -> None:
        self._allowed = allowed
        self._session: aiohttp.ClientSession | None = None

    async def post(self, posting: Posting, *, seconds: float) -> Answered:
        """Send one request."""
        host = _host(posting.url)
        try:
            check_host(host, self._allowed)
            async with self._opened().post(
                posting.url,
                data=posting.body,
                headers={"user-agent": USER_AGENT, "accept-encoding": "identity", **posting.headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as answer:
                return await _read(answer)
        except ConfigError as error:
            raise Undeliverable(str(error)) from None
        except TimeoutError:
            raise Undeliverable(f"{host} did not answer within {seconds:.3g} seconds") from None
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or "it is not trusted"
            raise Undeliverable(f"the certificate of {host} is refused: {reason}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Undeliverable(f"{host} gave no answer: {_reason(error)}") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    resolver=_Resolver(),
                    use_dns_cache=False,
                    socket_factory=self._socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _socket(self, info: Any) -> socket.socket:
        """Make the socket for an address that was resolved, or written in the URL, if it may be used."""
        family, kind, protocol, _, place = info
        address = str(place[0]).partition("%")[0]
        if not may_connect(ip_address(address), self._allowed):
            raise AddressRefused(errno.EACCES, refusal(address))
        return socket.socket(family=family, type=kind, proto=protocol)


async def _read(answer: aiohttp.ClientResponse) -> Answered:
    """Read an answer up to the limit; what is longer costs its connection."""
    body = bytearray()
    whole = True
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            whole = False
            del body[ANSWER_LIMIT:]
            answer.close()
            break
    return Answered(
        answer.status,
        bytes(body),
        whole,
        retry_after=answer.headers.get("retry-after", ""),
        location=_printable(answer.headers.get("location", "")[:200]),
    )


def _printable(text: str) -> str:
    """Put marks in the place of what cannot be shown, such as bytes that are no UTF-8."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _reason(error: BaseException) -> str:
    """Name a failure without its text, which may quote the URL."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, asyncio.IncompleteReadError | aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    text = getattr(cause, "strerror", None)
    return str(text) if text else type(cause).__name__
