"""A stream of events as a client sees it: opened, read, cut, and gone on with from where it was."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from wxgate.errors import ConfigError
from wxgate.events.sse import Reader, ServerSent
from wxgate.secret import ApiKey

SILENT_SECONDS = 45.0
"""A stream says that it lives every fifteen seconds; one that is silent for longer is dead."""

CONNECT_SECONDS = 10.0

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each try to come back; the last for all further ones."""

TOO_MANY = 429

Note = Callable[[str], None]
"""Takes what a person should know about the connection."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open, for the first time or again."""

    again: bool


class _Refused(Exception):
    """The server answered, and it is no stream."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_final(self) -> bool:
        """Tell whether asking again is of no use."""
        return self.status < 500 and self.status != TOO_MANY


class Following:
    """Follows the stream of one server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        key: ApiKey,
        parameters: Sequence[tuple[str, str]],
        *,
        after: str,
        note: Note,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._session = session
        self._server = server.rstrip("/")
        self._key = key
        self._parameters = [*parameters, ("after", after)]
        self._note = note
        self._pauses = pauses
        self._reader = Reader()

    async def events(self) -> AsyncIterator[Opened | ServerSent]:
        """Yield what comes; a stream that is cut is opened again where it was.

        Raises ConfigError when the first try fails, or when the server does not want this key any more.
        """
        opened, tries = False, 0
        while True:
            try:
                async for found in self._once(again=opened):
                    opened, tries = True, 0
                    yield found
                trouble = "the server has ended the stream"
            except _Refused as refused:
                if refused.is_final or not opened:
                    raise ConfigError(str(refused)) from None
                trouble = str(refused)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                trouble = f"{self._server} cannot be reached: {_words(error)}"
                if not opened:
                    raise ConfigError(f"{trouble}; check --server, and whether `wxgate serve` runs") from None
            pause = self._pauses[min(tries, len(self._pauses) - 1)]
            tries += 1
            self._note(f"{trouble}; trying again in {pause:g} s")
            await asyncio.sleep(pause)

    async def _once(self, *, again: bool) -> AsyncIterator[Opened | ServerSent]:
        headers = {"authorization": f"Bearer {self._key.reveal()}", "accept": "text/event-stream"}
        if self._reader.last_id:
            headers["last-event-id"] = self._reader.last_id
        self._reader = Reader(self._reader.last_id)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        async with self._session.get(
            f"{self._server}/v1/events/stream",
            params=self._parameters,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
        ) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                raise _Refused(answer.status, await self._why(answer))
            yield Opened(again)
            async for chunk in answer.content.iter_any():
                for event in self._reader.read(chunk):
                    yield event

    async def _why(self, answer: aiohttp.ClientResponse) -> str:
        """Read the refusal of a gateway, or say that this is none."""
        try:
            error: Mapping[str, Any] = json.loads(await answer.content.read(64 * 1024))["error"]
            hint = f"; {error['hint']}" if error.get("hint") else ""
            return f"{self._server} refuses: {error['message']}{hint}"
        except (ValueError, KeyError, TypeError):
            return (
                f"{self._server} answers {answer.status} and no stream of events; "
                "--server is the address at which `wxgate serve` is reached"
            )


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
