"""Pushes and replies through both sides of the envelope, whole and damaged."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxgate.errors import (
    BadKey,
    BadSignature,
    ConfigError,
    InvalidPush,
    InvalidReply,
    MalformedPush,
    StalePush,
    UndecipherablePush,
    WrongAppid,
)
from wxgate.protocol.envelope import (
    Format,
    Mode,
    OpenedPush,
    PushKeys,
    PushQuery,
    check_echo,
    open_push,
    open_reply,
    seal_push,
    seal_reply,
)
from wxgate.protocol.signature import sign
from wxgate.protocol.xml import render

APPID = "wx134c8103faa5a59e"
TOKEN = "current-token"
KEY, OLD_KEY = "a" * 43, "b" * 43
NOW = 1_700_000_000
RANDOM = b"0123456789abcdef"
GH = "gh_97417a04a28d"
PLAIN = render(
    {
        "ToUserName": GH,
        "FromUserName": "o9AgO5Kd5ggOC",
        "CreateTime": NOW,
        "MsgType": "text",
        "Content": "你好",
        "MsgId": "1",
    }
).encode()
PLAIN_JSON = json.dumps({"ToUserName": GH, "CreateTime": NOW, "MsgType": "text", "Content": "你好"}).encode()
KEYS = PushKeys.make(APPID, [TOKEN], [KEY])


def _seal(
    keys: PushKeys = KEYS, plain: bytes = PLAIN, format: Format = Format.XML, nonce: str = "nonce7"
) -> tuple[PushQuery, bytes]:
    query, body = seal_push(
        keys,
        plain,
        timestamp=NOW,
        nonce=nonce,
        random=RANDOM,
        receiver=("ToUserName", GH),
        openid="o9AgO5Kd5ggOC",
        format=format,
    )
    return PushQuery.parse(query.encode()), body


def _open(query: PushQuery, body: bytes, keys: PushKeys = KEYS, now: int = NOW) -> OpenedPush:
    return open_push(keys, query, body, now=now, max_age=300)


def _keys(mode: Mode, format: Format | None = Format.XML) -> PushKeys:
    return PushKeys.make(APPID, [TOKEN], [KEY], mode, format)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("format", "plain"), [(Format.XML, PLAIN), (Format.JSON, PLAIN_JSON)])
def test_a_push_goes_through_in_every_mode_and_format(mode: Mode, format: Format, plain: bytes) -> None:
    keys = _keys(mode, format)
    opened = _open(*_seal(keys, plain, format), keys)
    assert opened.fields["Content"] == "你好"
    assert opened.fields["CreateTime"] == str(NOW)
    assert opened.plain == plain
    assert opened.encrypted is (mode is not Mode.PLAINTEXT)
    assert opened.format is format
    assert opened.receiver == GH


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("format", "plain"), [(Format.XML, PLAIN), (Format.JSON, PLAIN_JSON)])
@pytest.mark.parametrize("reply", ["success", "", "<xml><Content>好</Content></xml>", '{"a":"好"}'])
def test_a_reply_goes_back_in_every_mode_and_format(
    mode: Mode, format: Format, plain: bytes, reply: str
) -> None:
    keys = _keys(mode, format)
    opened = _open(*_seal(keys, plain, format), keys)
    body = seal_reply(keys, opened, reply, timestamp=NOW + 1, random=RANDOM)
    assert open_reply(keys, body) == reply
    sealed = mode is not Mode.PLAINTEXT and reply not in ("", "success")
    assert (body != reply.encode()) is sealed


@given(st.text(), st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_and_any_nonce_survive_the_round_trip(content: str, nonce: str) -> None:
    plain = render({"ToUserName": GH, "MsgType": "text", "Content": content}).encode()
    query, body = _seal(plain=plain, nonce=nonce)
    opened = _open(query, body)
    assert opened.plain == plain
    assert opened.query.nonce == nonce


def test_the_reply_echoes_the_nonce_and_signs_it() -> None:
    opened = _open(*_seal(nonce="]]>&中"))
    body = seal_reply(KEYS, opened, "<xml/>", timestamp=NOW, random=RANDOM)
    assert open_reply(KEYS, body) == "<xml/>"


def test_the_previous_key_and_token_still_open_and_also_seal_the_reply() -> None:
    old = PushKeys.make(APPID, ["old-token"], [OLD_KEY])
    both = PushKeys.make(APPID, [TOKEN, "old-token"], [KEY, OLD_KEY])
    opened = _open(*_seal(old), both)
    assert (opened.key_index, opened.token_index) == (1, 1)
    reply = seal_reply(both, opened, "<xml/>", timestamp=NOW, random=RANDOM)
    assert open_reply(old, reply) == "<xml/>"
    current = _open(*_seal(KEYS), both)
    assert (current.key_index, current.token_index) == (0, 0)


@settings(max_examples=300)
@given(st.data())
def test_a_bit_flipped_anywhere_in_the_body_is_refused(data: st.DataObject) -> None:
    query, body = _seal()
    damaged = bytearray(body)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadSignature, MalformedPush)):
        _open(query, bytes(damaged))


@settings(max_examples=300)
@given(st.data())
def test_a_bit_flipped_anywhere_in_the_encrypt_value_is_a_bad_signature(data: st.DataObject) -> None:
    query, body = _seal()
    start = body.index(b"<Encrypt><![CDATA[") + 18
    end = body.index(b"]]></Encrypt>")
    position = data.draw(st.integers(start, end - 1))
    # Flips that stay within base64's letters, so that the XML remains whole.
    damaged = bytearray(body)
    damaged[position] ^= data.draw(st.sampled_from([1, 2, 4, 8, 16, 32]))
    if not chr(damaged[position]).isalnum():
        damaged[position] = ord("A") if body[position] != ord("A") else ord("B")
    with pytest.raises(BadSignature):
        _open(query, bytes(damaged))


@given(st.data())
def test_a_bit_flipped_in_what_the_query_signs_is_refused(data: st.DataObject) -> None:
    query, body = _seal()
    raw = bytearray(f"msg_signature={query.msg_signature}&timestamp={NOW}&nonce=nonce7".encode())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadSignature, MalformedPush)):
        _open(PushQuery.parse(bytes(raw)), body)


def test_a_body_cut_anywhere_is_malformed() -> None:
    query, body = _seal()
    for cut in range(len(body)):
        with pytest.raises(MalformedPush):
            _open(query, body[:cut])


def test_an_encrypt_value_cut_anywhere_is_a_bad_signature() -> None:
    query, body = _seal()
    encrypt = body[body.index(b"<Encrypt><![CDATA[") + 18 : body.index(b"]]></Encrypt>")]
    for cut in range(1, len(encrypt), 7):
        with pytest.raises(BadSignature):
            _open(query, body.replace(encrypt, encrypt[:cut]))


@given(st.binary(max_size=300), st.binary(max_size=200))
def test_random_queries_and_bodies_raise_nothing_but_invalid_pushes(query_string: bytes, body: bytes) -> None:
    for keys in (KEYS, _keys(Mode.COMPATIBLE, None), _keys(Mode.PLAINTEXT, None)):
        with pytest.raises(InvalidPush):
            _open(PushQuery.parse(query_string), body, keys)


@given(st.binary(max_size=120))
def test_signed_nonsense_raises_nothing_but_malformed(plain: bytes) -> None:
    keys = _keys(Mode.SAFE, None)
    query, body = _seal(keys, plain)
    with suppress(MalformedPush):
        _open(query, body, keys)


def _with(query: PushQuery, **changes: str | None) -> PushQuery:
    names = ("signature", "msg_signature", "timestamp", "nonce", "openid", "encrypt_type", "echostr")
    return PushQuery(**({name: getattr(query, name) for name in names} | changes))


def test_a_missing_msg_signature_is_explained_when_the_plain_one_is_right() -> None:
    query, body = _seal()
    with pytest.raises(BadSignature, match="msg_signature is missing, though the plain signature is right"):
        _open(_with(query, msg_signature=None), body)


def test_a_plain_signature_passed_as_msg_signature_is_explained() -> None:
    query, body = _seal()
    with pytest.raises(BadSignature, match="msg_signature is the plain signature"):
        _open(_with(query, msg_signature=query.signature, signature=None), body)


def test_a_body_exchanged_under_a_right_plain_signature_is_explained() -> None:
    query, _ = _seal()
    _, other = _seal(plain=PLAIN.replace(b"<MsgId>", b"<MsgId >"))
    with pytest.raises(BadSignature, match="does not match the body"):
        _open(query, other)


def test_a_foreign_token_is_a_bad_signature_without_further_explanation() -> None:
    query, body = _seal(PushKeys.make(APPID, ["foreign"], [KEY]))
    with pytest.raises(BadSignature, match="is the Token"):
        _open(query, body)


def test_a_push_for_another_appid_names_it() -> None:
    query, body = _seal(PushKeys.make("wxffffffffffffffff", [TOKEN], [KEY]))
    with pytest.raises(WrongAppid) as caught:
        _open(query, body)
    assert caught.value.found == "wxffffffffffffffff"


def test_a_push_sealed_with_an_unknown_key_is_undecipherable() -> None:
    query, body = _seal(PushKeys.make(APPID, [TOKEN], [OLD_KEY]))
    with pytest.raises(UndecipherablePush):
        _open(query, body)


@pytest.mark.parametrize("age", [-301, 301, -(10**9), 10**9])
def test_a_timestamp_outside_the_window_is_stale(age: int) -> None:
    query, body = _seal()
    with pytest.raises(StalePush, match="clock"):
        _open(query, body, now=NOW + age)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_a_timestamp_at_the_edge_of_the_window_is_accepted(age: int) -> None:
    query, body = _seal()
    assert _open(query, body, now=NOW + age).fields["MsgId"] == "1"


@pytest.mark.parametrize("timestamp", [None, "", "x", "-1", "1.5", "١٧", "²", "9" * 400, " 1700000000"])
def test_a_timestamp_that_is_no_number_is_malformed(timestamp: str | None) -> None:
    query, body = _seal()
    with pytest.raises(MalformedPush):
        _open(_with(query, timestamp=timestamp), body)


def test_a_forged_timestamp_is_judged_as_a_signature_first() -> None:
    query, body = _seal()
    with pytest.raises(BadSignature):
        _open(_with(query, timestamp="1"), body)


def test_safe_mode_never_takes_a_plain_body() -> None:
    query, body = _seal(_keys(Mode.PLAINTEXT))
    with pytest.raises(MalformedPush, match="never accepted"):
        _open(query, body)


def test_compatible_mode_opens_the_encrypted_part_and_ignores_the_plain_one() -> None:
    keys = _keys(Mode.COMPATIBLE)
    query, body = _seal(keys)
    forged = body.replace("你好".encode(), b"evil")
    assert forged != body
    assert _open(query, forged, keys).fields["Content"] == "你好"


@pytest.mark.parametrize("encrypt_type", ["aes", "raw", None])
def test_compatible_mode_takes_no_plain_body_whatever_the_query_says(encrypt_type: str | None) -> None:
    query, _ = _seal(_keys(Mode.COMPATIBLE))
    with pytest.raises(MalformedPush, match="no Encrypt"):
        _open(_with(query, encrypt_type=encrypt_type), PLAIN, _keys(Mode.COMPATIBLE))


def test_compatible_mode_is_judged_by_msg_signature_alone() -> None:
    query, body = _seal(_keys(Mode.COMPATIBLE))
    assert _open(_with(query, signature=None, encrypt_type=None), body, _keys(Mode.COMPATIBLE)).encrypted
    with pytest.raises(BadSignature):
        _open(_with(query, msg_signature=None), body, _keys(Mode.COMPATIBLE))


def test_plaintext_mode_says_so_when_the_push_is_encrypted() -> None:
    with pytest.raises(MalformedPush, match="plaintext mode"):
        _open(*_seal(), _keys(Mode.PLAINTEXT))


def test_json_is_refused_where_xml_is_due_and_the_other_way_round() -> None:
    query, body = _seal(_keys(Mode.SAFE, Format.JSON), PLAIN_JSON, Format.JSON)
    with pytest.raises(MalformedPush, match="JSON where XML is due"):
        _open(query, body)
    with pytest.raises(MalformedPush, match="XML where JSON is due"):
        _open(*_seal(), _keys(Mode.SAFE, Format.JSON))
    assert _open(query, body, _keys(Mode.SAFE, None)).format is Format.JSON


def test_a_receiver_changed_on_the_envelope_is_malformed() -> None:
    query, body = _seal()
    with pytest.raises(MalformedPush, match="receiver"):
        _open(query, body.replace(GH.encode(), b"gh_000000000000"))


def test_two_encrypt_values_are_malformed() -> None:
    query, body = _seal()
    start, end = body.index(b"<Encrypt>"), body.index(b"</Encrypt>") + 10
    with pytest.raises(MalformedPush, match="twice"):
        _open(query, body.replace(b"</xml>", body[start:end] + b"</xml>"))


def test_json_values_read_like_xml() -> None:
    keys = _keys(Mode.SAFE, Format.JSON)
    plain = b'{"n":1,"f":1.50,"t":true,"z":null,"l":[1,{"a":2}],"s":"\\ud800","x":NaN}'
    assert _open(*_seal(keys, plain, Format.JSON), keys).fields == {
        "n": "1",
        "f": "1.50",
        "t": "true",
        "z": "",
        "l": ["1", {"a": "2"}],
        "s": "?",
        "x": "NaN",
    }


@pytest.mark.parametrize(
    "plain", [b"[1]", b'"x"', b"{" * 30, b'{"a":' * 30 + b"1" + b"}" * 30, b'{"a":' * 100_000]
)
def test_json_of_another_shape_is_malformed(plain: bytes) -> None:
    keys = _keys(Mode.PLAINTEXT, None)
    query, body = _seal(keys, plain, Format.JSON)
    with pytest.raises(MalformedPush):
        _open(query, body, keys)


def test_url_verification_returns_the_echo_for_any_of_the_tokens() -> None:
    keys = PushKeys.make(APPID, ["new", TOKEN], [])
    query = PushQuery(sign(TOKEN, "1", "2"), None, "1", "2", None, None, "4375<b>")
    assert check_echo(keys, query) == "4375<b>"
    with pytest.raises(BadSignature):
        check_echo(keys, _with(query, nonce="3"))
    with pytest.raises(MalformedPush, match="echostr"):
        check_echo(keys, _with(query, echostr=None))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda body: b'{"ok":true}', "missing"),
        (lambda body: b"<xml><Content>plain</Content></xml>", "Encrypt is missing"),
        (lambda body: b"success\n", "not well-formed"),
        (lambda body: b"\xff", "UTF-8"),
        (lambda body: body.replace(b"<TimeStamp>17", b"<TimeStamp>18"), "does not match"),
        (lambda body: body[:-1], "well-formed"),
        (lambda body: b"<html>502</html>", "root"),
    ],
)
def test_a_broken_reply_is_refused_in_words(damage: Callable[[bytes], bytes], words: str) -> None:
    opened = _open(*_seal())
    body = seal_reply(KEYS, opened, "<xml/>", timestamp=NOW, random=RANDOM)
    with pytest.raises(InvalidReply, match=f"(?i){words}"):
        open_reply(KEYS, damage(body))


def test_a_query_survives_encoding_in_wechats_order() -> None:
    query = PushQuery("s", "m", "1", "n&=+ 中", "o", "aes", None)
    text = query.encode()
    assert PushQuery.parse(text.encode()) == query
    names = [pair.partition("=")[0] for pair in text.split("&")]
    assert names == ["signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature"]


def test_a_repeated_query_parameter_counts_the_first_time() -> None:
    assert PushQuery.parse(b"nonce=1&nonce=2&x=3&&=").nonce == "1"


def test_keys_are_checked_when_they_are_configured() -> None:
    with pytest.raises(BadKey):
        PushKeys.make(APPID, [TOKEN], [KEY, "short"])


def test_an_empty_token_is_refused_because_anybody_could_sign_with_it() -> None:
    with pytest.raises(ConfigError, match="Token"):
        PushKeys.make(APPID, [TOKEN, ""], [KEY])


def test_nothing_printed_shows_a_token_or_what_was_sealed() -> None:
    assert TOKEN not in repr(KEYS)
    assert "o9AgO5Kd5ggOC" in repr(_open(*_seal()).query)
    assert "MsgType" not in repr(_open(*_seal()))
