"""The envelope around a push and its reply, from both sides: query string, body, signature and mode."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, Self
from urllib.parse import unquote_plus, urlencode

from wxgate.errors import (
    BadSignature,
    ConfigError,
    InvalidPush,
    InvalidReply,
    MalformedPush,
    StalePush,
    UndecipherablePush,
    WrongAppid,
)
from wxgate.protocol import xml
from wxgate.protocol.aes import Cipher
from wxgate.protocol.signature import matches, sign
from wxgate.protocol.xml import Fields, Value, cdata
from wxgate.secret import EncodingAESKey, PushToken

# These two answers mean "received, say nothing"; they are never encrypted, whatever the mode.
UNENCRYPTED_REPLIES = ("", "success")


class Mode(StrEnum):
    """Name the three ways an account's pushes can be encrypted; a platform only has SAFE."""

    PLAINTEXT = "plaintext"
    COMPATIBLE = "compatible"
    SAFE = "safe"


class Format(StrEnum):
    """Name the two data formats; a platform only has XML."""

    XML = "xml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class PushQuery:
    """The query string of a push or of a URL verification."""

    signature: str | None = None
    msg_signature: str | None = None
    timestamp: str | None = None
    nonce: str | None = None
    openid: str | None = None
    encrypt_type: str | None = None
    echostr: str | None = None

    @classmethod
    def parse(cls, query_string: bytes) -> Self:
        """Read a raw query string; unknown parameters are ignored, a repeated one counts the first time."""
        known: dict[str, str] = {}
        for pair in query_string.decode("ascii", "replace").split("&"):
            name, _, value = pair.partition("=")
            if name in _QUERY_NAMES and name not in known:
                known[name] = unquote_plus(value) if "%" in value or "+" in value else value
        return cls(**known)

    def encode(self) -> str:
        """Write the query string in WeChat's order, leaving out what is absent."""
        pairs = [(name, getattr(self, name)) for name in _QUERY_NAMES]
        return urlencode([(name, value) for name, value in pairs if value is not None])


# In the order WeChat writes them.
_QUERY_NAMES = ("signature", "echostr", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature")


@dataclass(frozen=True, slots=True)
class PushKeys:
    """All that is needed to open and seal one receiver's pushes; current token and key first, previous after.

    `format` None accepts XML and JSON alike.
    """

    appid: str
    tokens: tuple[PushToken, ...]
    ciphers: tuple[Cipher, ...]
    mode: Mode = Mode.SAFE
    format: Format | None = Format.XML

    @classmethod
    def make(
        cls,
        appid: str,
        tokens: Sequence[str | PushToken],
        keys: Sequence[str | EncodingAESKey],
        mode: Mode = Mode.SAFE,
        format: Format | None = Format.XML,
    ) -> Self:
        """Build the keys from what the operator configured; raises BadKey or another ConfigError."""
        secrets = tuple(map(PushToken.of, tokens))
        if not all(secrets):
            # Anybody can sign with an empty token.
            raise ConfigError("The Token (消息校验Token) is empty; copy the one set in WeChat's console.")
        return cls(appid, secrets, tuple(map(Cipher, keys)), mode, format)


@dataclass(frozen=True, slots=True)
class OpenedPush:
    """A push that was verified and, if sealed, decrypted; the indexes say which key and token fitted."""

    plain: bytes = field(repr=False)
    fields: Fields = field(repr=False)
    format: Format
    encrypted: bool
    key_index: int
    token_index: int
    query: PushQuery
    receiver: str | None


def open_push(keys: PushKeys, query: PushQuery, body: bytes, *, now: int, max_age: int) -> OpenedPush:
    """Verify, decrypt and read a push; raises a leaf of InvalidPush that says what is wrong with it."""
    timestamp, nonce = _check_query(query)
    found = Format.JSON if body.lstrip()[:1] in (b"{", b"[") else Format.XML
    if keys.format is not None and keys.format is not found:
        raise MalformedPush(f"The body is {found.upper()} where {keys.format.upper()} is due.")
    outer = _read(body, found)
    receiver = _receiver(outer)
    encrypt = _sealed_part(keys.mode, outer)
    if encrypt is None:
        token_index = _verify(keys, query.signature, timestamp, nonce, None)
        _check_age(timestamp, now, max_age)
        return OpenedPush(body, outer, found, False, 0, token_index, query, receiver)
    try:
        token_index = _verify(keys, query.msg_signature, timestamp, nonce, encrypt)
    except BadSignature:
        _explain_signature(keys, query, timestamp, nonce)
        raise
    _check_age(timestamp, now, max_age)
    plain, key_index = _decipher(keys, encrypt)
    fields = _read(plain, found)
    # The envelope's receiver is not signed; an honest sender writes the same one inside.
    if receiver and (_receiver(fields) or receiver) != receiver:
        raise MalformedPush("The receiver on the envelope is not the one sealed inside.")
    return OpenedPush(plain, fields, found, True, key_index, token_index, query, receiver)


def check_echo(keys: PushKeys, query: PushQuery) -> str:
    """Verify a URL verification GET and return the echostr to answer with."""
    timestamp, nonce = _check_query(query)
    if not query.echostr:
        raise MalformedPush("The URL verification has no echostr.")
    _verify(keys, query.signature, timestamp, nonce, None)
    return query.echostr


def seal_reply(keys: PushKeys, opened: OpenedPush, reply: str, *, timestamp: int, random: bytes) -> bytes:
    """Write the answer to a push, sealed with the very key that opened it."""
    if not opened.encrypted or reply in UNENCRYPTED_REPLIES:
        return reply.encode()
    encrypt = keys.ciphers[opened.key_index].seal(reply.encode(), keys.appid, random)
    nonce = opened.query.nonce or ""
    signature = sign(keys.tokens[opened.token_index].reveal(), str(timestamp), nonce, encrypt)
    if opened.format is Format.JSON:
        envelope = {"Encrypt": encrypt, "MsgSignature": signature, "TimeStamp": timestamp, "Nonce": nonce}
        return json.dumps(envelope, ensure_ascii=False).encode()
    return (
        f"<xml>\n<Encrypt><![CDATA[{encrypt}]]></Encrypt>\n<MsgSignature><![CDATA[{signature}]]></MsgSignature>\n"
        f"<TimeStamp>{timestamp}</TimeStamp>\n<Nonce>{cdata(nonce)}</Nonce>\n</xml>"
    ).encode()


def seal_push(
    keys: PushKeys,
    plain: bytes,
    *,
    timestamp: int,
    nonce: str,
    random: bytes,
    receiver: tuple[str, str] | None,
    openid: str | None = None,
    format: Format = Format.XML,
) -> tuple[str, bytes]:
    """Write a push as WeChat would: the query string and the body, in the mode of the keys.

    `receiver` is the element that names the receiver on the envelope: ToUserName for messages, AppId for a
    platform's events.
    """
    token, stamp = keys.tokens[0].reveal(), str(timestamp)
    signature = sign(token, stamp, nonce)
    if keys.mode is Mode.PLAINTEXT:
        return PushQuery(signature, None, stamp, nonce, openid).encode(), plain
    encrypt = keys.ciphers[0].seal(plain, keys.appid, random)
    query = PushQuery(signature, sign(token, stamp, nonce, encrypt), stamp, nonce, openid, "aes")
    if keys.mode is Mode.COMPATIBLE:
        return query.encode(), _add_encrypt(plain, encrypt, format)
    fields = {receiver[0]: receiver[1], "Encrypt": encrypt} if receiver else {"Encrypt": encrypt}
    body = xml.render(fields) if format is Format.XML else json.dumps(fields)
    return query.encode(), body.encode()


def open_reply(keys: PushKeys, body: bytes) -> str:
    """Read the answer to a push as WeChat would; raises InvalidReply that says what is wrong with it."""
    try:
        text = body.decode()
        if text in UNENCRYPTED_REPLIES:
            return text
        found = Format.JSON if text.startswith("{") else Format.XML
        fields = _read(body, found)
        if "Encrypt" not in fields and keys.mode is not Mode.SAFE:
            return text
        encrypt, signature, timestamp, nonce = (_text(fields, name) for name in _REPLY_NAMES)
        _verify(keys, signature, timestamp, nonce, encrypt)
        plain, _ = _decipher(keys, encrypt)
        return plain.decode()
    except UnicodeDecodeError:
        raise InvalidReply("The reply is not UTF-8.") from None
    except InvalidPush as error:
        raise InvalidReply(f"The reply cannot be opened: {error}") from error


_REPLY_NAMES = ("Encrypt", "MsgSignature", "TimeStamp", "Nonce")


def _check_query(query: PushQuery) -> tuple[str, str]:
    timestamp, nonce = query.timestamp, query.nonce
    if not timestamp or not nonce:
        raise MalformedPush("The query string lacks timestamp or nonce.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise MalformedPush("The timestamp is not a number of seconds.")
    return timestamp, nonce


def _check_age(timestamp: str, now: int, max_age: int) -> None:
    age = now - int(timestamp)
    if abs(age) > max_age:
        when = f"{age} s ago" if age > 0 else f"{-age} s in the future"
        raise StalePush(
            f"The push was signed {when}, outside the {max_age} s allowed; is the server's clock right?"
        )


def _verify(keys: PushKeys, signature: str | None, timestamp: str, nonce: str, encrypt: str | None) -> int:
    for index, token in enumerate(keys.tokens):
        if matches(signature, token.reveal(), timestamp, nonce, encrypt):
            return index
    name = "signature" if encrypt is None else "msg_signature"
    fault = "does not match: is the Token (消息校验Token) the configured one?" if signature else "is missing."
    raise BadSignature(f"The {name} {fault}")


def _explain_signature(keys: PushKeys, query: PushQuery, timestamp: str, nonce: str) -> None:
    """Raise a better BadSignature when the sender signed the wrong thing with the right token."""
    for token in keys.tokens:
        if query.msg_signature and matches(query.msg_signature, token.reveal(), timestamp, nonce):
            raise BadSignature(
                "The msg_signature is the plain signature: it was made over token, timestamp and nonce, "
                "but in an encrypted mode the Encrypt value is signed as well."
            )
        if matches(query.signature, token.reveal(), timestamp, nonce):
            state = "does not match the body" if query.msg_signature else "is missing"
            raise BadSignature(
                f"The msg_signature {state}, though the plain signature is right: the Token fits, but an "
                "encrypted push is judged by msg_signature alone, since signature does not cover the body."
            )


def _sealed_part(mode: Mode, outer: Fields) -> str | None:
    """Return the Encrypt value that must be opened, or None in plaintext mode.

    The query's encrypt_type has no say: it is not signed, and WeChat sends Encrypt in both other modes.
    """
    if mode is Mode.PLAINTEXT:
        if "Encrypt" in outer and "MsgType" not in outer:
            raise MalformedPush(
                "The push is encrypted, but this account is set to plaintext mode (明文模式)."
            )
        return None
    if "Encrypt" not in outer:
        raise MalformedPush(
            "The body has no Encrypt, and a plain body is never accepted where encryption is due."
        )
    return _text(outer, "Encrypt")


def _decipher(keys: PushKeys, encrypt: str) -> tuple[bytes, int]:
    failure = UndecipherablePush("No EncodingAESKey (消息加解密Key) is configured.")
    for index, cipher in enumerate(keys.ciphers):
        try:
            opened = cipher.open(encrypt)
        except UndecipherablePush as error:
            failure = error
            continue
        if opened.appid != keys.appid:
            raise WrongAppid(
                f"Sealed for appid {opened.appid!r}, not for {keys.appid!r}.", found=opened.appid
            )
        return opened.message, index
    raise failure


def _receiver(fields: Fields) -> str | None:
    value = fields.get("ToUserName") or fields.get("AppId")
    return value if isinstance(value, str) else None


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedPush(f"{name} is missing, empty or given twice.")
    return value


def _read(body: bytes, found: Format) -> Fields:
    return xml.parse(body) if found is Format.XML else _parse_json(body)


def _parse_json(body: bytes) -> Fields:
    """Read a JSON push into the same shape as XML: every number, true, false and null becomes text."""
    if len(body) > xml.MAX_BYTES:
        raise MalformedPush(f"The JSON has {len(body)} bytes, more than the {xml.MAX_BYTES} allowed.")
    try:
        data = json.loads(body.decode(), strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise MalformedPush("The body is not JSON in UTF-8.") from None
    fields = _as_value(data, xml.MAX_DEPTH)
    if not isinstance(fields, dict):
        _refuse_shape()
    return fields


def _as_value(data: object, depth: int) -> Value:
    if isinstance(data, str):
        return data.encode(
            "utf-8", "replace"
        ).decode()  # an escaped half surrogate is no text anybody can store
    if depth == 0:
        _refuse_shape()
    if isinstance(data, dict):
        return {name: _as_value(item, depth - 1) for name, item in data.items()}
    if isinstance(data, list):
        return [_as_value(item, depth - 1) for item in data]
    return "" if data is None else str(data).lower()


def _refuse_shape() -> NoReturn:
    raise MalformedPush("The JSON is not an object, or is nested too deeply.")


def _add_encrypt(plain: bytes, encrypt: str, format: Format) -> bytes:
    if format is Format.JSON:
        return json.dumps({**json.loads(plain), "Encrypt": encrypt}, ensure_ascii=False).encode()
    head, closing, _ = plain.rpartition(b"</xml>")
    return head + f"<Encrypt><![CDATA[{encrypt}]]></Encrypt>".encode() + closing
