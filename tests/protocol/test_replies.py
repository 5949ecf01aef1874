"""Passive replies: what a handler may return, what WeChat would refuse, and the way there and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.errors import InvalidReply
from wxgate.protocol import replies as r
from wxgate.protocol.envelope import Format

REPLIES = [
    r.Text("你好 ]]> 😀"),
    r.Image("m"),
    r.Voice("m"),
    r.Video("m", "t", "d"),
    r.Video("m"),
    r.Music("thumb", "t", "d", "u", "h"),
    r.News((r.Article("t", "d", "p", "u"),)),
    r.News(tuple(r.Article(str(n)) for n in range(8))),
    r.TransferCustomerService(),
    r.TransferCustomerService("agent@account"),
]


def _render(reply: r.Reply, format: Format = Format.XML) -> str:
    return r.render(reply, to_user="oUser", from_user="gh_1", created_at=12345678, format=format)


@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_every_reply_is_rendered_and_read_back(reply: r.Reply) -> None:
    assert r.parse_reply(_render(reply)) == r.ParsedReply(reply, "oUser", "gh_1", 12345678)


def test_a_text_is_rendered_the_way_wechat_prints_it() -> None:
    assert _render(r.Text("你好")) == (
        "<xml><ToUserName><![CDATA[oUser]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>"
        "<CreateTime>12345678</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        "<Content><![CDATA[你好]]></Content></xml>"
    )


def test_a_reply_in_json_has_the_same_fields() -> None:
    assert json.loads(_render(r.TransferCustomerService("a@b"), Format.JSON)) == {
        "ToUserName": "oUser",
        "FromUserName": "gh_1",
        "CreateTime": 12345678,
        "MsgType": "transfer_customer_service",
        "TransInfo": {"KfAccount": "a@b"},
    }


@given(st.text())
def test_any_text_is_either_delivered_or_refused(content: str) -> None:
    try:
        xml = _render(r.Text(content))
    except InvalidReply:
        return
    parsed = r.parse_reply(xml).reply
    assert isinstance(parsed, r.Text)
    assert parsed.content.strip()


@pytest.mark.parametrize("value", [None, "", r.SILENCE])
def test_nothing_means_silence(value: object) -> None:
    assert r.from_handler(value) is None


def test_a_string_means_a_text() -> None:
    assert r.from_handler("hi") == r.Text("hi")


@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_a_reply_means_itself(reply: r.Reply) -> None:
    assert r.from_handler(reply) is reply


@pytest.mark.parametrize("value", [0, 1, True, False, b"hi", {"text": "hi"}, ["hi"], object(), r.Text, ()])
def test_anything_else_is_refused_with_a_lesson(value: object) -> None:
    with pytest.raises(InvalidReply, match=r"return a str, a reply such as Image\(media_id\), or None"):
        r.from_handler(value)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (r.Text(""), "empty"),
        (r.Text(" \n"), "empty"),
        (r.Text("\x00\x08"), "empty"),
        (r.Text("x" * 2049), "2049 bytes"),
        (r.Text("好" * 683), "2049 bytes"),
        (r.Image(""), "media_id"),
        (r.Voice(" "), "media_id"),
        (r.Video(""), "media_id"),
        (r.Music(""), "thumb_media_id"),
        (r.News(()), "1 to 8"),
        (r.News((r.Article("t"),) * 9), "1 to 8"),
        (r.News((r.Article(""),)), "title"),
    ],
)
def test_what_wechat_would_show_as_a_fault_is_refused(reply: r.Reply, words: str) -> None:
    with pytest.raises(InvalidReply, match=words):
        r.check(reply)
    with pytest.raises(InvalidReply, match=words):
        _render(reply)


def test_a_text_of_exactly_2048_bytes_is_sent() -> None:
    assert _render(r.Text("x" * 2048))
    assert _render(r.Text("好" * 682 + "xx"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (("<xml>", "<html>"), "not the XML"),
        (("<MsgType><![CDATA[text]]></MsgType>", ""), "no MsgType"),
        (("[text]", "[markdown]"), "'markdown' is not a type"),
        (("<CreateTime>12345678", "<CreateTime>now"), "CreateTime"),
        (("<ToUserName><![CDATA[oUser]]></ToUserName>", ""), "no ToUserName"),
        (("<FromUserName><![CDATA[gh_1]]></FromUserName>", "<FromUserName/>"), "no FromUserName"),
        (("[hi]", "[]"), "no Content"),
        (("[hi]", "[ ]"), "empty"),
        (("[text]", "[image]"), "no Image"),
        (("[text]", "[news]"), "at most|1 to 8|ArticleCount"),
    ],
)
def test_a_broken_reply_is_refused_in_words(damage: tuple[str, str], words: str) -> None:
    whole = _render(r.Text("hi"))
    broken = whole.replace(*damage)
    assert broken != whole
    with pytest.raises(InvalidReply, match=words):
        r.parse_reply(broken)


def test_a_wrong_article_count_is_refused() -> None:
    xml = _render(r.News((r.Article("t"),))).replace("<ArticleCount>1", "<ArticleCount>2")
    with pytest.raises(InvalidReply, match="ArticleCount"):
        r.parse_reply(xml)


@pytest.mark.parametrize("body", ['{"Content":"hi"}', "hi", "", "success"])
def test_what_is_no_xml_is_refused(body: str) -> None:
    with pytest.raises(InvalidReply, match="not the XML"):
        r.parse_reply(body)


def test_a_reply_of_an_application_is_read_when_it_goes_back_to_the_user() -> None:
    text = r.render(r.Text("好"), to_user="o-user", from_user="gh_1", created_at=1)
    assert r.read_reply(text, openid="o-user", account="gh_1") == r.Text("好")


@pytest.mark.parametrize(
    ("to_user", "from_user", "words"),
    [
        ("gh_1", "o-user", "not swapped"),
        ("o-other", "gh_1", "'o-other' and not the user"),
        ("o-user", "gh_2", "'gh_2' and not the account"),
    ],
)
def test_a_reply_to_somebody_else_is_refused_in_words(to_user: str, from_user: str, words: str) -> None:
    text = r.render(r.Text("好"), to_user=to_user, from_user=from_user, created_at=1)
    with pytest.raises(InvalidReply, match=words):
        r.read_reply(text, openid="o-user", account="gh_1")
