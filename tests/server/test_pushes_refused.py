"""Bad pushes, each over HTTP: refused in one plain word, explained in the log, and nothing comes of them."""

import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.cast import authorized_account
from tests.harness import Harness, World
from tests.pushing import Letter, Sealer, component_event, is_plain, metric, post, recorded, text_message
from wxgate.protocol.signature import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
BOMB = (
    '<!DOCTYPE xml [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in ("ab", "bc", "cd", "de"))
    + "]><xml><Encrypt>&e;</Encrypt></xml>"
)
FILE_ENTITY = '<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><Encrypt>&f;</Encrypt></xml>'


@dataclass(frozen=True, slots=True)
class Stage:
    """A world with one authorised account, and the two addresses that WeChat pushes to."""

    world: World
    account: dict[str, Any]

    def path(self, where: str) -> str:
        """Return the address of the platform's events, or of the account's messages."""
        platform = f"/wechat/{self.world.platform.appid}"
        return f"{platform}/events" if where == "events" else f"{platform}/messages/{self.account['appid']}"

    def plain(self, where: str) -> str:
        """Write a plaintext that fits the address."""
        at = int(self.world.clock.now().timestamp())
        if where == "messages":
            return text_message(self.account["user_name"], at=at)
        appid = self.world.platform.appid
        ticket = "ticket@@@never-to-be-kept"
        return component_event(appid, "component_verify_ticket", at=at, ComponentVerifyTicket=ticket)

    def sealer(self, where: str) -> Sealer:
        """Seal as WeChat does for the address."""
        account = self.account["user_name"] if where == "messages" else ""
        return Sealer.of_platform(self.world, account=account)

    async def seen(self) -> tuple[int, list[str]]:
        """Tell what the gateway holds: how many events, and which tickets."""
        kept = await self.world.node.store.tickets.newest(self.world.platform.appid, 10)
        return len(await recorded(self.world)), [each.ticket.reveal() for each in kept]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One world for the whole table: nothing in it leaves a trace."""
    async with Harness(tmp_path_factory.mktemp("refused")) as world:
        yield Stage(world, await authorized_account(world))


Spoil = Callable[[Sealer, str], Letter]


@dataclass(frozen=True, slots=True)
class Bad:
    """One way to be wrong, how it is answered, and a word of what the log says about it."""

    name: str
    spoil: Spoil
    status: int
    reason: str
    explained: str


def asking(**changed: object) -> Spoil:
    """Spoil the query of a good push."""
    return lambda sealer, plain: sealer.seal(plain).ask(**changed)


def carrying(body: bytes | str) -> Spoil:
    """Send another body, with whatever signature the old one had."""
    return lambda sealer, plain: sealer.seal(plain).carry(body.encode() if isinstance(body, str) else body)


def with_encrypt(change: Callable[[str], str]) -> Spoil:
    """Change the sealed part and sign it properly, as only an insider could."""

    def spoil(sealer: Sealer, plain: str) -> Letter:
        letter = sealer.seal(plain)
        changed = change(letter.encrypt)
        token = sealer.keys.tokens[0].reveal()
        signature = sign(token, letter.get("timestamp"), letter.get("nonce"), changed)
        body = letter.body.replace(letter.encrypt.encode(), changed.encode())
        return letter.ask(msg_signature=signature).carry(body)

    return spoil


def plain_signature(sealer: Sealer, plain: str) -> Letter:
    letter = sealer.seal(plain)
    return letter.ask(msg_signature=letter.get("signature"))


def another_body(sealer: Sealer, plain: str) -> Letter:
    return sealer.seal(plain).carry(sealer.seal(plain + " ").body)


def spare_bits(encrypt: str) -> str:
    """Write the same bytes with the unused bits of the last character set."""
    raw = base64.b64decode(encrypt) + b"\0" * 32
    text = base64.b64encode(raw[: len(raw) // 48 * 48 - 1]).decode()
    return text[:-2] + chr(ord(text[-2]) + 1) + "="


def aged(seconds: int) -> Spoil:
    """Sign a push some seconds from now."""
    return lambda sealer, plain: sealer.seal(plain, at=int(sealer.world.clock.now().timestamp()) + seconds)


TABLE = [
    Bad("wrong signature", asking(msg_signature="0" * 40), 403, "bad_signature", "plain signature is right"),
    Bad(
        "wrong token",
        lambda sealer, plain: sealer.other(token="NotOurs").seal(plain),
        403,
        "bad_signature",
        "is the Token .* the configured one",
    ),
    Bad("no signature", asking(msg_signature=None), 403, "bad_signature", "is missing"),
    Bad("no signature at all", asking(msg_signature=None, signature=None), 403, "bad_signature", "is missing"),
    Bad("signature passed as msg_signature", plain_signature, 403, "bad_signature", "is the plain signature"),
    Bad("signature in Chinese", asking(msg_signature="签名"), 403, "bad_signature", "does not match"),
    Bad("body of another push", another_body, 403, "bad_signature", "does not match the body"),
    Bad(
        "sealed for another appid",
        lambda sealer, plain: sealer.other(appid="wx0000000000000000").seal(plain),
        403,
        "wrong_appid",
        "wx0000000000000000",
    ),
    Bad(
        "sealed with another key",
        lambda sealer, plain: sealer.other(aes_key=OTHER_KEY).seal(plain),
        403,
        "undecipherable",
        "not the key",
    ),
    Bad("base64 cut short", with_encrypt(lambda text: text[:-7]), 400, "malformed", "cut short"),
    Bad("base64 cut at a byte", with_encrypt(lambda text: text[:-4]), 400, "malformed", "multiple of 32"),
    Bad("base64 with padding too much", with_encrypt(lambda text: text + "===="), 400, "malformed", "base64"),
    Bad("base64 with a line break", with_encrypt(lambda text: text[:76] + "\n" + text[76:]), 400, "malformed", "canonical"),
    Bad("base64 for URLs", with_encrypt(lambda text: "-_" + text[2:]), 400, "malformed", "base64"),
    Bad("base64 with spare bits", with_encrypt(spare_bits), 400, "malformed", "canonical"),
    Bad("nothing sealed", with_encrypt(lambda text: ""), 400, "malformed", "Encrypt is missing"),
    Bad("a DOCTYPE", carrying("<!DOCTYPE xml><xml><Encrypt>x</Encrypt></xml>"), 400, "malformed", "DOCTYPE"),
    Bad("a file as entity", carrying(FILE_ENTITY), 400, "malformed", "DOCTYPE"),
    Bad("a billion laughs", carrying(BOMB), 400, "malformed", "DOCTYPE"),
    Bad("an unknown entity", carrying("<xml><Encrypt>&e;</Encrypt></xml>"), 400, "malformed", "undefined entity"),
    Bad("a DOCTYPE inside", lambda sealer, plain: sealer.seal("<!DOCTYPE xml>" + plain), 400, "malformed", "DOCTYPE"),
    Bad("not UTF-8", carrying(b"<xml><Encrypt>\xb1\xe0</Encrypt></xml>"), 400, "malformed", "not well-formed"),
    Bad("not UTF-8 inside", lambda sealer, plain: sealer.seal(plain.encode("gbk") + "编".encode("gbk")), 400, "malformed", "ell-formed"),
    Bad("UTF-16", carrying("<xml><Encrypt>x</Encrypt></xml>".encode("utf-16")), 400, "malformed", "zero bytes"),
    Bad("JSON", carrying(json.dumps({"Encrypt": "x"})), 400, "malformed", "JSON where XML is due"),
    Bad("a JSON list", carrying("[]"), 400, "malformed", "JSON where XML is due"),
    Bad("another root", carrying("<html><Encrypt>x</Encrypt></html>"), 400, "malformed", "root element is not <xml>"),
    Bad("a form", carrying("Encrypt=x"), 400, "malformed", "not well-formed"),
    Bad("no body", carrying(b""), 400, "malformed", "no element found"),
    Bad("a body without Encrypt", carrying("<xml><A>b</A></xml>"), 400, "malformed", "no Encrypt"),
    Bad("two Encrypts", carrying("<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>"), 400, "malformed", "twice"),
    Bad("too deep", carrying("<xml>" + "<a>" * 50 + "</a>" * 50 + "</xml>"), 400, "malformed", "deeply nested"),
    Bad("plaintext", lambda sealer, plain: sealer.seal(plain).carry(plain.encode()), 400, "malformed", "never accepted"),
    Bad("stale", aged(-601), 403, "stale", r"601 s ago.*clock"),
    Bad("from the future", aged(+602), 403, "stale", "60[12] s in the future"),
    Bad("a timestamp in words", asking(timestamp="yesterday"), 400, "malformed", "not a number"),
    Bad("a negative timestamp", asking(timestamp="-1"), 400, "malformed", "not a number"),
    Bad("a timestamp without end", asking(timestamp="9" * 400), 400, "malformed", "not a number"),
    Bad("a timestamp in Arabic digits", asking(timestamp="٣٣٣"), 400, "malformed", "not a number"),
    Bad("no timestamp", asking(timestamp=None), 400, "malformed", "lacks timestamp"),
    Bad("no nonce", asking(nonce=None), 400, "malformed", "lacks timestamp or nonce"),
    Bad("no query", lambda sealer, plain: Letter("", sealer.seal(plain).body), 400, "malformed", "lacks timestamp"),
]  # fmt: skip


@pytest.mark.parametrize("where", ["events", "messages"])
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
async def test_a_bad_push_is_refused_in_a_word_and_explained_in_the_log(
    stage: Stage, bad: Bad, where: str
) -> None:
    world, path = stage.world, stage.path(where)
    letter = bad.spoil(stage.sealer(where), stage.plain(where))
    before = await stage.seen()
    counted = await metric(world, "wxgate_pushes_total", receiver="platform", result=bad.reason)
    with capture_logs() as logs:
        answer = await post(world, path, letter)
    assert (answer.status, answer.text) == (bad.status, bad.reason)
    assert is_plain(answer)
    assert await metric(world, "wxgate_pushes_total", receiver="platform", result=bad.reason) == counted + 1
    assert await stage.seen() == before
    [line] = [each for each in logs if each["event"] == "push.refused"]
    assert (line["log_level"], line["reason"], line["path"]) == ("warning", bad.reason, path)
    assert line["source_ip"] == "127.0.0.1"
    assert -40011 <= line["wechat_code"] <= -40001

    assert re.search(bad.explained, line["explanation"]), line["explanation"]


@pytest.mark.parametrize(
    ("plain", "explained"),
    [
        ("<xml><FromUserName>o1</FromUserName></xml>", "no MsgType"),
        ("<xml><MsgType>event</MsgType></xml>", "no Event"),
        ("<xml/>", "no MsgType"),
    ],
)
async def test_a_well_sealed_message_that_is_none_is_refused(
    stage: Stage, plain: str, explained: str
) -> None:
    before = await stage.seen()
    with capture_logs() as logs:
        answer = await post(stage.world, stage.path("messages"), stage.sealer("messages").seal(plain))
    assert (answer.status, answer.text) == (400, "malformed")
    assert explained in next(each["explanation"] for each in logs if each["event"] == "push.refused")
    assert await stage.seen() == before


@pytest.mark.parametrize(
    ("fields", "explained"),
    [
        ("", "no InfoType"),
        ("<InfoType>authorized</InfoType>", "no CreateTime"),
        ("<InfoType>authorized</InfoType><CreateTime>x</CreateTime>", "no CreateTime"),
        (
            "<InfoType>component_verify_ticket</InfoType><CreateTime>1</CreateTime>",
            "no ComponentVerifyTicket",
        ),
        ("<InfoType>unauthorized</InfoType><CreateTime>1</CreateTime>", "no AuthorizerAppid"),
    ],
)
async def test_a_well_sealed_event_that_lacks_its_essentials_is_refused(
    stage: Stage, fields: str, explained: str
) -> None:
    plain = f"<xml><AppId>{stage.world.platform.appid}</AppId>{fields}</xml>"
    before = await stage.seen()
    with capture_logs() as logs:
        answer = await post(stage.world, stage.path("events"), stage.sealer("events").seal(plain))
    assert (answer.status, answer.text) == (400, "malformed")
    assert explained in next(each["explanation"] for each in logs if each["event"] == "push.refused")
    assert await stage.seen() == before


@pytest.mark.parametrize(
    ("envelope", "status", "reason"),
    [("wx0000000000000000", 403, "wrong_appid"), ("", 400, "malformed")],
    ids=["the envelope agrees", "the envelope does not"],
)
async def test_an_event_that_names_another_platform_inside_is_refused(
    stage: Stage, envelope: str, status: int, reason: str
) -> None:
    world, before = stage.world, await stage.seen()
    at = int(world.clock.now().timestamp())
    plain = component_event(
        "wx0000000000000000", "unauthorized", at=at, AuthorizerAppid=stage.account["appid"]
    )
    sealer = stage.sealer("events")
    sealer = replace(sealer, element=("AppId", envelope or world.platform.appid))
    answer = await post(world, stage.path("events"), sealer.seal(plain))
    assert (answer.status, answer.text) == (status, reason)
    assert is_plain(answer)
    assert await stage.seen() == before
    live = await world.node.authorizations.load(world.platform.appid, stage.account["appid"])
    assert live is not None
    assert live.state == "active"


async def test_a_message_still_arrives_after_all_that(stage: Stage) -> None:
    letter = stage.sealer("messages").seal(stage.plain("messages"))
    answer = await post(stage.world, stage.path("messages"), letter)
    assert (answer.status, answer.text) == (200, "success")
