"""Calls to WeChat's API as they look on the wire, and what its answers become."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from wxgate.client.api import WeChatApi
from wxgate.client.component import ComponentApi, DirectApi
from wxgate.client.transport import Request, Response
from wxgate.errors import Busy, CodeRejected, UpstreamError, WeChatError
from wxgate.secret import AppSecret, AuthorizationCode, ComponentToken, RefreshToken, Ticket

TOKEN = ComponentToken("the component token")


class Wire:
    """A transport that answers from a list and remembers what was sent."""

    def __init__(self, *answers: bytes, status: int = 200, content_type: str = "application/json") -> None:
        self._answers = list(answers)
        self._status, self._content_type = status, content_type
        self.sent: list[Request] = []

    async def send(self, request: Request) -> Response:
        """Answer the next request."""
        self.sent.append(request)
        return Response(self._status, self._content_type, self._answers.pop(0))

    @property
    def component(self) -> ComponentApi:
        """The component API over this wire."""
        return ComponentApi(WeChatApi(self, "https://api.example.com/"))


async def call(wire: Wire, **options: Any) -> Any:
    """Make one plain call."""
    return await WeChatApi(wire, "https://api.example.com").call("POST", "cgi-bin/x", **options)


async def test_json_goes_out_as_raw_utf8() -> None:
    wire = Wire(b"{}")
    await call(wire, json={"text": {"content": "编号😀/"}}, query={"access_token": "t"})
    [request] = wire.sent
    assert request.url == "https://api.example.com/cgi-bin/x"
    assert request.query == {"access_token": "t"}
    assert request.body == '{"text":{"content":"编号😀/"}}'.encode()
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_body_goes_out_as_it_is() -> None:
    wire = Wire(b"{}")
    await call(wire, body=b"\xff\xd8", content_type="image/jpeg")
    assert (wire.sent[0].body, wire.sent[0].headers) == (b"\xff\xd8", {"Content-Type": "image/jpeg"})


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json; encoding=utf-8", "text/html; charset=gbk"]
)
async def test_an_answer_is_utf8_json_whatever_its_header_says(content_type: str) -> None:
    answer = await call(Wire('{"nickname": "小\x0b编😀"}'.encode(), content_type=content_type))
    assert answer.data == {"nickname": "小\x0b编😀"}


async def test_an_errcode_in_http_200_is_an_error_with_its_rid() -> None:
    body = b'{"errcode":40003,"errmsg":"invalid openid rid: 6423a06d-6b6a6b6a-0a0a0a0a"}'
    with pytest.raises(WeChatError) as refused:
        await call(Wire(body))
    assert (refused.value.errcode, refused.value.path) == (40003, "/cgi-bin/x")
    assert refused.value.rid == "6423a06d-6b6a6b6a-0a0a0a0a"


@pytest.mark.parametrize(
    ("status", "body"), [(502, b"<html>bad gateway</html>"), (200, b"<html>"), (200, b"")]
)
async def test_what_is_no_answer_is_the_networks_fault(status: int, body: bytes) -> None:
    with pytest.raises(UpstreamError) as failed:
        await call(Wire(body, status=status, content_type="text/html"))
    assert failed.value.sent


async def test_a_file_comes_back_as_bytes() -> None:
    answer = await call(Wire(b"\x89PNG...", content_type="image/png"))
    assert (answer.data, answer.body) == (None, b"\x89PNG...")


async def test_the_component_token_is_asked_for_in_wechats_words() -> None:
    wire = Wire(b'{"component_access_token":"c1","expires_in":7200}')
    issued = await wire.component.component_token("wx1", AppSecret("s"), Ticket("t"))
    assert (issued.value.reveal(), issued.expires_in) == ("c1", 7200)
    assert wire.sent[0].url.endswith("/cgi-bin/component/api_component_token")
    assert wire.sent[0].query == {}
    assert wire.sent[0].body == (
        b'{"component_appid":"wx1","component_appsecret":"s","component_verify_ticket":"t"}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"component_access_token":"","expires_in":7200}',
        b'{"component_access_token":7,"expires_in":7200}',
        b'{"component_access_token":"c"}',
        b'{"component_access_token":"c","expires_in":"soon"}',
        b'{"component_access_token":"c","expires_in":null}',
    ],
)
async def test_an_answer_that_lacks_its_essentials_is_no_token(body: bytes) -> None:
    with pytest.raises(UpstreamError) as failed:
        await Wire(body).component.component_token("wx1", AppSecret("s"), Ticket("t"))
    assert failed.value.sent


async def test_expires_in_may_be_text_and_never_runs_backwards() -> None:
    for told, meant in ((b'"7200"', 7200), (b"-5", 0)):
        wire = Wire(b'{"component_access_token":"c","expires_in":' + told + b"}")
        assert (await wire.component.component_token("wx1", AppSecret("s"), Ticket("t"))).expires_in == meant


GRANTED = b"""{"authorization_info": {
  "authorizer_appid": "wxa", "authorizer_access_token": "a", "expires_in": 7200,
  "authorizer_refresh_token": "r",
  "func_info": [{"funcscope_category": {"id": 2}}, {"odd": 1}, "odd", {"funcscope_category": {"id": 2}},
                {"funcscope_category": {"id": 1}, "confirm_info": {"need_confirm": 0}}]
}}"""


async def test_what_a_code_grants_is_read_with_odd_parts_passed_over() -> None:
    wire = Wire(GRANTED)
    granted = await wire.component.exchange("wx1", TOKEN, AuthorizationCode("code"))
    assert granted.appid == "wxa"
    assert granted.access is not None
    assert (granted.access.value.reveal(), granted.access.expires_in) == ("a", 7200)
    assert granted.refresh_token is not None
    assert granted.refresh_token.reveal() == "r"
    assert granted.func_ids == (1, 2)
    assert wire.sent[0].query == {"component_access_token": TOKEN.reveal()}


async def test_an_account_without_api_rights_is_granted_without_tokens() -> None:
    granted = await Wire(b'{"authorization_info": {"authorizer_appid": "wxa"}}').component.exchange(
        "wx1", TOKEN, AuthorizationCode("code")
    )
    assert (granted.access, granted.refresh_token, granted.func_ids) == (None, None, ())


@pytest.mark.parametrize("body", [b"{}", b'{"authorization_info": []}', b'{"authorization_info": {}}'])
async def test_a_grant_without_an_account_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        await Wire(body).component.exchange("wx1", TOKEN, AuthorizationCode("code"))


async def test_refusals_become_the_errors_that_tell_what_to_do() -> None:
    with pytest.raises(CodeRejected):
        await Wire(b'{"errcode":61010,"errmsg":"code is expired"}').component.exchange(
            "wx1", TOKEN, AuthorizationCode("code")
        )
    with pytest.raises(Busy):
        await Wire(b'{"errcode":-1,"errmsg":"system error"}').component.pre_auth_code("wx1", TOKEN)


@pytest.mark.parametrize(("given", "kept"), [(b'"r2"', RefreshToken("r2")), (b'""', None), (b"null", None)])
async def test_a_renewal_may_come_with_a_refresh_token(given: bytes, kept: RefreshToken | None) -> None:
    body = b'{"authorizer_access_token":"a","expires_in":7200,"authorizer_refresh_token":' + given + b"}"
    _, returned = await Wire(body).component.authorizer_token("wx1", TOKEN, "wxa", RefreshToken("r1"))
    assert returned == kept


async def test_the_list_of_accounts_is_walked_to_its_end() -> None:
    def page(first: int, count: int) -> bytes:
        lines = ",".join(
            f'{{"authorizer_appid":"wx{n}","refresh_token":"{n or ""}","auth_time":{n}}}'
            for n in range(first, first + count)
        )
        return f'{{"total_count":501,"list":[{lines}]}}'.encode()

    wire = Wire(page(0, 500), page(500, 1))
    listed = [each async for each in as_listed(wire)]
    assert [each.appid for each in listed] == [f"wx{n}" for n in range(501)]
    assert listed[0].refresh_token is None
    assert [b'"offset":0' in wire.sent[0].body, b'"offset":500' in wire.sent[1].body] == [True, True]


async def test_a_list_that_breaks_off_or_repeats_itself_is_not_taken_for_the_whole() -> None:
    page = b'{"total_count":9,"list":[{"authorizer_appid":"wx1"}]}'
    for wire in (Wire(page, b'{"total_count":9,"list":[]}'), Wire(page, page)):
        with pytest.raises(UpstreamError, match="ends at 1 of 9"):
            assert [each async for each in as_listed(wire)]


async def test_a_full_page_is_never_the_last_whatever_the_total_says() -> None:
    full = json.dumps({"list": [{"authorizer_appid": f"wx{number}"} for number in range(500)]}).encode()
    wire = Wire(full, b'{"list":[{"authorizer_appid":"wx500"}]}')
    assert len([each async for each in as_listed(wire)]) == 501


def as_listed(wire: Wire) -> AsyncIterator[Any]:
    """Walk the list over a wire."""
    return wire.component.authorizers("wx1", TOKEN)


async def test_the_stable_token_is_asked_for_without_force_unless_told() -> None:
    wire = Wire(b'{"access_token":"d","expires_in":7200}', b'{"access_token":"e","expires_in":7200}')
    direct = DirectApi(WeChatApi(wire, "https://api.example.com"))
    await direct.stable_token("wxa", AppSecret("s"))
    await direct.stable_token("wxa", AppSecret("s"), force=True)
    assert [b'"force_refresh":false' in wire.sent[0].body, b'"force_refresh":true' in wire.sent[1].body] == [
        True,
        True,
    ]
    assert all(request.url.endswith("/cgi-bin/stable_token") for request in wire.sent)


async def test_pushing_tickets_is_started_with_the_secret() -> None:
    wire = Wire(b'{"errcode":0,"errmsg":"ok"}')
    await wire.component.start_push_ticket("wx1", AppSecret("s"))
    assert wire.sent[0].body == b'{"component_appid":"wx1","component_secret":"s"}'
