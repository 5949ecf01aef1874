"""A bounded load: a fixed number of prepared requests over kept connections to one loopback address."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request, ready to be written; `expect` must occur in the answer's body."""

    wire: bytes
    expect: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What a run took."""

    requests: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def prepare(port: int, path: str, body: bytes, expect: bytes) -> Prepared:
    """Write a POST as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Prepared(head.encode() + body, expect)


def prepare_get(port: int, path: str, bearer: str, expect: bytes) -> Prepared:
    """Write a GET that shows an API key as bytes."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    return Prepared(head.encode(), expect)


async def run(port: int, requests: Sequence[Prepared], *, connections: int) -> Result:
    """Send all requests over that many connections, each waiting for its answer; raise if one is wrong."""
    queue = iter(requests)
    times: list[float] = []

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in queue:
            began = time.perf_counter()
            writer.write(request.wire)
            body = await _read_answer(reader)
            times.append(time.perf_counter() - began)
            if request.expect not in body:
                raise RuntimeError(f"unexpected answer: {body[:200]!r}")
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - began
    times.sort()
    return Result(
        len(times),
        seconds,
        times[len(times) // 2] * 1000,
        times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
    )


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"refused: {head[:120]!r}")
    length = next(
        int(line.split(b":", 1)[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return await reader.readexactly(length)
