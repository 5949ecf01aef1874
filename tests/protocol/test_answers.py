"""Bodies of API calls become data or the error they stand for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate import errors
from wxgate.protocol.answers import decode, error_of, ip_of, rid_of, rid_time

RID = "66277be0-02270739-5ff9c0e1"


def _fail(errcode: object, errmsg: str = "x", path: str = "/cgi-bin/user/info") -> errors.WeChatError:
    body = json.dumps({"errcode": errcode, "errmsg": errmsg}).encode()
    with pytest.raises(errors.WeChatError) as caught:
        decode(200, body, "application/json", path)
    return caught.value


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"access_token":"T","expires_in":7200}', {"access_token": "T", "expires_in": 7200}),
        (b'{"errcode":0,"errmsg":"ok"}', {"errcode": 0, "errmsg": "ok"}),
        (b'{"status":1,"errcode":"0"}', {"status": 1, "errcode": "0"}),
        (b'{"errcode":null,"a":1}', {"errcode": None, "a": 1}),
        (b'{"u":"http:\\/\\/a"}', {"u": "http://a"}),
        (b'{"nick":"a\x01\tb"}', {"nick": "a\x01\tb"}),
        ('{"nick":"好"}'.encode(), {"nick": "好"}),
        (b'{"nick":"\xe5\xa5"}', {"nick": "\ufffd"}),
        (b'\xef\xbb\xbf \n{"a":1}', {"a": 1}),
        (b"[1]", [1]),
    ],
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "text/html; charset=gbk", "", "image/png"]
)
def test_json_is_read_whatever_the_header_says(body: bytes, data: object, content_type: str) -> None:
    assert decode(200, body, content_type).data == data


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xd8\xff\xe0jpeg", "image/jpeg"),
        (b"\xff\xd8\xff\xe0jpeg", ""),
        (b"\x89PNG\r\n", "text/plain"),
        (b"{not json", "audio/amr"),
        (b"anything", "application/octet-stream"),
    ],
)
def test_a_file_is_an_answer_without_data(body: bytes, content_type: str) -> None:
    answer = decode(200, body, content_type)
    assert answer.data is None
    assert answer.body == body


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"ok", b"{", b'{"a":', b"[" * 100_000, b"{}x"])
def test_what_is_neither_json_nor_a_file_is_an_upstream_error_after_sending(body: bytes) -> None:
    with pytest.raises(errors.UpstreamError) as caught:
        decode(200, body, "text/html", "/cgi-bin/token")
    assert caught.value.sent
    assert "/cgi-bin/token" in str(caught.value)


@pytest.mark.parametrize("status", [302, 404, 500, 502])
def test_another_status_is_an_upstream_error_unless_it_carries_an_errcode(status: int) -> None:
    with pytest.raises(errors.UpstreamError, match=str(status)):
        decode(status, b"{}", "application/json")
    with pytest.raises(errors.Busy):
        decode(status, b'{"errcode":-1}', "application/json")


@pytest.mark.parametrize(
    ("errcode", "leaf"),
    [
        (-1, errors.Busy),
        (40001, errors.TokenRejected),
        (40014, errors.TokenRejected),
        (42001, errors.TokenRejected),
        (42006, errors.ComponentTokenRejected),
        (61005, errors.TicketRejected),
        (61006, errors.TicketRejected),
        (61009, errors.CodeRejected),
        (61010, errors.CodeRejected),
        (61023, errors.RefreshTokenRejected),
        (61003, errors.NotAuthorizedByAccount),
        (61004, errors.IpNotRegistered),
        (40164, errors.IpNotRegistered),
        (45009, errors.RateLimited),
        (45011, errors.RateLimited),
        (48001, errors.WeChatError),
        (-1000, errors.WeChatError),
    ],
)
def test_every_errcode_raises_its_leaf(errcode: int, leaf: type[errors.WeChatError]) -> None:
    for sent in (errcode, str(errcode)):
        error = _fail(sent, f"some text rid: {RID}")
        assert type(error) is leaf
        assert (error.errcode, error.rid, error.path) == (errcode, RID, "/cgi-bin/user/info")


@pytest.mark.parametrize(
    ("path", "leaf"),
    [
        ("/cgi-bin/component/api_query_auth", errors.ComponentTokenRejected),
        ("cgi-bin/component/api_query_auth?x=1", errors.ComponentTokenRejected),
        ("/wxa/gettemplatelist", errors.ComponentTokenRejected),
        ("/cgi-bin/component/getprivacysetting", errors.TokenRejected),
        ("/cgi-bin/message/custom/send", errors.TokenRejected),
        ("/unknown", errors.TokenRejected),
        ("", errors.TokenRejected),
    ],
)
def test_a_rejected_token_is_the_platforms_on_paths_that_take_it(
    path: str, leaf: type[errors.WeChatError]
) -> None:
    assert type(error_of(40001, "invalid credential", path)) is leaf


@pytest.mark.parametrize(
    ("errmsg", "ip"),
    [
        (
            "access clientip is not registered requestIP: 175.11.201.147 rid: 5f92a0c3-4b491949-0aa4f69d",
            "175.11.201.147",
        ),
        (
            "invalid ip 118.190.42.90 ipv6 ::ffff:118.190.42.90, not in whitelist rid: 60196b9b",
            "118.190.42.90",
        ),
        ("invalid ip 2001:db8::1, not in whitelist", "2001:db8::1"),
        ("access clientip is not registered", None),
    ],
)
def test_the_address_wechat_saw_is_found(errmsg: str, ip: str | None) -> None:
    assert ip_of(errmsg) == ip
    error = _fail(61004, errmsg)
    assert isinstance(error, errors.IpNotRegistered)
    assert error.ip == (ip or "")


@pytest.mark.parametrize(
    ("errmsg", "rid"),
    [
        (f"refresh_token is invalid rid: {RID}", RID),
        (f"invalid code, rid: {RID}", RID),
        ("code is invalid hint: [Bgh07a0370vr19]", None),
        ("invalid code, hints: [ req_id: EhKBzQaLRa-FOo9Da ]", None),
        ("grid: 66277be0-02270739-5ff9c0e1", None),
        ("", None),
    ],
)
def test_the_request_id_is_found(errmsg: str, rid: str | None) -> None:
    assert rid_of(errmsg) == rid


def test_a_request_id_tells_its_time() -> None:
    assert rid_time("64f69b23-60f73830-19f36488") == 1693883171
    assert rid_time("no-rid") is None


@given(st.binary(max_size=200), st.sampled_from([200, 500]), st.sampled_from(["", "text/plain", "image/png"]))
def test_random_bodies_raise_nothing_but_our_errors(body: bytes, status: int, content_type: str) -> None:
    try:
        answer = decode(status, body, content_type)
    except errors.GatewayError:
        return
    assert answer.body == body


@pytest.mark.parametrize("errcode", ["abc", [1], {"a": 1}, ""])
def test_an_errcode_that_is_no_number_breaks_nothing(errcode: object) -> None:
    body = json.dumps({"errcode": errcode}).encode()
    assert decode(200, body, "").data == {"errcode": errcode}
