"""The maker of replies, and what a handler is told that returned something else."""

from typing import Any

import pytest

from wxgate import ReplyMaker, reply
from wxgate.errors import InvalidReply
from wxgate.protocol.replies import from_handler, parse_reply, render

make = ReplyMaker()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (make.text("在的"), reply.Text("在的")),
        (make.image("m"), reply.Image("m")),
        (make.voice("m"), reply.Voice("m")),
        (make.video("m", "t", "d"), reply.Video("m", "t", "d")),
        (make.music("m", title="t", url="u", hq_url="h"), reply.Music("m", "t", "", "u", "h")),
        (
            make.news(make.article("a", url="u"), make.article("b", "d", pic_url="p")),
            reply.News((reply.Article("a", url="u"), reply.Article("b", "d", "p"))),
        ),
        (make.transfer(), reply.TransferCustomerService()),
        (make.transfer("agent@shop"), reply.TransferCustomerService("agent@shop")),
    ],
)
def test_every_kind_of_reply_is_made(made: reply.Reply, expected: reply.Reply) -> None:
    assert made == expected
    rendered = render(made, to_user="oUser", from_user="gh_1", created_at=1)
    assert parse_reply(rendered).reply == expected


@pytest.mark.parametrize(
    "call",
    [lambda: make.text(" "), lambda: make.text("字" * 683), lambda: make.image(""), make.news],
)
def test_a_reply_that_wechat_would_refuse_is_refused_where_it_is_made(call: Any) -> None:
    with pytest.raises(InvalidReply):
        call()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (reply.Text, "returned type, the class Text itself"),
        ({"errcode": 0, "errmsg": "ok"}, "WeChat's answer to a call"),
        ({"content": "hi"}, "not written as WeChat's JSON"),
        (reply.Article("a"), "inside News"),
        ([reply.Article("a")], "returned list, but articles become a reply inside News"),
        ((reply.Article("a"),), "returned tuple, but articles become a reply inside News"),
        (b"hi", "decoded"),
        (7, "returned int;"),
    ],
)
def test_nonsense_is_named_and_what_may_be_returned_is_listed(returned: object, words: str) -> None:
    with pytest.raises(InvalidReply) as refused:
        from_handler(returned)

    assert words in str(refused.value)
    assert "return a str, a reply such as" in str(refused.value)
