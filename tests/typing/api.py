"""The typed face as a user writes it; never run, only checked by the type checker."""

from typing import Any, assert_type

from starlette.requests import HTTPConnection

from wxgate import Account, Gateway, ReplyMaker, reply
from wxgate.protocol import replies
from wxgate.protocol.messages import TextMessage
from wxgate.sdk.login import Person, Visit
from wxgate.sdk.login.flask import login_required
from wxgate.sdk.login.starlette import required
from wxgate.secret import AccessToken

gateway = Gateway("sqlite:///x.db", public_base_url="https://wx.example.com")


@gateway.on("text")
async def answer(message: TextMessage, account: Account) -> reply.Text | None:
    """A handler keeps its own type under the decorator."""
    await account.post("cgi-bin/message/custom/send", json={"touser": message.openid})
    return reply.Text(message.content) if message.content else None


@gateway.on("event.subscribe", "event.scan", accounts=("wx1",))
def greet() -> str:
    """A plain function will do."""
    return "hello"


@gateway.on(TextMessage, "weapp_audit_*", accounts="wx1")
async def make(message: TextMessage, reply: ReplyMaker) -> replies.News:
    """Classes and patterns are names, and one account needs no tuple."""
    assert_type(reply.text(message.content), replies.Text)
    return reply.news(reply.article("Title"))


async def calls() -> None:
    """Calls on behalf of an account."""
    async with gateway as opened:
        account = assert_type(opened.account("wx1"), Account)
        assert_type(await account.get("cgi-bin/user/get"), Any)
        assert_type(await account.token(), AccessToken)


@login_required("consent", max_age=300)
def page(number: int) -> str:
    """A view keeps its own type under the decorator."""
    return str(number)


async def login(request: HTTPConnection, visit: Visit) -> None:
    """Whoever is logged in is a person, and a page that demands one has one."""
    assert_type(visit.person, Person | None)
    assert_type(await required()(request), Person)


assert_type(page(1), str)
assert_type(greet(), str)
