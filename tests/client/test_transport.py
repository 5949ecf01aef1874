"""The seam to the network: what comes back, what cannot, and that no failure tells a token."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qsl

import pytest

from wxgate.client.transport import HttpTransport, Request
from wxgate.errors import UpstreamError

SECRET = "51_a-token-nobody-may-read"


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """A transport that is closed again."""
    async with HttpTransport() as made:
        yield made


class Server:
    """A server that says what the test says, byte by byte, and remembers what it was asked."""

    def __init__(self, answer: bytes, *, then: Callable[[], Awaitable[object]] | None = None) -> None:
        self._answer, self._then = answer, then
        self.asked: list[bytes] = []
        self.url = ""

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/cgi-bin/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
        )
        self.asked.append(head + await reader.readexactly(length))
        writer.write(self._answer)
        if self._then:
            await self._then()
        writer.close()


def whole(body: bytes, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    """Write a whole answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_a_request_goes_out_and_its_answer_comes_back(transport: HttpTransport) -> None:
    async with Server(whole("编".encode(), content_type="text/plain; charset=gbk")) as server:
        answer = await transport.send(
            Request("POST", server.url, {"access_token": "a@@b", "q": "编"}, {"X-A": "b"}, b"body")
        )
    assert (answer.status, answer.content_type, answer.body) == (200, "text/plain", "编".encode())
    target = server.asked[0].split()[1].decode()
    assert parse_qsl(target.partition("?")[2]) == [("access_token", "a@@b"), ("q", "编")]
    assert b"x-a: b\r\n" in server.asked[0].lower()
    assert server.asked[0].endswith(b"\r\n\r\nbody")


async def test_a_redirect_is_not_followed_with_the_token(transport: HttpTransport) -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with Server(elsewhere) as server:
        assert (await transport.send(Request("GET", server.url))).status == 302


async def test_cookies_are_not_kept(transport: HttpTransport) -> None:
    async with Server(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n") as server:
        for _ in range(2):
            await transport.send(Request("GET", server.url))
    assert b"cookie" not in server.asked[1].lower()


async def test_a_server_that_is_not_there_has_received_nothing(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(UpstreamError, match="cannot connect") as failed:
        await transport.send(Request("POST", f"http://127.0.0.1:{port}/", {"access_token": SECRET}))
    assert not failed.value.sent
    assert SECRET not in str(failed.value)


async def test_a_name_that_does_not_exist_has_received_nothing(transport: HttpTransport) -> None:
    with pytest.raises(UpstreamError, match="cannot connect") as failed:
        await transport.send(Request("POST", "http://nowhere.invalid/", timeout=5))
    assert not failed.value.sent


BROKEN = {
    "hangs up": b"",
    "half of the head": b"HTTP/1.1 200 OK\r\nContent-",
    "half of the body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"',
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_may_have_been_received(transport: HttpTransport, answer: bytes) -> None:
    async with Server(answer) as server:
        with pytest.raises(UpstreamError, match="no answer from") as failed:
            await transport.send(Request("POST", server.url, {"access_token": SECRET}))
    assert failed.value.sent
    assert SECRET not in str(failed.value)
    assert failed.value.__cause__ is None


async def test_an_answer_that_does_not_come_in_time_may_have_been_received(transport: HttpTransport) -> None:
    released = asyncio.Event()
    async with Server(b"", then=released.wait) as server:
        with pytest.raises(UpstreamError, match="TimeoutError") as failed:
            await transport.send(Request("POST", server.url, {"access_token": SECRET}, timeout=0.05))
        released.set()
    assert failed.value.sent
    assert SECRET not in str(failed.value)


async def test_an_answer_without_end_is_cut_off(transport: HttpTransport) -> None:
    async with Server(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 70_000_000) as server:
        with pytest.raises(UpstreamError, match="more than 67108864 bytes"):
            await transport.send(Request("GET", server.url))


def test_a_request_does_not_print_what_it_carries() -> None:
    request = Request(
        "POST", "https://api.example.com/x", {"access_token": SECRET}, {"X": SECRET}, SECRET.encode()
    )
    assert SECRET not in repr(request)


class Hanging:
    """A server that answers one request on each connection and hangs up on the next one unanswered."""

    def __init__(self, *, good: int) -> None:
        self._good = good
        self.asked: list[str] = []

    async def __aenter__(self) -> "Hanging":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/sns/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(self._good):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
            writer.write(whole(b"{}"))
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        writer.close()


@pytest.mark.parametrize("good", [0, 1], ids=["a new connection breaks", "a kept connection breaks"])
async def test_what_spends_a_code_is_sent_once_whatever_becomes_of_the_connection(
    transport: HttpTransport, good: int
) -> None:
    async with Hanging(good=good) as server:
        for _ in range(good):
            await transport.send(Request("GET", server.url, {"first": "1"}))
        with pytest.raises(UpstreamError, match="no answer from") as failed:
            await transport.send(Request("GET", server.url, {"code": SECRET}, once=True))
    assert [path for path in server.asked if "code" in path] == [f"/sns/x?code={SECRET}"]
    assert failed.value.sent
    assert SECRET not in str(failed.value)


async def test_the_client_repeats_other_gets_by_itself(transport: HttpTransport) -> None:
    """What `once` is there against: should this ever change, the tests above prove nothing any more."""
    async with Hanging(good=0) as server:
        with pytest.raises(UpstreamError):
            await transport.send(Request("GET", server.url, {"code": SECRET}))
    assert len(server.asked) == 2


async def test_what_is_sent_once_and_cannot_connect_has_spent_nothing(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(UpstreamError, match="cannot connect") as failed:
        await transport.send(Request("GET", f"http://127.0.0.1:{port}/", {"code": SECRET}, once=True))
    assert not failed.value.sent
