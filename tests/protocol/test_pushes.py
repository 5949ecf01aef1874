"""Platform events become typed values, and their secrets stay unseen."""

from typing import Any

import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from wxgate.errors import MalformedPush
from wxgate.protocol import pushes as p
from wxgate.protocol.wire import paths
from wxgate.protocol.xml import Fields, Renderable, parse, render
from wxgate.secret import AuthorizationCode, PreAuthCode, Ticket

HEAD: dict[str, Renderable] = {"AppId": "wxplatform", "CreateTime": 1573485628}

REAL_TICKET = (
    "<xml><AppId><![CDATA[wxbbd3f07e2945cf2a]]></AppId>\n<CreateTime>1436881222</CreateTime>\n"
    "<InfoType><![CDATA[component_verify_ticket]]></InfoType>\n"
    "<ComponentVerifyTicket><![CDATA[ticket@@@hXh2446N]]></ComponentVerifyTicket>\n</xml>"
)
AUTHORIZED: dict[str, Renderable] = {
    "AuthorizerAppid": "wx570bc396a51b8ff8",
    "AuthorizationCode": "queryauthcode@@@secret",
    "AuthorizationCodeExpiredTime": "1573489228",
    "PreAuthCode": "preauthcode@@@secret",
}


def _event(info_type: str, **fields: Renderable) -> p.ComponentEvent:
    return p.parse_component_event(parse(render(HEAD | {"InfoType": info_type} | fields)))


def test_the_ticket_is_read() -> None:
    event = p.parse_component_event(parse(REAL_TICKET))
    assert isinstance(event, p.VerifyTicket)
    assert (event.platform, event.created_at) == ("wxbbd3f07e2945cf2a", 1436881222)
    assert event.ticket == Ticket("ticket@@@hXh2446N")


def test_a_ticket_without_cdata_is_read_alike() -> None:
    plain = REAL_TICKET.replace("<![CDATA[", "").replace("]]>", "")
    assert p.parse_component_event(parse(plain)) == p.parse_component_event(parse(REAL_TICKET))


@pytest.mark.parametrize(
    ("info_type", "kind"), [("authorized", p.Authorized), ("updateauthorized", p.AuthorizationUpdated)]
)
def test_an_authorization_is_read(info_type: str, kind: type[p.Authorized]) -> None:
    event = _event(info_type, **AUTHORIZED)
    assert type(event) is kind
    assert isinstance(event, p.Authorized)
    assert event.appid == "wx570bc396a51b8ff8"
    assert event.code == AuthorizationCode("queryauthcode@@@secret")
    assert event.code_expires_at == 1573489228
    assert event.pre_auth_code == PreAuthCode("preauthcode@@@secret")


def test_an_authorization_without_a_pre_auth_code_or_expiry_is_read() -> None:
    event = _event("authorized", AuthorizerAppid="wx1", AuthorizationCode="c")
    assert isinstance(event, p.Authorized)
    assert not event.pre_auth_code
    assert event.code_expires_at == 1573485628 + 3600


@pytest.mark.parametrize(
    ("info_type", "fields", "kind", "values"),
    [
        ("unauthorized", {"AuthorizerAppid": "wx1"}, p.Unauthorized, {"appid": "wx1"}),
        (
            "notify_third_fasteregister",
            {
                "appid": "wx1",
                "status": 0,
                "auth_code": "c",
                "msg": "OK",
                "info": {"name": "某公司", "code": "9144", "code_type": 1, "legal_persona_name": "某人"},
            },
            p.FastRegistered,
            {
                "appid": "wx1",
                "status": 0,
                "message": "OK",
                "code": AuthorizationCode("c"),
                "name": "某公司",
                "company_code": "9144",
                "company_code_type": 1,
                "legal_person": "某人",
            },
        ),
        (
            "notify_third_fasteregister",
            {"status": 100001, "info": {"wxuser": "wxid", "idname": "某人", "component_phone": "1"}},
            p.FastRegistered,
            {"status": 100001, "code": None, "name": "某人", "wechat_id": "wxid", "component_phone": "1"},
        ),
        (
            "notify_third_fastregisterbetaapp",
            {"appid": "wx1", "status": 0, "info": {"unique_id": "u", "name": "n"}},
            p.TrialRegistered,
            {"unique_id": "u", "name": "n"},
        ),
        (
            "notify_third_fastverifybetaapp",
            {"appid": "wx1", "status": 101, "info": {"name": "n", "code": "c", "legal_persona_name": "某人"}},
            p.TrialVerified,
            {"status": 101, "company_code": "c", "legal_person": "某人"},
        ),
        (
            "notify_3rd_wxa_auth",
            {
                "appid": "wx1",
                "task_status": 12,
                "taskid": "t",
                "apply_status": 2,
                "dispatch_info": {"provider": "p", "contact": "c", "dispatch_time": 1700619300},
            },
            p.VerificationProgress,
            {"task_status": 12, "apply_status": 2, "provider": "p", "dispatched_at": 1700619300},
        ),
        (
            "notify_3rd_wxa_wxverify",
            {"appid": "wx1", "expired": 1700000000, "message": "m"},
            p.VerificationDue,
            {"expires_at": 1700000000},
        ),
        (
            "notify_icpfiling_verify_result",
            {"task_id": "t", "verify_appid": "wx1", "result": 3},
            p.FilingFaceVerified,
            {"appid": "wx1", "result": 3},
        ),
        (
            "notify_apply_icpfiling_result",
            {"authorizer_appid": "wx1", "beian_status": 6},
            p.FilingProgress,
            {"appid": "wx1", "status": 6},
        ),
        (
            "notify_3rd_wxa_auth_and_icp",
            {"appid": "wx1", "procedure_id": "p", "procedure_status": 18},
            p.VerificationAndFilingProgress,
            {"procedure_id": "p", "status": 18},
        ),
        (
            "order_path_apply_result_notify",
            {"list": [{"appid": "wx1", "ret_code": 0}, {"appid": "wx2", "ret_code": 1}]},
            p.OrderPathNotice,
            {
                "results": (
                    p.OrderPathResult(appid="wx1", ret_code=0),
                    p.OrderPathResult(appid="wx2", ret_code=1),
                )
            },
        ),
        (
            "order_path_audit_result_notify",
            {"list": {"appid": "wx1", "audit_id": 7, "status": 4, "reason": ""}},
            p.OrderPathNotice,
            {"results": (p.OrderPathResult(appid="wx1", audit_id="7", status=4),)},
        ),
        (
            "notify_from_the_future",
            {"x": "1"},
            p.UnknownComponentEvent,
            {"info_type": "notify_from_the_future"},
        ),
    ],
)
def test_every_info_type_is_typed(
    info_type: str, fields: dict[str, Renderable], kind: type[p.ComponentEvent], values: dict[str, Any]
) -> None:
    event = _event(info_type, **fields)
    assert type(event) is kind
    assert {name: getattr(event, name) for name in values} == values


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"AppId": "wx1", "CreateTime": "1"},
        {"AppId": "wx1", "InfoType": "unauthorized", "AuthorizerAppid": "wx2"},
        {"CreateTime": "1", "InfoType": "x"},
        {"AppId": "wx1", "CreateTime": "soon", "InfoType": "unauthorized", "AuthorizerAppid": "wx2"},
        {"AppId": "wx1", "CreateTime": "9" * 20, "InfoType": "unauthorized", "AuthorizerAppid": "wx2"},
        {"AppId": "wx1", "CreateTime": "1", "InfoType": "component_verify_ticket"},
        {"AppId": "wx1", "CreateTime": "1", "InfoType": "authorized", "AuthorizerAppid": "wx2"},
        {"AppId": "wx1", "CreateTime": "1", "InfoType": "authorized", "AuthorizationCode": "c"},
        {"AppId": "wx1", "CreateTime": "1", "InfoType": "unauthorized"},
        {"AppId": ["wx1", "wx2"], "CreateTime": "1", "InfoType": "x"},
    ],
)
def test_an_event_without_its_essentials_is_malformed(fields: Fields) -> None:
    with pytest.raises(MalformedPush, match="The event has no"):
        p.parse_component_event(fields)


def test_no_secret_shows_when_an_event_is_printed() -> None:
    fast = _event("notify_third_fasteregister", auth_code="queryauthcode@@@secret")
    for event in (p.parse_component_event(parse(REAL_TICKET)), _event("authorized", **AUTHORIZED), fast):
        assert "@@@" not in repr(event)


def test_a_redacted_event_has_no_secrets_and_still_reads() -> None:
    fields = parse(
        render(HEAD | {"InfoType": "authorized", "deep": [{"auth_code": "x@@@"}, "y"]} | AUTHORIZED)
    )
    shown = p.redact(fields)
    assert "@@@" not in str(shown)
    assert "@@@" in str(fields)
    assert shown["AuthorizerAppid"] == "wx570bc396a51b8ff8"
    event = p.parse_component_event(shown)
    assert isinstance(event, p.Authorized)
    assert event.code.reveal() == p.REDACTED
    assert "@@@" not in str(p.redact(parse(REAL_TICKET)))


@pytest.mark.parametrize(
    ("info_type", "fields", "words"),
    [
        ("notify_third_fasteregister", {"status": 0}, ("registered",)),
        ("notify_third_fasteregister", {"status": 101}, ("the company has been deregistered",)),
        ("notify_third_fasteregister", {"status": 99}, ()),
        (
            "notify_3rd_wxa_auth",
            {"task_status": 12, "apply_status": 2},
            ("the application was made", "under review"),
        ),
        ("notify_apply_icpfiling_result", {"beian_status": 6}, ("filed",)),
        ("notify_3rd_wxa_auth_and_icp", {"procedure_status": 26}, ("verification and filing are done",)),
        (
            "order_path_apply_result_notify",
            {"list": [{"ret_code": 0}, {"ret_code": 1}]},
            ("applied for", "applied for before"),
        ),
        ("notify_from_the_future", {"status": 0}, ()),
    ],
)
def test_status_numbers_are_put_in_words(
    info_type: str, fields: dict[str, Renderable], words: tuple[str, ...]
) -> None:
    assert _event(info_type, **fields).in_words == words


def test_an_odd_field_refuses_nothing_and_is_named() -> None:
    event = _event("notify_third_fasteregister", appid="wx1", status="soon", info="none")
    assert isinstance(event, p.FastRegistered)
    assert (event.appid, event.status, event.raw["status"]) == ("wx1", None, "soon")
    assert p.oddities(event) == ("status",)
    assert p.oddities(_event("notify_third_fasteregister", appid="wx1", status="")) == ()
    assert p.oddities(_event("notify_from_the_future", status="soon")) == ()


@pytest.mark.parametrize("time", [None, "soon", "-1", "9" * 20, ["1", "2"]])
def test_an_event_without_a_readable_time_has_the_time_it_came(time: Any) -> None:
    fields: Fields = {"AppId": "wx1", "InfoType": "notify_3rd_wxa_wxverify"}
    event = p.parse_component_event(fields if time is None else {**fields, "CreateTime": time}, received_at=7)
    assert event.created_at == 7
    assert p.oddities(event) == ("CreateTime",)


def test_an_info_type_is_known_in_any_case() -> None:
    assert isinstance(_event("Notify_3rd_WXA_Auth"), p.VerificationProgress)


values: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
field_names = st.sampled_from(
    sorted(
        {path.split("/")[0] for kind in p.INFO_TYPES.values() for all in paths(kind).values() for path in all}
    )
) | st.sampled_from(["auth_code", "CreateTime"])


@given_by(st.sampled_from([*p.INFO_TYPES, "other"]), st.dictionaries(field_names, values))
def test_no_shape_of_fields_loses_an_event(info_type: str, fields: Fields) -> None:
    given: Fields = {
        "AuthorizerAppid": "wx2",
        "AuthorizationCode": "c",
        "ComponentVerifyTicket": "t",
        "CreateTime": "1",
        **({} if issubclass(p.kind_of(info_type), p.ESSENTIAL) else fields),
        "AppId": "wx1",
        "InfoType": info_type,
    }
    event = p.parse_component_event(given)
    assert event.raw == given
    assert type(event) is p.INFO_TYPES.get(info_type, p.UnknownComponentEvent)
    assert event.in_words is not None
    assert p.oddities(event) is not None
    assert type(p.parse_component_event(p.redact(given))) is type(event)
