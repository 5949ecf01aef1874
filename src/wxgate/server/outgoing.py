"""The way out to subscribers: a client that goes nowhere but to public addresses and never waits for long.

Addresses are judged at the moment of connecting, as they were resolved, so that a name which is public when
it is checked and private when used (DNS rebinding) helps nobody. Redirects are not followed, proxies of the
environment not used, cookies not kept; an answer is read to a limit and no further.
"""

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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

LOOKUPS_AT_ONCE = 32

USER_AGENT = "wxgate"


class AddressRefused(OSError):
    """Raised inside the connector for an address that is not connected to."""


class _Resolver(AbstractResolver):
    """Looks names up in threads of its own: a name server that hangs holds up nothing but lookups."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Outgoing:
    """Posts to subscribers over connections that are kept open; close it at the end."""

    def __init__(self, allowed: Networks, *, connections: int = 200) -> None:
        self._allowed = allowed
        self._connections = connections
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
                    limit=self._connections,
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
