"""Messages and events become typed values, and nothing is refused for being unknown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.errors import MalformedPush
from wxgate.protocol import messages as m
from wxgate.protocol.xml import Fields, Renderable, parse, render

HEAD: dict[str, Renderable] = {"ToUserName": "gh_1", "FromUserName": "oUser", "CreateTime": 1348831860}


def _message(kind: str, **fields: Renderable) -> m.Message:
    return m.parse_message(parse(render(HEAD | {"MsgType": kind} | fields)))


def _event(name: str, **fields: Renderable) -> m.Message:
    return _message("event", Event=name, **fields)


@pytest.mark.parametrize(
    ("kind", "fields", "expected", "values"),
    [
        ("text", {"Content": "hi", "bizmsgmenuid": "7"}, m.TextMessage, {"content": "hi", "menu_id": "7"}),
        ("image", {"PicUrl": "u", "MediaId": "1"}, m.ImageMessage, {"pic_url": "u", "media_id": "1"}),
        (
            "voice",
            {"MediaId": "1", "Format": "amr", "Recognition": "好"},
            m.VoiceMessage,
            {"media_id": "1", "format": "amr", "recognition": "好"},
        ),
        ("video", {"MediaId": "1", "ThumbMediaId": "2"}, m.VideoMessage, {"thumb_media_id": "2"}),
        ("shortvideo", {"MediaId": "1", "ThumbMediaId": "2"}, m.VideoMessage, {"media_id": "1"}),
        (
            "location",
            {"Location_X": 23.134521, "Location_Y": "113.358803", "Scale": 20, "Label": "位置"},
            m.LocationMessage,
            {"latitude": 23.134521, "longitude": 113.358803, "scale": 20, "label": "位置"},
        ),
        ("link", {"Title": "t", "Description": "d", "Url": "u"}, m.LinkMessage, {"title": "t", "url": "u"}),
        (
            "miniprogrampage",
            {"Title": "t", "AppId": "wx1", "PagePath": "p", "ThumbUrl": "u", "ThumbMediaId": "i"},
            m.MiniProgramPageMessage,
            {"appid": "wx1", "page_path": "p", "thumb_url": "u", "thumb_media_id": "i"},
        ),
        ("hologram", {"Depth": 3}, m.UnknownMessage, {"type": "hologram"}),
    ],
)
def test_every_type_of_message_is_typed(
    kind: str, fields: dict[str, Renderable], expected: type[m.Message], values: dict[str, Any]
) -> None:
    message = _message(kind, MsgId="9007199254740993", **fields)
    assert type(message) is expected
    assert (message.account, message.openid, message.created_at) == ("gh_1", "oUser", 1348831860)
    assert (message.type, message.msg_id) == (kind, "9007199254740993")
    assert {name: getattr(message, name) for name in values} == values
    assert m.names(message) == (kind, "message", "*")
    assert message.raw["MsgType"] == kind


@pytest.mark.parametrize(
    ("name", "fields", "expected", "values"),
    [
        ("subscribe", {"EventKey": ""}, m.SubscribeEvent, {"key": "", "scene": "", "ticket": ""}),
        (
            "subscribe",
            {"EventKey": "qrscene_12", "Ticket": "T"},
            m.SubscribeEvent,
            {"scene": "12", "ticket": "T"},
        ),
        ("unsubscribe", {"EventKey": ""}, m.UnsubscribeEvent, {}),
        ("SCAN", {"EventKey": "12", "Ticket": "T"}, m.ScanEvent, {"key": "12", "ticket": "T"}),
        (
            "LOCATION",
            {"Latitude": "23.1", "Longitude": "113.3", "Precision": "119.385"},
            m.LocationEvent,
            {"latitude": 23.1, "longitude": 113.3, "precision": 119.385},
        ),
        ("CLICK", {"EventKey": "K"}, m.MenuEvent, {"key": "K"}),
        ("VIEW", {"EventKey": "http://a", "MenuId": "4"}, m.MenuEvent, {"menu_id": "4"}),
        ("view_miniprogram", {"EventKey": "p", "MenuId": "4"}, m.MenuEvent, {"key": "p"}),
        (
            "scancode_waitmsg",
            {"EventKey": "k", "ScanCodeInfo": {"ScanType": "qrcode", "ScanResult": "2"}},
            m.ScanCodeEvent,
            {"scan_type": "qrcode", "scan_result": "2"},
        ),
        (
            "pic_weixin",
            {"SendPicsInfo": {"Count": 2, "PicList": {"item": [{"PicMd5Sum": "a"}, {"PicMd5Sum": "b"}]}}},
            m.PictureEvent,
            {"count": 2, "md5_sums": ("a", "b")},
        ),
        (
            "pic_sysphoto",
            {"SendPicsInfo": {"Count": 1, "PicList": {"item": {"PicMd5Sum": "a"}}}},
            m.PictureEvent,
            {"md5_sums": ("a",)},
        ),
        (
            "location_select",
            {
                "SendLocationInfo": {
                    "Location_X": "23",
                    "Location_Y": "113",
                    "Scale": "15",
                    "Label": "L",
                    "Poiname": "",
                }
            },
            m.LocationSelectEvent,
            {"latitude": 23.0, "longitude": 113.0, "scale": 15, "label": "L", "place_name": ""},
        ),
        (
            "TEMPLATESENDJOBFINISH",
            {"MsgID": 200163836, "Status": "failed:user block"},
            m.TemplateSentEvent,
            {"job_id": "200163836", "status": "failed:user block"},
        ),
        (
            "MASSSENDJOBFINISH",
            {
                "MsgID": 1,
                "Status": "send success",
                "TotalCount": 100,
                "FilterCount": 80,
                "SentCount": 75,
                "ErrorCount": 5,
                "CopyrightCheckResult": {"Count": 0, "ResultList": "", "CheckState": 2},
                "ArticleUrlResult": {
                    "Count": 1,
                    "ResultList": {"item": {"ArticleIdx": 1, "ArticleUrl": "u"}},
                },
            },
            m.MassSentEvent,
            {
                "sent_count": 75,
                "error_count": 5,
                "copyright_state": 2,
                "articles": (m.ArticleUrl(index=1, url="u"),),
            },
        ),
        (
            "PUBLISHJOBFINISH",
            {
                "PublishEventInfo": {
                    "publish_id": "2247503051",
                    "publish_status": 2,
                    "article_detail": {"count": 1, "item": [{"idx": 1, "article_url": "u"}]},
                    "fail_idx": ["1", "2"],
                }
            },
            m.PublishedEvent,
            {
                "publish_id": "2247503051",
                "publish_status": 2,
                "failed": ("1", "2"),
                "articles": (m.ArticleUrl(index=1, url="u"),),
            },
        ),
        (
            "subscribe_msg_popup_event",
            {
                "SubscribeMsgPopupEvent": {
                    "List": [
                        {"TemplateId": "a", "SubscribeStatusString": "accept", "PopupScene": 2},
                        {"TemplateId": "b", "SubscribeStatusString": "reject", "PopupScene": 2},
                    ]
                }
            },
            m.SubscriptionEvent,
            {
                "choices": (
                    m.SubscriptionChoice(template_id="a", status="accept", scene=2),
                    m.SubscriptionChoice(template_id="b", status="reject", scene=2),
                )
            },
        ),
        (
            "subscribe_msg_sent_event",
            {
                "SubscribeMsgSentEvent": {
                    "List": {"TemplateId": "a", "MsgID": "9", "ErrorCode": 0, "ErrorStatus": "success"}
                }
            },
            m.SubscriptionEvent,
            {
                "choices": (
                    m.SubscriptionChoice(template_id="a", status="success", message_id="9", error_code=0),
                )
            },
        ),
        ("user_enter_tempsession", {"SessionFrom": "s"}, m.EnterSessionEvent, {"session_from": "s"}),
        ("kf_create_session", {"KfAccount": "a@b"}, m.CustomerServiceEvent, {"kf_account": "a@b"}),
        (
            "kf_switch_session",
            {"FromKfAccount": "a@b", "ToKfAccount": "c@b"},
            m.CustomerServiceEvent,
            {"kf_account": "c@b", "from_kf_account": "a@b"},
        ),
        (
            "user_authorization_revoke",
            {"OpenID": "o", "AppID": "wx", "RevokeInfo": "201"},
            m.UserAuthorizationEvent,
            {"user_openid": "o", "appid": "wx", "revoke_info": "201"},
        ),
        (
            "user_info_modified",
            {"openid": "o", "appid": "wx"},
            m.UserAuthorizationEvent,
            {"user_openid": "o", "appid": "wx"},
        ),
        ("annual_renew", {"ExpiredTime": 1442401004}, m.VerificationEvent, {"expired_at": 1442401004}),
        (
            "naming_verify_fail",
            {"FailTime": 1442401061, "FailReason": "by time"},
            m.VerificationEvent,
            {"failed_at": 1442401061, "reason": "by time"},
        ),
        (
            "weapp_audit_success",
            {"SuccTime": 1488856741},
            m.CodeAuditEvent,
            {"at": 1488856741, "screenshots": ()},
        ),
        (
            "weapp_audit_fail",
            {"Reason": "1:<br>", "FailTime": 1488856591, "ScreenShot": "a|b|c"},
            m.CodeAuditEvent,
            {"reason": "1:<br>", "at": 1488856591, "screenshots": ("a", "b", "c")},
        ),
        ("weapp_audit_delay", {"Reason": "r", "DelayTime": 1}, m.CodeAuditEvent, {"at": 1}),
        (
            "wxa_nickname_audit",
            {"ret": 3, "nickname": "n"},
            m.NicknameAuditEvent,
            {"result": 3, "nickname": "n"},
        ),
        (
            "wxa_category_audit",
            {"ret": 2, "first": "1", "second": "2", "reason": "r"},
            m.CategoryAuditEvent,
            {"result": 2, "first": "1", "second": "2", "reason": "r"},
        ),
        (
            "wxa_privacy_apply",
            {"result_info": {"api_name": "wx.choosePoi", "audit_id": 5, "status": 4}},
            m.PrivacyAuditEvent,
            {"api_name": "wx.choosePoi", "audit_id": "5", "status": 4},
        ),
        (
            "wxa_illegal_record",
            {"illegal_record_id": "1", "appid": "wx", "illegal_reason": "r", "rule_name": "n"},
            m.ViolationEvent,
            {"illegal_record_id": "1", "reason": "r", "rule_name": "n", "punished_at": None},
        ),
        (
            "wxa_appeal_record",
            {
                "appeal_record_id": 1,
                "appid": "wx",
                "appeal_status": 2,
                "appeal_from": 1,
                "punish_description": "p",
                "material": {
                    "illegal_material": {"content": "c", "content_url": "u"},
                    "appeal_material": {"reason": "r", "proof_material_id": ["m1", "m2"]},
                },
            },
            m.AppealEvent,
            {
                "appeal_record_id": "1",
                "appeal_status": 2,
                "punish_description": "p",
                "in_words": ("granted", "the platform"),
                "materials": (
                    m.AppealMaterial(content="c", content_url="u", reason="r", proof_media_ids=("m1", "m2")),
                ),
            },
        ),
        (
            "wxa_media_check",
            {
                "appid": "wx",
                "trace_id": "t",
                "version": 2,
                "detail": [{"strategy": "content_model", "errcode": 0, "suggest": "risky", "prob": 90}],
                "result": {"suggest": "risky", "label": 20001},
            },
            m.MediaCheckEvent,
            {
                "trace_id": "t",
                "suggest": "risky",
                "label": 20001,
                "version": 2,
                "details": (
                    m.MediaCheckDetail(strategy="content_model", errcode=0, suggest="risky", prob=90),
                ),
            },
        ),
        ("debug_demo", {"debug_str": "hello world"}, m.DebugEvent, {"text": "hello world"}),
        ("Brand_New", {"EventKey": "k", "X": "1"}, m.UnknownEvent, {"key": "k"}),
    ],
)
def test_every_event_is_typed(
    name: str, fields: dict[str, Renderable], expected: type[m.Event], values: dict[str, Any]
) -> None:
    event = _event(name, **fields)
    assert type(event) is expected
    assert event.event == name
    assert event.msg_id is None
    assert {field: getattr(event, field) for field in values} == values
    assert m.names(event) == (f"event.{name.lower()}", "event", "*")


def test_every_registered_name_is_lower_case() -> None:
    for name in (*m.MESSAGE_TYPES, *m.EVENT_TYPES):
        assert name == name.lower()


@pytest.mark.parametrize("bad", ["", "abc", "1e999x", "9" * 5000, "٣x", {"a": "b"}, ["1", "2"]])
def test_a_bad_value_in_an_optional_field_stays_raw_and_refuses_nothing(bad: Any) -> None:
    fields: Fields = {
        "MsgType": "location",
        "Scale": bad,
        "Location_X": "here",
        "Label": bad,
        "CreateTime": bad,
    }
    message = m.parse_message(fields)
    assert isinstance(message, m.LocationMessage)
    assert message.latitude is None
    assert message.raw["Scale"] == bad


@pytest.mark.parametrize(
    "fields",
    [{}, {"MsgType": ""}, {"MsgType": ["text", "text"]}, {"MsgType": {"a": "b"}}, {"MsgType": "event"}],
)
def test_a_message_without_a_type_is_malformed(fields: Fields) -> None:
    with pytest.raises(MalformedPush):
        m.parse_message(fields)


values: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
field_names = st.sampled_from(
    [
        "Content",
        "Scale",
        "EventKey",
        "ScanCodeInfo",
        "SendPicsInfo",
        "SubscribeMsgPopupEvent",
        "MsgId",
        "CreateTime",
    ]
)


@given(
    st.sampled_from([*m.MESSAGE_TYPES, "other"]) | st.just("event"),
    st.sampled_from([*m.EVENT_TYPES, "other"]),
    st.dictionaries(field_names, values),
)
def test_no_shape_of_fields_breaks_the_reader(kind: str, event: str, fields: Fields) -> None:
    message = m.parse_message({**fields, "MsgType": kind, "Event": event})
    assert message.raw == {**fields, "MsgType": kind, "Event": event}
    assert len(m.dedup_key("wx", "wx", message, b"")) == 64


def _key(message: m.Message, plain: bytes = b"body", issuer: str = "wxp", appid: str = "wxa") -> str:
    return m.dedup_key(issuer, appid, message, plain)


def test_a_message_delivered_again_has_the_same_key_whatever_its_body() -> None:
    first = _message("text", Content="hi", MsgId="1")
    assert _key(first, b"one") == _key(_message("text", Content="hi", MsgId="1"), b"two")
    assert _key(first) != _key(_message("text", Content="hi", MsgId="2"))
    assert _key(first) != _key(_message("text", Content="hi", MsgId="1", FromUserName="oOther"))


def test_two_platforms_and_two_accounts_never_share_a_key() -> None:
    message = _message("text", Content="hi", MsgId="1")
    keys = {
        _key(message, issuer=issuer, appid=appid) for issuer in ("a", "ab", "direct") for appid in ("bc", "c")
    }
    assert len(keys) == 6


def test_two_taps_within_one_second_are_two_events() -> None:
    tap = _event("CLICK", EventKey="a")
    assert _key(tap) == _key(_event("CLICK", EventKey="a"))
    assert _key(tap) != _key(_event("CLICK", EventKey="b"))
    assert _key(tap) != _key(_event("VIEW", EventKey="a"))
    assert _key(tap) != _key(tap, b"other body")


def test_a_message_without_an_id_is_told_apart_by_its_body() -> None:
    message = _message("text", Content="hi")
    assert message.msg_id is None
    assert _key(message, b"one") == _key(message, b"one")
    assert _key(message, b"one") != _key(message, b"two")


def test_one_message_has_one_key_whoever_receives_it() -> None:
    fields = {"ToUserName": "gh", "FromUserName": "o", "CreateTime": "1", "MsgType": "text", "MsgId": "7"}
    message = m.parse_message(fields)
    keys = {m.message_key("wx", message, plain) for plain in (b"sealed for A", b"sealed for B")}
    assert len(keys) == 1
    assert m.message_key("wy", message, b"") not in keys
    assert m.dedup_key("A", "wx", message, b"") != m.dedup_key("B", "wx", message, b"")


def test_events_of_one_second_have_keys_of_their_own() -> None:
    fields = {
        "ToUserName": "gh",
        "FromUserName": "o",
        "CreateTime": "1",
        "MsgType": "event",
        "Event": "CLICK",
    }
    message = m.parse_message(fields)
    assert m.message_key("wx", message, b"a") != m.message_key("wx", message, b"b")
    assert m.message_key("wx", message, b"a") == m.message_key("wx", message, b"a")
