"""Codes become people: each call as WeChat documents it, against WeChat in a box."""

import json
from typing import Any

import pytest

from wxgate.client.api import WeChatApi
from wxgate.client.sns import SnsApi
from wxgate.client.transport import Request, Response
from wxgate.errors import LoginCodeRejected, TokenRejected, UpstreamError, WeChatError
from wxgate.secret import AppSecret, ComponentToken, OAuthCode, UserRefreshToken, UserToken

SECRET, CODE, TOKEN = AppSecret("secret"), OAuthCode("code"), ComponentToken("component")
PERSON = {
    "access_token": "at",
    "expires_in": 7200,
    "refresh_token": "rt",
    "openid": "o1",
    "scope": "snsapi_base,snsapi_userinfo",
}


class Wire:
    """A transport that notes what is sent and answers as it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.sent: list[Request] = []

    async def send(self, request: Request) -> Response:
        """Answer."""
        self.sent.append(request)
        return Response(200, "text/plain", self.answer)


def sns(answer: Any) -> tuple[SnsApi, Wire]:
    """Make the API over such a wire."""
    wire = Wire(answer)
    return SnsApi(WeChatApi(wire, "https://api.example")), wire


def asked(wire: Wire) -> tuple[str, dict[str, str], bool]:
    """Return path, query and whether it was sent once only."""
    [request] = wire.sent
    assert (request.method, request.body) == ("GET", b"")
    return request.url.removeprefix("https://api.example"), dict(request.query), request.once


async def test_a_code_is_exchanged_with_an_own_secret() -> None:
    api, wire = sns(PERSON | {"unionid": "u1"})
    person = await api.exchange("wx1", SECRET, CODE)
    assert (person.openid, person.unionid, person.snapshot) == ("o1", "u1", False)
    assert person.scopes == {"snsapi_base", "snsapi_userinfo"}
    assert (person.token, person.refresh_token) == (UserToken("at"), UserRefreshToken("rt"))
    query = {"appid": "wx1", "secret": "secret", "code": "code", "grant_type": "authorization_code"}
    assert asked(wire) == ("/sns/oauth2/access_token", query, True)


async def test_a_code_is_exchanged_on_behalf_with_the_platforms_token() -> None:
    api, wire = sns(PERSON | {"is_snapshotuser": 1})
    person = await api.exchange_on_behalf("wx1", "wxc", TOKEN, CODE)
    assert person.snapshot
    assert person.unionid is None
    query = {
        "appid": "wx1",
        "code": "code",
        "grant_type": "authorization_code",
        "component_appid": "wxc",
        "component_access_token": "component",
    }
    assert asked(wire) == ("/sns/oauth2/component/access_token", query, True)


async def test_a_mini_programs_code_is_exchanged_both_ways() -> None:
    answer = {"errcode": 0, "openid": "o1", "session_key": "k==", "unionid": "u1"}
    api, wire = sns(answer)
    session = await api.js_code("wx1", SECRET, CODE)
    assert (session.openid, session.session_key.reveal(), session.unionid) == ("o1", "k==", "u1")
    query = {"appid": "wx1", "secret": "secret", "js_code": "code", "grant_type": "authorization_code"}
    assert asked(wire) == ("/sns/jscode2session", query, True)
    api, wire = sns(answer)
    await api.js_code_on_behalf("wx1", "wxc", TOKEN, CODE)
    path, query, once = asked(wire)
    assert (path, query["js_code"], query["component_access_token"]) == (
        "/sns/component/jscode2session",
        "code",
        "component",
    )
    assert once


async def test_a_persons_token_can_be_renewed_and_checked() -> None:
    api, wire = sns(PERSON)
    await api.refresh("wx1", UserRefreshToken("rt"))
    query = {"appid": "wx1", "grant_type": "refresh_token", "refresh_token": "rt"}
    assert asked(wire) == ("/sns/oauth2/refresh_token", query, False)
    api, wire = sns(PERSON)
    await api.refresh_on_behalf("wx1", "wxc", TOKEN, UserRefreshToken("rt"))
    assert asked(wire)[0] == "/sns/oauth2/component/refresh_token"
    api, wire = sns({"errcode": 0, "errmsg": "ok"})
    await api.check(UserToken("at"), "o1")
    assert asked(wire) == ("/sns/auth", {"access_token": "at", "openid": "o1"}, False)


async def test_a_nickname_arrives_with_a_raw_control_character_in_it() -> None:
    body = '{"openid":"o1","nickname":"小\x14明🌱","headimgurl":"http://a.example/132","privilege":[]}'
    api, _ = sns(body.encode())
    info = await api.user_info(UserToken("at"), "o1")
    assert (info.openid, info.nickname, info.avatar) == ("o1", "小\x14明🌱", "http://a.example/132")


@pytest.mark.parametrize("errcode", [40029, 40163, 41008, 42003])
async def test_a_code_that_is_no_good_is_told_from_other_trouble(errcode: int) -> None:
    api, _ = sns({"errcode": errcode, "errmsg": "code been used, rid: 6538ac7d-18c7e09b-572e68c3"})
    with pytest.raises(LoginCodeRejected) as refused:
        await api.exchange("wx1", SECRET, CODE)
    assert refused.value.rid == "6538ac7d-18c7e09b-572e68c3"


async def test_a_component_token_that_is_no_good_is_told_from_a_code() -> None:
    api, _ = sns({"errcode": 40001, "errmsg": "invalid credential"})
    with pytest.raises(TokenRejected):
        await api.exchange_on_behalf("wx1", "wxc", TOKEN, CODE)


@pytest.mark.parametrize(
    "answer", [[], {"openid": "o1"}, {"access_token": "at"}, {"access_token": "at", "openid": 5}]
)
async def test_an_answer_without_a_person_in_it_is_no_answer(answer: Any) -> None:
    api, _ = sns(answer)
    with pytest.raises(UpstreamError) as nonsense:
        await api.exchange("wx1", SECRET, CODE)
    assert nonsense.value.sent


async def test_what_was_granted_is_shown_to_nobody() -> None:
    api, wire = sns(PERSON)
    person = await api.exchange("wx1", SECRET, CODE)
    assert "'at'" not in repr(person)
    assert "secret" not in repr(wire.sent)
    api, _ = sns({"errcode": 48001, "errmsg": "api unauthorized"})
    with pytest.raises(WeChatError, match="48001"):
        await api.user_info(person.token, "o1")
