"""The way out: what it refuses to connect to, and what it does not let an application do to it."""

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cast import until
from tests.events.application import Application, application, raw_server
from wxgate.errors import Undeliverable
from wxgate.events.sending import Posting
from wxgate.server.outgoing import ANSWER_LIMIT, Outgoing

LOOPBACK = (ip_network("127.0.0.0/8"),)
PATIENCE = 15.0


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    """A way out that may go to this machine."""
    made = Outgoing(LOOPBACK)
    yield made
    await made.close()


@pytest.fixture
async def guarded() -> AsyncIterator[Outgoing]:
    """A way out as it is by default."""
    made = Outgoing(())
    yield made
    await made.close()


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """An application."""
    async with application() as made:
        yield made


def posting(url: str) -> Posting:
    """Make something to send."""
    return Posting(url, {"content-type": "application/json", "webhook-id": "evt_1"}, b'{"a": 1}')


async def test_a_posting_arrives_as_it_is(outgoing: Outgoing, app: Application) -> None:
    app.status, app.body, app.headers = 503, b"later", {"retry-after": "7"}
    answered = await outgoing.post(posting(app.url + "?a=1"), seconds=PATIENCE)
    assert (answered.status, answered.body, answered.retry_after, answered.whole) == (
        503,
        b"later",
        "7",
        True,
    )
    assert not answered.accepted
    [got] = app.got
    assert (got.path, got.query, got.body, got.id) == ("/hooks", "a=1", b'{"a": 1}', "evt_1")
    assert got.headers["user-agent"] == "wxgate"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127.1", "0x7f.1"),
        *("2130706433", "0177.0.0.1", "127.0.0.1.", "LOCALHOST", "10.0.0.1"),
        *("169.254.169.254", "[fe80::1%25lo]", "0"),
    ],
)  # fmt: skip
async def test_a_private_address_is_not_connected_to(guarded: Outgoing, app: Application, host: str) -> None:
    port = app.url.rsplit(":", 1)[1].partition("/")[0]
    with pytest.raises(Undeliverable):
        await guarded.post(posting(f"http://{host}:{port}/hooks"), seconds=PATIENCE)
    assert app.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_address_names_the_setting(guarded: Outgoing, host: str) -> None:
    with pytest.raises(Undeliverable, match="WXGATE_SUBSCRIBER_NETWORKS"):
        await guarded.post(posting(f"http://{host}:1/"), seconds=PATIENCE)


async def test_a_name_is_judged_by_the_address_it_leads_to(outgoing: Outgoing, app: Application) -> None:
    port = app.url.rsplit(":", 1)[1]
    answered = await outgoing.post(posting(f"http://localhost:{port}"), seconds=PATIENCE)
    assert answered.accepted


class Names:
    """A name server: `hang.…` gets no answer until it is let go, other names but localhost are unknown."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()
        self._real = socket.getaddrinfo

    def look_up(self, host: Any, *rest: Any) -> Any:
        name = str(host)
        self.asked.append(name)
        if name.startswith("hang"):
            self.let_go.wait(60)
        if name != "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self._real(host, *rest)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """A name server that this process asks."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    yield made
    made.let_go.set()


async def test_names_that_hang_hold_nobody_up(outgoing: Outgoing, app: Application, names: Names) -> None:
    hanging = [
        asyncio.create_task(outgoing.post(posting(f"http://hang{number % 40}.example.com/"), seconds=60))
        for number in range(200)
    ]

    async def all_asked() -> bool:
        return len(names.asked) == 40

    await until(all_asked, seconds=20)
    answered = await outgoing.post(posting(app.url.replace("127.0.0.1", "localhost")), seconds=PATIENCE)
    assert answered.accepted
    names.let_go.set()
    failed = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(each) for each in failed} == {Undeliverable}
    assert len(names.asked) == 41


async def test_a_name_that_hangs_for_long_is_refused_at_once(
    outgoing: Outgoing, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxgate.server.outgoing.LOOKUP_SECONDS", 0.02)
    for _ in range(3):
        with pytest.raises(Undeliverable, match="looking up its name takes too long"):
            await outgoing.post(posting("http://hang.example.com/"), seconds=60)
    assert names.asked == ["hang.example.com"]


@pytest.mark.parametrize("host", ["localhost", "unknown.example.com"])
async def test_what_a_name_leads_to_is_remembered_for_a_moment_only(
    outgoing: Outgoing, names: Names, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async def lookups(seconds: float) -> int:
        for which in ("KNOWN_SECONDS", "UNKNOWN_SECONDS"):
            monkeypatch.setattr(f"wxgate.server.outgoing.{which}", seconds)
        names.asked.clear()
        for _ in range(3):
            with pytest.raises(Undeliverable):
                await outgoing.post(posting(f"http://{host}:1/"), seconds=PATIENCE)
        return len(names.asked)

    assert await lookups(-1) == 3
    assert await lookups(3600) == 1


async def test_a_remembered_address_is_judged_each_time(guarded: Outgoing, names: Names) -> None:
    for _ in range(2):
        with pytest.raises(Undeliverable, match="WXGATE_SUBSCRIBER_NETWORKS"):
            await guarded.post(posting("http://localhost:1/"), seconds=PATIENCE)


async def test_applications_that_hang_hold_nobody_up(outgoing: Outgoing, app: Application) -> None:
    hanging = asyncio.Event()

    async def hangs(request: web.Request) -> web.StreamResponse:
        await hanging.wait()
        return web.Response()

    async with application() as hole:
        hole.behaviour = hangs
        held = [asyncio.create_task(outgoing.post(posting(hole.url), seconds=60)) for _ in range(220)]

        async def all_in_air() -> bool:
            return hole.in_air == 220

        await until(all_in_air, seconds=20)
        assert (await outgoing.post(posting(app.url), seconds=PATIENCE)).accepted
        hanging.set()
        await asyncio.gather(*held)


async def test_a_redirect_is_not_followed(outgoing: Outgoing, app: Application) -> None:
    async with application() as inner:
        app.status, app.headers = 307, {"location": inner.url}
        answered = await outgoing.post(posting(app.url), seconds=PATIENCE)
        assert (answered.status, answered.location) == (307, inner.url)
        assert inner.got == []


async def test_a_location_of_odd_bytes_can_be_shown(outgoing: Outgoing) -> None:
    answer = b"HTTP/1.1 302 Found\r\nlocation: https://x/\xff\xe5\x95\x86\r\ncontent-length: 0\r\n\r\n"
    async with raw_server(answer) as url:
        answered = await outgoing.post(posting(url), seconds=PATIENCE)
    assert answered.location == "https://x/\ufffd商"


async def test_ten_megabytes_are_not_read(outgoing: Outgoing, app: Application) -> None:
    written = 0

    async def floods(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(160):
            await response.write(bytes(64 * 1024))
            written += 64 * 1024
        return response

    app.behaviour = floods
    answered = await outgoing.post(posting(app.url), seconds=PATIENCE)
    assert len(answered.body) == ANSWER_LIMIT
    assert not answered.whole
    assert written < 10 * 1024 * 1024


async def test_a_packed_answer_is_not_unpacked(outgoing: Outgoing, app: Application) -> None:
    app.body, app.headers = gzip.compress(bytes(10**7)), {"content-encoding": "gzip"}
    answered = await outgoing.post(posting(app.url), seconds=PATIENCE)
    assert answered.body == app.body
    assert app.got[0].headers["accept-encoding"] == "identity"


async def test_an_application_that_hangs_is_left(outgoing: Outgoing, app: Application) -> None:
    async def hangs(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    app.behaviour = hangs
    with pytest.raises(Undeliverable, match=r"did not answer within 0\.2 seconds"):
        await outgoing.post(posting(app.url), seconds=0.2)


async def test_an_answer_that_drips_is_left(outgoing: Outgoing) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", slowly=True) as url:
        with pytest.raises(Undeliverable, match="did not answer within"):
            await outgoing.post(posting(url), seconds=0.3)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "nonsense", "cut", "long header", "bad chunk", "bad length", "another protocol"],
)
async def test_what_is_no_http_is_undeliverable(outgoing: Outgoing, answer: bytes) -> None:
    async with raw_server(answer) as url:
        with pytest.raises(Undeliverable):
            await outgoing.post(posting(url), seconds=PATIENCE)


async def test_nobody_there_is_undeliverable(outgoing: Outgoing) -> None:
    with pytest.raises(Undeliverable, match="gave no answer"):
        await outgoing.post(posting("http://127.0.0.1:1/"), seconds=PATIENCE)


async def test_no_cookie_is_brought_back(outgoing: Outgoing, app: Application) -> None:
    app.headers = {"set-cookie": "a=1"}
    for _ in range(2):
        await outgoing.post(posting(app.url), seconds=PATIENCE)
    assert all("cookie" not in got.headers for got in app.got)


async def test_a_proxy_of_the_environment_is_not_used(
    outgoing: Outgoing, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await outgoing.post(posting(app.url), seconds=PATIENCE)).accepted


async def test_a_certificate_nobody_vouches_for_is_refused(outgoing: Outgoing, tmp_path: Path) -> None:
    context = self_signed(tmp_path)

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Undeliverable, match="certificate of localhost is refused: self"):
            await outgoing.post(posting(f"https://localhost:{port}/"), seconds=PATIENCE)
    finally:
        server.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem")
    return context
