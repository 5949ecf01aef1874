"""Redaction: people's words go, the shape stays."""

import pytest

from wxgate.events.redaction import redact_fields, redact_reply


def test_words_are_hidden_at_any_depth_and_nothing_else() -> None:
    fields = {
        "MsgType": "link",
        "Title": "t",
        "Description": "",
        "Url": "https://example.com",
        "List": [{"Content": {"Item": ["a", 1]}}, "x"],
    }
    assert redact_fields(fields) == {
        "MsgType": "link",
        "Title": "****",
        "Description": "",
        "Url": "https://example.com",
        "List": [{"Content": {"Item": ["****", "****"]}}, "x"],
    }


@pytest.mark.parametrize(
    "content",
    ["<![CDATA[hello]]>", "hello &lt; you", "<![CDATA[</Content>]]>", "<![CDATA[a]]]]><![CDATA[>b]]>", ""],
)
def test_the_words_of_a_reply_are_hidden_however_they_are_written(content: str) -> None:
    reply = f"<xml><ToUserName><![CDATA[o]]></ToUserName><Content>{content}</Content><MsgId>1</MsgId></xml>"
    assert redact_reply(reply) == (
        "<xml><ToUserName><![CDATA[o]]></ToUserName><Content><![CDATA[****]]></Content><MsgId>1</MsgId></xml>"
    )


def test_a_reply_that_never_ends_is_read_in_no_time() -> None:
    assert redact_reply("<Content>" + "<![CDATA[x]]>a" * 5000) is not None


def test_no_reply_stays_none() -> None:
    assert redact_reply(None) is None


def test_the_words_of_a_json_message_are_hidden() -> None:
    assert redact_reply('{"msgtype": "text", "text": {"content": "a \\" b"}}') == (
        '{"msgtype": "text", "text": {"content": "****"}}'
    )
