"""The maker of replies, and what a handler is told that returned something else."""

from typing import Any

import pytest

from wxgate import ReplyMaker, reply
from wxgate.errors import ConfigError, InvalidReply
from wxgate.protocol.messages import TextMessage
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


class Account:
    """Notes what is posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, object]] = []

    async def post(self, path: str, *, json: Any = None) -> None:
        """Note a call."""
        self.posted.append((path, json))


MESSAGE = TextMessage(account="gh_1", openid="oUser", created_at=1, type="text", content="hi", raw={})


@pytest.mark.parametrize("given", ["稍等", reply.Text("稍等")])
async def test_a_message_besides_is_sent_as_customer_service(given: str | reply.Reply) -> None:
    account = Account()

    await ReplyMaker(MESSAGE, account).send(given)

    sent = {"touser": "oUser", "msgtype": "text", "text": {"content": "稍等"}}
    assert account.posted == [("cgi-bin/message/custom/send", sent)]


async def test_what_cannot_be_sent_is_refused_before_wechat_is_called() -> None:
    account = Account()
    maker = ReplyMaker(MESSAGE, account)

    for given in ("", reply.Image(""), make.transfer()):
        with pytest.raises(InvalidReply):
            await maker.send(given)
    with pytest.raises(ConfigError, match="no user"):
        await ReplyMaker(None, account).send("hello")
    assert account.posted == []
