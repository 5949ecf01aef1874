"""The form `wechat`, judged by our own reader of pushes and by wechatpy."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from wechatpy.crypto import WeChatCrypto

from tests.events.events import a_subscriber, an_event
from wxgate.errors import InvalidReply
from wxgate.events.forms import make_posting, read_reply
from wxgate.events.forms.wechat import keys_of
from wxgate.events.records import Event, EventKind, Form
from wxgate.events.sending import Answered, Posting
from wxgate.protocol import replies, xml
from wxgate.protocol.envelope import OpenedPush, PushQuery, open_push, seal_reply
from wxgate.protocol.xml import Renderable

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SUBSCRIBER = a_subscriber(form=Form.WECHAT, url="https://old.example.com/wx/$APPID$")
FIELDS = {
    "ToUserName": "gh_shop",
    "FromUserName": "oUser",
    "CreateTime": "1772359200",
    "MsgType": "text",
    "Content": "在吗",
    "MsgId": "7",
}
PLAIN = "<xml>\n<ToUserName><![CDATA[gh_shop]]></ToUserName><Content><![CDATA[在吗]]></Content>\n</xml>"
EVENT = an_event(fields=FIELDS, plain=PLAIN)


def post(event: Event = EVENT, subscriber: Any = SUBSCRIBER) -> Posting:
    """Write an event as a push."""
    return make_posting(subscriber, event, now=NOW, random=os.urandom(32))


def opened(posting: Posting, event: Event = EVENT, subscriber: Any = SUBSCRIBER) -> OpenedPush:
    """Open a push as the subscriber does."""
    query = PushQuery.parse(urlsplit(posting.url).query.encode())
    keys = keys_of(subscriber, event)
    return open_push(keys, query, posting.body, now=int(NOW.timestamp()), max_age=60)


def sealed(plain: str) -> Answered:
    """Seal a reply as an SDK server does."""
    push = opened(post())
    keys = keys_of(SUBSCRIBER, EVENT)
    return Answered(200, seal_reply(keys, push, plain, timestamp=int(NOW.timestamp()), random=os.urandom(16)))


def reply_xml(**changed: Renderable) -> str:
    """Write a text reply, with something changed."""
    fields: dict[str, Renderable] = {
        "ToUserName": "oUser",
        "FromUserName": "gh_shop",
        "CreateTime": 1772359201,
        "MsgType": "text",
        "Content": "在的",
    }
    return xml.render(fields | changed)


def test_the_push_inside_is_the_very_one_that_came() -> None:
    posting = post()
    assert urlsplit(posting.url).path == "/wx/wxshop"
    assert opened(posting).plain.decode() == PLAIN
    assert opened(posting).receiver == "gh_shop"


def test_the_query_is_like_wechats() -> None:
    query = parse_qs(urlsplit(post().url).query)
    assert set(query) == {"signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature"}
    assert query["openid"] == ["oUser"]
    assert query["encrypt_type"] == ["aes"]


def test_a_url_may_have_a_query_of_its_own() -> None:
    posting = post(subscriber=replace(SUBSCRIBER, url="https://old.example.com/?s=wx"))
    assert posting.url.startswith("https://old.example.com/?s=wx&signature=")


def test_wechatpy_opens_it() -> None:
    posting = post()
    query = parse_qs(urlsplit(posting.url).query)
    token, key = SUBSCRIBER.secrets.token, SUBSCRIBER.secrets.aes_key
    assert token is not None
    assert key is not None
    crypto = WeChatCrypto(token.reveal(), key.reveal(), "wxshop")
    signature, timestamp, nonce = (query[name][0] for name in ("msg_signature", "timestamp", "nonce"))
    assert crypto.decrypt_message(posting.body, signature, timestamp, nonce) == PLAIN


@pytest.mark.parametrize("plain", [None, json.dumps(FIELDS)])
def test_what_came_as_json_is_written_again(plain: str | None) -> None:
    event = replace(
        EVENT, plain=plain, fields={**FIELDS, "2 odd": "x", "List": [{"a": "1"}, {"a": "2"}], "Key": ""}
    )
    assert opened(post(event)).fields == {**FIELDS, "List": [{"a": "1"}, {"a": "2"}], "Key": ""}


def test_the_envelope_can_name_the_platform() -> None:
    subscriber = replace(SUBSCRIBER, envelope_appid="platform")
    assert keys_of(subscriber, EVENT).appid == "wxplatform"
    assert keys_of(subscriber, replace(EVENT, issuer="direct")).appid == "wxshop"
    assert opened(post(subscriber=subscriber), subscriber=subscriber).plain.decode() == PLAIN


def test_a_component_event_is_the_platforms() -> None:
    fields = {
        "AppId": "wxplatform",
        "CreateTime": "1",
        "InfoType": "unauthorized",
        "AuthorizerAppid": "wxshop",
    }
    event = an_event(kind=EventKind.COMPONENT, name="unauthorized", appid="", openid="", fields=fields)
    posting = post(event)
    assert urlsplit(posting.url).path == "/wx/wxplatform"
    assert opened(posting, event).fields == fields
    assert opened(posting, event).receiver == "wxplatform"


def test_a_sealed_reply_is_opened() -> None:
    reply = read_reply(SUBSCRIBER, EVENT, sealed(reply_xml()))
    assert reply == replies.Text("在的")


@pytest.mark.parametrize("body", [b"", b"success", b" success\n"])
def test_success_and_nothing_are_no_reply(body: bytes) -> None:
    assert read_reply(SUBSCRIBER, EVENT, Answered(200, body)) is None


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (Answered(200, b"ok"), "begins with 'ok'"),
        (Answered(200, b"<html>login"), "begins with '<html>"),
        (Answered(200, b'{"reply": "hi"}'), "is JSON where WeChat expects encrypted XML"),
        (Answered(200, reply_xml().encode()), "not encrypted"),
        (Answered(200, b"<xml><Encrypt>x</Encrypt></xml>"), "cannot be opened"),
        (Answered(200, b"success", whole=False), "far larger"),
        (sealed(reply_xml(ToUserName="gh_shop", FromUserName="oUser")), "are not swapped"),
        (sealed(reply_xml(ToUserName="oOther")), "goes from 'gh_shop' to 'oOther'"),
        (sealed(reply_xml(CreateTime=1.5)), "CreateTime is not a number"),
        (sealed(reply_xml(MsgType="dance")), "'dance' is not a type"),
        (sealed(reply_xml(Content=" ")), "text is empty"),
        (sealed("在的"), "not the XML"),
    ],
)
def test_nonsense_is_told_in_words(answered: Answered, words: str) -> None:
    with pytest.raises(InvalidReply, match=words):
        read_reply(SUBSCRIBER, EVENT, answered)


def test_a_reply_sealed_with_other_keys_is_refused() -> None:
    answered = sealed(reply_xml())
    other = replace(SUBSCRIBER, secrets=replace(SUBSCRIBER.secrets, token=None, aes_key=None))
    stranger = replace(other, secrets=a_subscriber().secrets, envelope_appid="platform")
    with pytest.raises(InvalidReply, match="Sealed for appid"):
        read_reply(stranger, EVENT, answered)
