"""The seam to the network: one request in, one response out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlencode

import aiohttp

from wxgate.errors import Unreachable, UpstreamError

DEFAULT_TIMEOUT = 10.0
"""Seconds for a whole call: WeChat's API answers in well under a second, or not at all."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer we read; media downloads are the largest WeChat sends."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `url` has no query, `query` is kept apart because it carries the token."""

    method: str
    url: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = DEFAULT_TIMEOUT
    once: bool = False
    """Never send it twice, whatever becomes of the connection: it spends a single-use value."""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, read to its end."""

    status: int
    content_type: str
    body: bytes


class Transport(Protocol):
    """Sends requests."""

    async def send(self, request: Request) -> Response:
        """Send one request; raise Unreachable when no whole response came back."""
        ...


class HttpTransport:
    """The transport over a pooled HTTP client; use as an async context manager or close it."""

    def __init__(self, *, proxy: str | None = None, connections: int = 200) -> None:
        self._proxy = proxy
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Response:
        """Send one request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        url = f"{request.url}?{urlencode(request.query)}" if request.query else request.url
        try:
            async with self._session.request(
                request.method,
                url,
                data=request.body or None,
                headers=request.headers,
                proxy=self._proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout),
                middlewares=(_once,) if request.once else (),
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise UpstreamError(
                            f"{request.url} answered more than {MAX_ANSWER_BYTES} bytes", sent=True
                        )
                return Response(answer.status, answer.content_type, bytes(body))
        except aiohttp.ClientConnectorError as error:
            # Nothing left this machine: a single-use value is still good.
            raise Unreachable(f"cannot connect to {request.url}: {_reason(error)}", sent=False) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"no answer from {request.url}: {_reason(error)}", sent=True) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Dropped(aiohttp.ClientError):
    """The connection broke after the request may have gone out."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the client from repeating a GET by itself when a connection breaks, as it does otherwise.

    It repeats for these two errors and no others, and not where nothing was connected.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """Name a network failure without its text, which may quote the URL and so the token."""
    cause = getattr(error, "os_error", None) or error
    text = getattr(cause, "strerror", None)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
