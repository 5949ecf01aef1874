"""A passive reply says the same as a customer-service message."""

from typing import Any

import pytest

from wxgate.errors import InvalidReply
from wxgate.protocol import replies as r
from wxgate.protocol.custom_messages import custom_message

ARTICLE = r.Article("题", "述", "https://example.com/p.png", "https://example.com")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (r.Text("好"), {"msgtype": "text", "text": {"content": "好"}}),
        (r.Image("m"), {"msgtype": "image", "image": {"media_id": "m"}}),
        (r.Voice("m"), {"msgtype": "voice", "voice": {"media_id": "m"}}),
        (
            r.Video("m", "题", "述"),
            {"msgtype": "video", "video": {"media_id": "m", "title": "题", "description": "述"}},
        ),
        (
            r.Music("t", "歌", "手", "u", "h"),
            {
                "msgtype": "music",
                "music": {
                    "title": "歌",
                    "description": "手",
                    "musicurl": "u",
                    "hqmusicurl": "h",
                    "thumb_media_id": "t",
                },
            },
        ),
        (
            r.News((ARTICLE,)),
            {
                "msgtype": "news",
                "news": {
                    "articles": [
                        {
                            "title": "题",
                            "description": "述",
                            "url": "https://example.com",
                            "picurl": "https://example.com/p.png",
                        }
                    ]
                },
            },
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_reply_is_written_as_wechats_page_says(reply: r.Reply, message: dict[str, Any]) -> None:
    assert custom_message(reply, "o-user") == {"touser": "o-user", **message}


def test_a_mini_program_shows_one_article_as_a_link() -> None:
    message = custom_message(r.News((ARTICLE,)), "o", mini_program=True)
    assert message["msgtype"] == "link"
    assert message["link"]["thumb_url"] == "https://example.com/p.png"
    assert custom_message(r.Text("好"), "o", mini_program=True)["text"] == {"content": "好"}


@pytest.mark.parametrize(
    ("reply", "mini_program", "words"),
    [
        (r.TransferCustomerService(), False, "passive reply only"),
        (r.Voice("m"), True, "cannot be sent a Voice"),
        (r.News((ARTICLE, ARTICLE)), True, "news of one article"),
    ],
)
def test_what_cannot_be_said_this_way_is_refused(reply: r.Reply, mini_program: bool, words: str) -> None:
    with pytest.raises(InvalidReply, match=words):
        custom_message(reply, "o", mini_program=mini_program)
