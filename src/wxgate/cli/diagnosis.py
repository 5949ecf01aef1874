"""What is right and what is wrong with a push, step by step; pure.

The gateway itself stops at the first fault and says little to the sender. Here every step is looked at, and
what can be mended is mended to see further.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from wxgate.cli.findings import Finding, Verdict, find
from wxgate.errors import BadKey, MalformedPush, UndecipherablePush
from wxgate.protocol import xml
from wxgate.protocol.aes import BLOCK, KEY_CHARS, Cipher
from wxgate.protocol.envelope import PushQuery
from wxgate.protocol.pushes import redact
from wxgate.protocol.signature import matches
from wxgate.protocol.xml import Fields
from wxgate.secret import hide

_REPAIRS: Sequence[tuple[str, re.Pattern[str], Callable[[str], str]]] = (
    ("base64_percent", re.compile(r"%[0-9A-Fa-f]{2}"), unquote),
    ("base64_folded", re.compile(r"[\r\n\t]"), lambda text: re.sub(r"[\r\n\t]\s*", "", text)),
    ("base64_spaces", re.compile(r"\S \S"), lambda text: text.replace(" ", "+")),
    ("base64_urlsafe", re.compile(r"[-_]"), lambda text: text.replace("-", "+").replace("_", "/")),
    ("base64_unpadded", re.compile(r"(?:.{4})*(?:..|...)(?<!=)"), lambda text: text + "=" * (-len(text) % 4)),
)
"""Damage seen in the wild, in the order it must be undone: its code, its mark and the mending."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the receiver has configured: current values first, previous after, appid where known."""

    tokens: tuple[str, ...] = ()
    aes_keys: tuple[str, ...] = ()
    appid: str | None = None


@dataclass(slots=True)
class Diagnosis:
    """All findings, and the decrypted text as far as it came."""

    findings: list[Finding] = field(default_factory=list)
    plain: str | None = None
    fields: Fields = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return all(finding.verdict is not Verdict.WRONG for finding in self.findings)

    def masked(self) -> str | None:
        """Return the decrypted text with tickets and codes hidden."""
        if self.plain is None:
            return None
        text = self.plain
        for secret in _secrets(self.fields):
            text = text.replace(secret, "****")
        return hide(text)


def split_paste(text: str) -> tuple[str, str]:
    """Split what was pasted into the query string and the body, whatever stood around them."""
    start = min((at for mark in "<{" if (at := text.find(mark)) >= 0), default=len(text))
    head, body = text[:start], text[start:].strip()
    query = next((word for word in head.split() if "timestamp=" in word or "nonce=" in word), head.strip())
    return query_of(query), body


def query_of(url: str) -> str:
    """Cut a URL down to its query string."""
    return url.strip().strip("'\"").rpartition("?")[2].partition("#")[0].replace("&amp;", "&")


def diagnose(query_string: str, body: str, keys: Keys, *, now: int, window: int) -> Diagnosis:
    """Look at a push step by step."""
    examination = _Examination(PushQuery.parse(query_string.encode()), keys)
    examination.look_at_query(now, window)
    examination.look_at_body(body.strip())
    return examination.result


class _Examination:
    def __init__(self, query: PushQuery, keys: Keys) -> None:
        self._query = query
        self._keys = keys
        self.result = Diagnosis()

    def look_at_query(self, now: int, window: int) -> None:
        query = self._query
        present = [
            name for name in ("timestamp", "nonce", "signature", "msg_signature") if getattr(query, name)
        ]
        lacking = [name for name in ("timestamp", "nonce") if name not in present]
        if lacking:
            self._say("query_lacks", lacking=", ".join(lacking))
        else:
            self._say("query_good", found=", ".join(present))
        stamp = query.timestamp or ""
        if stamp and not (stamp.isascii() and stamp.isdigit()):
            self._say("time_malformed")
        elif stamp and abs(now - int(stamp)) > window:
            self._say("time_stale", age=abs(now - int(stamp)), window=window)

    def look_at_body(self, body: str) -> None:
        if not body:
            if self._query.echostr:
                self._look_at_plain_signature()
            else:
                self._say("body_empty")
            return
        try:
            outer = _read(body)
        except (MalformedPush, ValueError) as fault:
            self._say("body_unreadable", fault=fault)
            return
        self._say("body_read", form=_form(body))
        encrypt = outer.get("Encrypt")
        if isinstance(encrypt, str) and encrypt:
            self._look_at_encrypt(encrypt, outer)
        else:
            self._say("plain_body")
            self._look_at_plain_signature()
            self.result.plain, self.result.fields = body, outer

    def _say(self, code: str, **values: object) -> None:
        self.result.findings.append(find(code, **values))

    def _look_at_encrypt(self, encrypt: str, outer: Fields) -> None:
        mended = self._mend(encrypt)
        whole = self._is_whole(mended)
        if whole and mended == encrypt:
            self._say("base64_good", size=_size(encrypt))
        self._say(self._judge_signature(encrypt, mended))
        ciphers = list(self._ciphers())
        if ciphers and whole:
            self._decipher(ciphers, mended, outer)

    def _mend(self, encrypt: str) -> str:
        """Undo known damage to the Encrypt value, saying what it was."""
        for code, mark, mend in _REPAIRS:
            damaged = mark.fullmatch(encrypt) if code == "base64_unpadded" else mark.search(encrypt)
            if damaged:
                self._say(code)
                encrypt = mend(encrypt)
        return encrypt

    def _is_whole(self, encrypt: str) -> bool:
        strange = sorted(set(re.sub(r"[A-Za-z0-9+/=]", "", encrypt)))
        if strange:
            self._say("base64_strange", strange=" ".join(strange[:5]))
        elif not (size := _size(encrypt)) or size % BLOCK:
            self._say("base64_cut", size=size, block=BLOCK)
        else:
            return True
        return False

    def _judge_signature(self, encrypt: str, mended: str) -> str:
        """Return the code of what there is to say about the signatures of an encrypted push."""
        query = self._query
        if not self._keys.tokens:
            return "token_absent"
        if (index := self._fits(query.msg_signature, encrypt)) is not None:
            return "signature_previous" if index else "signature_good"
        if self._fits(query.msg_signature, None) is not None:
            return "signature_mixed_up"
        if self._fits(query.signature, encrypt) is not None:
            return "signature_swapped"
        if self._fits(query.msg_signature, mended) is not None:
            return "signature_fits_mended"
        if self._fits(query.signature, None) is not None:
            return "signature_other_body" if query.msg_signature else "signature_missing"
        return "signature_wrong" if query.msg_signature or query.signature else "signature_absent"

    def _look_at_plain_signature(self) -> None:
        if not self._keys.tokens:
            self._say("token_absent")
        elif self._fits(self._query.signature, None) is None:
            self._say("plain_signature_wrong")
        else:
            self._say("plain_signature_good")

    def _fits(self, signature: str | None, encrypt: str | None) -> int | None:
        """Return the index of the Token with which a signature fits."""
        timestamp, nonce = self._query.timestamp or "", self._query.nonce or ""
        for index, token in enumerate(self._keys.tokens):
            if signature and matches(signature, token, timestamp, nonce, encrypt):
                return index
        return None

    def _ciphers(self) -> Iterator[Cipher]:
        """Judge the keys, and make ciphers of those that can be one."""
        if not self._keys.aes_keys:
            self._say("key_absent")
        for key in self._keys.aes_keys:
            self._say(_judge_key(key), length=len(key))
            try:
                yield Cipher(key.strip().removesuffix("="))
            except BadKey:
                continue

    def _decipher(self, ciphers: Sequence[Cipher], encrypt: str, outer: Fields) -> None:
        for index, cipher in enumerate(ciphers):
            try:
                opened = cipher.open(encrypt)
            except UndecipherablePush:
                continue
            except MalformedPush as fault:
                self._say("base64_sloppy", fault=fault)
                return
            self._say("decrypt_previous" if index else "decrypt_good")
            expected = self._keys.appid
            code = (
                "appid_unknown"
                if expected is None
                else "appid_good"
                if opened.appid == expected
                else "appid_wrong"
            )
            self._say(code, found=opened.appid, expected=expected)
            self._look_at_content(opened.message, outer)
            return
        self._say("decrypt_failed")

    def _look_at_content(self, message: bytes, outer: Fields) -> None:
        try:
            plain = self.result.plain = message.decode()
            fields = self.result.fields = _read(plain)
        except (MalformedPush, ValueError) as fault:
            self._say("content_unreadable", fault=fault)
            return
        kind = fields.get("InfoType") or fields.get("Event") or fields.get("MsgType") or "?"
        self._say("content_read", form=_form(plain), kind=kind)
        for name in ("ToUserName", "AppId"):
            outside, inside = outer.get(name), fields.get(name)
            if outside and inside and outside != inside:
                self._say("envelope_differs", name=name)


def _judge_key(key: str) -> str:
    if re.fullmatch(r"[0-9a-f]{32}", key):
        return "key_is_secret"
    if len(key) == KEY_CHARS + 1 and key.endswith("="):
        return "key_padded"
    if len(key) != KEY_CHARS:
        return "key_length"
    return "key_good" if re.fullmatch(r"[A-Za-z0-9+/]+", key) else "key_strange"


def _size(encrypt: str) -> int:
    return len(encrypt.rstrip("=")) * 3 // 4


def _form(text: str) -> str:
    return "JSON" if text.startswith("{") else "XML"


def _read(text: str) -> Fields:
    if _form(text) == "XML":
        return xml.parse(text)
    data = json.loads(text, strict=False)
    if not isinstance(data, dict):
        raise MalformedPush("The JSON is not an object.")
    return data


def _secrets(fields: Fields) -> Iterator[str]:
    hidden = redact(fields)
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _secrets(value)
        elif isinstance(value, str) and value and hidden[name] != value:
            yield value
