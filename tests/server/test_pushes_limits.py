"""Pushes too large, broken off, by a wrong method, to odd addresses, or nonsense: text, never a 5xx."""

import asyncio
import string
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from yarl import URL

from tests.cast import add_follower, authorized_account, until
from tests.harness import Fetched, Harness, World
from tests.pushing import Letter, Sealer, is_plain, metric, post, recorded, refusal, text_message

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One world for all of these: they leave nothing behind."""
    async with Harness(tmp_path_factory.mktemp("limits")) as made:
        yield made


async def say(world: World, *parts: bytes, listen: bool = True) -> Fetched | None:
    """Write bytes to the gateway as they are; read the answer, or hang up."""
    url = URL(world.gateway_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if not listen:
            return None
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = (
            b"" if parts[0].startswith(b"HEAD") else await reader.readexactly(int(headers["content-length"]))
        )
        return Fetched(int(head[0].split()[1]), headers, body)
    finally:
        writer.close()
        await writer.wait_closed()


def request(method: str, target: str, *headers: str) -> bytes:
    """Write the head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: wx.example.com", *headers, "", ""]).encode()


def events_path(world: World) -> str:
    """Return where the platform's events go, with a query that looks well."""
    return f"/wechat/{world.platform.appid}/events?timestamp=1&nonce=2&msg_signature=3"


async def test_a_body_that_declares_itself_too_large_is_refused_unread(world: World) -> None:
    head = request("POST", events_path(world), f"Content-Length: {10 * MEGABYTE}")
    with capture_logs() as logs:
        answer = await say(world, head)
    assert answer is not None
    assert (answer.status, answer.text) == (413, "too_large")
    assert is_plain(answer)
    assert "declares 10485760 bytes; the limit is 1048576" in refusal(logs)


async def test_a_body_that_turns_out_too_large_is_refused_before_its_end(world: World) -> None:
    counted = await metric(world, "wxgate_pushes_total", receiver="platform", result="too_large")
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    answer = await say(
        world, request("POST", events_path(world), "Transfer-Encoding: chunked"), *[chunk] * 17
    )
    assert answer is not None
    assert (answer.status, answer.text) == (413, "too_large")
    assert await metric(world, "wxgate_pushes_total", receiver="platform", result="too_large") == counted + 1


async def test_a_body_at_the_limit_is_read(world: World) -> None:
    letter = Letter("timestamp=1&nonce=2&msg_signature=3", b"<xml>" + b" " * (MEGABYTE - 11) + b"</xml>")
    answer = await post(world, f"/wechat/{world.platform.appid}/events", letter)
    assert (answer.status, answer.text) == (400, "malformed")


async def test_a_sender_that_hangs_up_in_mid_body_is_noted_and_forgotten(world: World) -> None:
    counted = await metric(world, "wxgate_pushes_total", receiver="platform", result="malformed")
    before = len(await recorded(world))

    async def noted() -> bool:
        return await metric(world, "wxgate_pushes_total", receiver="platform", result="malformed") > counted

    with capture_logs() as logs:
        await say(world, request("POST", events_path(world), "Content-Length: 1000"), b"<xml>", listen=False)
        await until(noted)
    assert any("hung up" in line.get("explanation", "") for line in logs)
    assert not any("traceback" in str(line).lower() for line in logs)
    assert len(await recorded(world)) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_not_allowed(world: World, method: str) -> None:
    counted = await metric(world, "wxgate_pushes_total", receiver="platform", result="method_not_allowed")
    answer = await post(world, f"/wechat/{world.platform.appid}/events", Letter("", b"x"), method=method)
    assert (answer.status, answer.text) == (405, "method_not_allowed")
    assert is_plain(answer)
    after = await metric(world, "wxgate_pushes_total", receiver="platform", result="method_not_allowed")
    assert after == counted + 1


@pytest.mark.parametrize("where", ["events", "messages/wx1"])
async def test_opening_the_address_in_a_browser_says_what_is_missing(world: World, where: str) -> None:
    answer = await world.fetch(f"/wechat/{world.platform.appid}/{where}")
    assert (answer.status, answer.text) == (400, "malformed")
    assert is_plain(answer)


async def test_a_verification_without_echostr_is_malformed_and_one_with_it_is_answered(world: World) -> None:
    letter = Sealer.of_platform(world).seal("<xml/>").ask(msg_signature=None)
    path = f"/wechat/{world.platform.appid}/events"
    with capture_logs() as logs:
        without = await world.fetch(f"{path}?{letter.query}")
    echoed = await world.fetch(f"{path}?{letter.ask(echostr='<b>1&2</b>').query}")
    forged = await world.fetch(f"{path}?{letter.ask(echostr='1', nonce='4').query}")
    assert (without.status, without.text) == (400, "malformed")
    assert "echostr" in refusal(logs)
    assert (echoed.status, echoed.text) == (200, "<b>1&2</b>")
    assert echoed.headers["content-type"].startswith("text/plain")
    assert echoed.headers["x-content-type-options"] == "nosniff"
    assert (forged.status, forged.text) == (403, "bad_signature")


async def test_head_is_answered_without_a_body(world: World) -> None:
    answer = await say(world, request("HEAD", f"/wechat/{world.platform.appid}/events"))
    assert answer is not None
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/plain")


ODD = [
    "/wechat/", "/wechat//", "/wechat//events", "/wechat/a/b/c/d", "/wechat/direct", "/wechat/direct/",
    "/wechat/%00/events", "/wechat/direct/%00", "/wechat/%ff%fe/events", "/wechat/%2e%2e/%2e%2e/etc/passwd",
    "/wechat/../wechat/events", "/wechat/%E7%BC%96/events", "/wechat/wx'--/events", "/wechat/%0d%0aX:1/e",
    "/wechat/$APPID$/messages/$APPID$", f"/wechat/{'w' * 4000}/events",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_odd_address_is_no_receiver(tmp_path: Path, database_url: str, method: str) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        for path in ODD:
            target = f"{path}?timestamp=1&nonce=2"
            answer = await say(world, request(method, target, "Content-Length: 0"))
            assert answer is not None
            assert (answer.status, answer.text) == (404, "unknown_receiver"), path
            assert is_plain(answer)


async def test_an_odd_account_is_not_authorized_and_costs_nothing(tmp_path: Path, database_url: str) -> None:
    async with Harness(tmp_path, database_url=database_url) as world:
        sealer = Sealer.of_platform(world, account="gh_1")
        for number, appid in enumerate(["wx1", "%00", "%ff", "编", "w" * 4000]):
            letter = sealer.seal(text_message("gh_1", msg_id=number))
            path = f"/wechat/{world.platform.appid}/messages/{appid}?{letter.query}"
            head = request("POST", quote(path, safe="/?&=%"), f"Content-Length: {len(letter.body)}")
            answer = await say(world, head, letter.body)
            assert answer is not None
            assert answer.status < 500, appid
            assert is_plain(answer)


async def test_a_flood_of_garbage_does_not_disturb_a_message(world: World) -> None:
    account = await authorized_account(world)
    follower = await add_follower(world, account["appid"])
    garbage = [
        post(world, f"/wechat/{world.platform.appid}/{where}", Letter(f"timestamp=1&nonce={n}", b"\xff" * n))
        for n in range(100)
        for where in ("events", f"messages/{account['appid']}")
    ]
    answers, push = await asyncio.gather(asyncio.gather(*garbage), follower.writes("在吗"))
    assert {(answer.status, answer.text) for answer in answers} == {(400, "malformed")}
    assert push["outcome"] == "success"
    assert len(push["attempts"]) == 1


NAMES = ["signature", "msg_signature", "timestamp", "nonce", "openid", "encrypt_type", "echostr", "x"]
RAW = "".join(set(string.printable) - set(string.whitespace) - set("#"))


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Draw a query string: known names with any values, escaped or not, or no query at all."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=40)), max_size=8))
    escaped = "&".join(f"{name}={quote(value.encode('utf-8', 'replace'))}" for name, value in pairs)
    return draw(st.sampled_from([escaped, draw(st.text(RAW, max_size=60))]))


@settings(max_examples=100, deadline=None)
@given(query=queries(), body=st.binary(max_size=400), method=st.sampled_from(["POST", "POST", "GET", "PUT"]))
async def test_nonsense_is_answered_in_plain_text(world: World, query: str, body: bytes, method: str) -> None:
    target = f"/wechat/{world.platform.appid}/events?{query}"
    answer = await say(world, request(method, target, f"Content-Length: {len(body)}"), body)
    assert answer is not None
    assert 400 <= answer.status < 500
    assert is_plain(answer) or answer.text == "Invalid HTTP request received."


@settings(max_examples=100, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), change=st.binary(min_size=1, max_size=4), cut=st.booleans())
async def test_a_good_push_spoiled_anywhere_is_answered_in_plain_text(
    world: World, at: float, change: bytes, cut: bool
) -> None:
    letter = Sealer.of_platform(world, account="gh_1").seal(text_message("gh_1"))
    place = int(at * len(letter.body))
    spoiled = letter.body[:place] + (b"" if cut else change + letter.body[place + len(change) :])
    answer = await post(world, f"/wechat/{world.platform.appid}/messages/wx1", letter.carry(spoiled))
    assert answer.status in ({200} if spoiled == letter.body else {200, 400, 403})
    assert is_plain(answer)
