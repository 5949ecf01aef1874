"""All the ways a push can be wrong, each as a change to a good one."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.pushing import Letter, Sealer
from wxgate.protocol.signature import sign

OTHER_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
BOMB = (
    '<!DOCTYPE xml [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in ("ab", "bc", "cd", "de"))
    + "]><xml><Encrypt>&e;</Encrypt></xml>"
)
FILE_ENTITY = '<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><Encrypt>&f;</Encrypt></xml>'


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
    Bad(
        "no signature at all", asking(msg_signature=None, signature=None), 403, "bad_signature", "is missing"
    ),
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
    Bad(
        "base64 with a line break",
        with_encrypt(lambda text: text[:76] + "\n" + text[76:]),
        400,
        "malformed",
        "canonical",
    ),
    Bad("base64 for URLs", with_encrypt(lambda text: "-_" + text[2:]), 400, "malformed", "base64"),
    Bad("base64 with spare bits", with_encrypt(spare_bits), 400, "malformed", "canonical"),
    Bad("nothing sealed", with_encrypt(lambda text: ""), 400, "malformed", "Encrypt is missing"),
    Bad("a DOCTYPE", carrying("<!DOCTYPE xml><xml><Encrypt>x</Encrypt></xml>"), 400, "malformed", "DOCTYPE"),
    Bad("a file as entity", carrying(FILE_ENTITY), 400, "malformed", "DOCTYPE"),
    Bad("a billion laughs", carrying(BOMB), 400, "malformed", "DOCTYPE"),
    Bad(
        "an unknown entity",
        carrying("<xml><Encrypt>&e;</Encrypt></xml>"),
        400,
        "malformed",
        "undefined entity",
    ),
    Bad(
        "a DOCTYPE inside",
        lambda sealer, plain: sealer.seal("<!DOCTYPE xml>" + plain),
        400,
        "malformed",
        "DOCTYPE",
    ),
    Bad(
        "not UTF-8", carrying(b"<xml><Encrypt>\xb1\xe0</Encrypt></xml>"), 400, "malformed", "not well-formed"
    ),
    Bad(
        "not UTF-8 inside",
        lambda sealer, plain: sealer.seal(plain.encode("gbk") + "编".encode("gbk")),
        400,
        "malformed",
        "ell-formed",
    ),
    Bad(
        "UTF-16", carrying("<xml><Encrypt>x</Encrypt></xml>".encode("utf-16")), 400, "malformed", "zero bytes"
    ),
    Bad("JSON", carrying(json.dumps({"Encrypt": "x"})), 400, "malformed", "JSON where XML is due"),
    Bad("a JSON list", carrying("[]"), 400, "malformed", "JSON where XML is due"),
    Bad(
        "another root",
        carrying("<html><Encrypt>x</Encrypt></html>"),
        400,
        "malformed",
        "root element is not <xml>",
    ),
    Bad("a form", carrying("Encrypt=x"), 400, "malformed", "not well-formed"),
    Bad("no body", carrying(b""), 400, "malformed", "no element found"),
    Bad("a body without Encrypt", carrying("<xml><A>b</A></xml>"), 400, "malformed", "no Encrypt"),
    Bad(
        "two Encrypts",
        carrying("<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>"),
        400,
        "malformed",
        "twice",
    ),
    Bad(
        "too deep", carrying("<xml>" + "<a>" * 50 + "</a>" * 50 + "</xml>"), 400, "malformed", "deeply nested"
    ),
    Bad(
        "plaintext",
        lambda sealer, plain: sealer.seal(plain).carry(plain.encode()),
        400,
        "malformed",
        "never accepted",
    ),
    Bad("stale", aged(-601), 403, "stale", r"601 s ago.*clock"),
    Bad("from the future", aged(+602), 403, "stale", "60[12] s in the future"),
    Bad("a timestamp in words", asking(timestamp="yesterday"), 400, "malformed", "not a number"),
    Bad("a negative timestamp", asking(timestamp="-1"), 400, "malformed", "not a number"),
    Bad("a timestamp without end", asking(timestamp="9" * 400), 400, "malformed", "not a number"),
    Bad("a timestamp in Arabic digits", asking(timestamp="٣٣٣"), 400, "malformed", "not a number"),
    Bad("no timestamp", asking(timestamp=None), 400, "malformed", "lacks timestamp"),
    Bad("no nonce", asking(nonce=None), 400, "malformed", "lacks timestamp or nonce"),
    Bad(
        "no query",
        lambda sealer, plain: Letter("", sealer.seal(plain).body),
        400,
        "malformed",
        "lacks timestamp",
    ),
]
