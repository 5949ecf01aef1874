"""Published samples of WeChat's encryption, checked in both directions."""

import json
from pathlib import Path
from typing import Any

import pytest

from wxgate.protocol.aes import Cipher
from wxgate.protocol.envelope import (
    PushKeys,
    PushQuery,
    check_echo,
    open_push,
    open_reply,
    seal_push,
    seal_reply,
)
from wxgate.protocol.signature import jsapi_signature, matches, sign

GOLDEN = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
SIGNED = [vector for vector in GOLDEN["vectors"] if "signature" in vector]
SEALED = [vector for vector in GOLDEN["vectors"] if "encrypt" in vector]


def _named(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def _vector(name: str) -> dict[str, Any]:
    return next(vector for vector in GOLDEN["vectors"] if vector["name"] == name)


@_named(SIGNED)
def test_a_published_signature_is_made_again(vector: dict[str, Any]) -> None:
    assert sign(vector["token"], vector["timestamp"], vector["nonce"]) == vector["signature"]


@_named(SEALED)
def test_a_published_msg_signature_is_made_again(vector: dict[str, Any]) -> None:
    parts = (vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert sign(*parts) == vector["msg_signature"]
    assert matches(vector["msg_signature"], *parts)


@_named(SEALED)
def test_a_published_ciphertext_opens(vector: dict[str, Any]) -> None:
    opened = Cipher(vector["encodingAESKey"]).open(vector["encrypt"])
    assert opened.message.decode() == vector["msg"]
    assert len(opened.message) == vector["msg_len"]
    assert opened.appid == vector["appid"]
    assert opened.random.decode() == vector["random"]


@_named(SEALED)
def test_a_published_ciphertext_is_made_again(vector: dict[str, Any]) -> None:
    sealed = Cipher(vector["encodingAESKey"]).seal(
        vector["msg"].encode(), vector["appid"], vector["random"].encode()
    )
    assert sealed == vector["encrypt"]


def test_the_published_url_verification_passes() -> None:
    vector = _vector("url_verification_GET")
    keys = PushKeys.make("wx0000000000000000", [vector["token"]], [])
    query = PushQuery.parse(
        f"signature={vector['signature']}&echostr={vector['echostr']}"
        f"&timestamp={vector['timestamp']}&nonce={vector['nonce']}".encode()
    )
    assert check_echo(keys, query) == vector["echostr"]


@pytest.mark.parametrize(
    ("name", "receiver"),
    [
        ("safe_mode_xml_third_party_message", ("ToUserName", "gh_97417a04a28d")),
        ("real_component_push_unauthorized", ("AppId", "wxbbd3f07e2945cf2a")),
    ],
)
def test_a_published_push_is_sealed_and_opened_whole(name: str, receiver: tuple[str, str]) -> None:
    vector = _vector(name)
    keys = PushKeys.make(vector["appid"], [vector["token"]], [vector["encodingAESKey"]])
    timestamp = int(vector["timestamp"])
    query_string, body = seal_push(
        keys,
        vector["msg"].encode(),
        timestamp=timestamp,
        nonce=vector["nonce"],
        random=vector["random"].encode(),
        receiver=receiver,
    )
    query = PushQuery.parse(query_string.encode())
    assert query.signature == vector["signature"]
    assert query.msg_signature == vector["msg_signature"]
    assert vector["encrypt"].encode() in body
    opened = open_push(keys, query, body, now=timestamp, max_age=0)
    assert opened.plain.decode() == vector["msg"]
    assert opened.receiver == receiver[1]


def test_a_push_with_the_real_white_space_opens() -> None:
    vector = _vector("real_component_push_unauthorized")
    keys = PushKeys.make(vector["appid"], [vector["token"]], [vector["encodingAESKey"]])
    body = (
        f"<xml>\n    <AppId><![CDATA[{vector['appid']}]]></AppId>\n"
        f"    <Encrypt><![CDATA[{vector['encrypt']}]]></Encrypt>\n</xml>\n"
    ).encode()
    query = PushQuery(
        msg_signature=vector["msg_signature"], timestamp=vector["timestamp"], nonce=vector["nonce"]
    )
    opened = open_push(keys, query, body, now=int(vector["timestamp"]) + 3, max_age=60)
    assert opened.fields == {
        "AppId": "wxbbd3f07e2945cf2a",
        "CreateTime": "1436876196",
        "InfoType": "unauthorized",
        "AuthorizerAppid": "wx570bc396a51b8ff8",
    }


def test_the_published_reply_is_sealed_and_opened_whole() -> None:
    vector, push = _vector("reply_xml_third_party"), _vector("safe_mode_xml_third_party_message")
    keys = PushKeys.make(vector["appid"], [vector["token"]], [vector["encodingAESKey"]])
    query_string, body = seal_push(
        keys,
        push["msg"].encode(),
        timestamp=1,
        nonce=vector["nonce"],
        random=bytes(16),
        receiver=None,
    )
    opened = open_push(keys, PushQuery.parse(query_string.encode()), body, now=1, max_age=0)
    reply = seal_reply(
        keys, opened, vector["msg"], timestamp=int(vector["timestamp"]), random=vector["random"].encode()
    )
    for expected in (vector["encrypt"], vector["msg_signature"], vector["timestamp"], vector["nonce"]):
        assert expected.encode() in reply
    assert open_reply(keys, reply) == vector["msg"]


def test_the_published_page_signature_is_made_again() -> None:
    sample = GOLDEN["jsapi"]
    for url in (sample["url"], sample["url"] + "#/a/route"):
        made = jsapi_signature(sample["ticket"], sample["noncestr"], sample["timestamp"], url)
        assert made == sample["signature"]
