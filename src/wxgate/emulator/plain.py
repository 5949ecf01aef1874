"""The plaintext of everything WeChat pushes, in WeChat's own layout."""

import json
import re
from collections.abc import Mapping
from typing import Any

from wxgate.protocol import xml
from wxgate.protocol.xml import cdata

# What a message has when the test does not say; WeChat's names.
_MESSAGES: Mapping[str, Mapping[str, Any]] = {
    "text": {"Content": "你好"},
    "image": {"PicUrl": "http://mmbiz.qpic.cn/mmbiz_jpg/emulator/0", "MediaId": "emulated-image"},
    "voice": {"MediaId": "emulated-voice", "Format": "amr"},
    "video": {"MediaId": "emulated-video", "ThumbMediaId": "emulated-thumb"},
    "shortvideo": {"MediaId": "emulated-video", "ThumbMediaId": "emulated-thumb"},
    "location": {"Location_X": 23.134521, "Location_Y": 113.358803, "Scale": 20, "Label": "广州塔"},
    "link": {"Title": "标题", "Description": "描述", "Url": "https://example.com/"},
    "miniprogrampage": {
        "Title": "标题",
        "AppId": "wx0000000000000000",
        "PagePath": "pages/index",
        "ThumbUrl": "https://example.com/thumb.png",
        "ThumbMediaId": "emulated-thumb",
    },
}
_EVENTS: Mapping[str, Mapping[str, Any]] = {
    "subscribe": {"EventKey": ""},
    "unsubscribe": {"EventKey": ""},
    "SCAN": {"EventKey": "1", "Ticket": "gQE_emulated_ticket"},
    "LOCATION": {"Latitude": 23.137466, "Longitude": 113.352425, "Precision": 119.385040},
    "CLICK": {"EventKey": "KEY"},
    "VIEW": {"EventKey": "https://example.com/", "MenuId": 1},
    "user_enter_tempsession": {"SessionFrom": "emulator"},
}


_REASON = "1:账号信息不符合规范:<br>(1):包含色情因素<br>"
# What WeChat's own notices have when the test does not say; `now` stands for the time of the push.
_NOTICES: Mapping[str, Mapping[str, Any]] = {
    "weapp_audit_success": {"SuccTime": "now"},
    "weapp_audit_fail": {"Reason": _REASON, "FailTime": "now", "ScreenShot": "media-1|media-2"},
    "weapp_audit_delay": {"Reason": "为了更严谨的审核结果，需要延后处理。", "DelayTime": "now"},
    "wxa_nickname_audit": {"ret": 3, "nickname": "改名后的小程序", "reason": ""},
    "wxa_category_audit": {"ret": 3, "first": 287, "second": 618, "reason": ""},
    "wxa_privacy_apply": {
        "result_info": {
            "api_name": "wx.choosePoi",
            "apply_time": "now",
            "audit_id": 4211202267,
            "audit_time": "now",
            "reason": "小程序内未含有相应使用场景",
            "status": 2,
        }
    },
    "wxa_illegal_record": {
        "illegal_record_id": "emulated-record",
        "appid": "wx0000000000000000",
        "create_time": "now",
        "illegal_reason": "违规",
        "illegal_content": "",
        "rule_url": "https://example.com/rule",
        "rule_name": "规则",
    },
    "wxa_appeal_record": {
        "appeal_record_id": 100,
        "appid": "wx0000000000000000",
        "appeal_time": "now",
        "appeal_count": 1,
        "appeal_from": 0,
        "appeal_status": 2,
        "audit_time": "now",
        "audit_reason": "通过",
        "punish_description": "封禁",
    },
    "wxa_media_check": {
        "appid": "wx0000000000000000",
        "trace_id": "emulated-trace",
        "version": 2,
        "detail": [{"strategy": "content_model", "errcode": 0, "suggest": "pass", "label": 100, "prob": 90}],
        "result": {"suggest": "pass", "label": 100},
    },
    "qualification_verify_success": {"ExpiredTime": "now"},
    "qualification_verify_fail": {"FailTime": "now", "FailReason": "by time"},
    "naming_verify_success": {"ExpiredTime": "now"},
    "naming_verify_fail": {"FailTime": "now", "FailReason": "by time"},
    "annual_renew": {"ExpiredTime": "now"},
    "verify_expired": {"ExpiredTime": "now"},
}
_COMPANY = {
    "name": "某某科技有限公司",
    "code": "91440300000000000X",
    "code_type": 1,
    "legal_persona_wechat": "emulated-wechat-id",
    "legal_persona_name": "某人",
    "component_phone": "02000000000",
}
_PERSON = {"wxuser": "emulated-wechat-id", "idname": "某人", "component_phone": "02000000000"}
# The same of component events.
_COMPONENT_EVENTS: Mapping[str, Mapping[str, Any]] = {
    "notify_third_fastregisterbetaapp": {
        "appid": "wx0000000000000000",
        "status": 0,
        "msg": "OK",
        "info": {"unique_id": "emulated-unique-id", "name": "试用小程序"},
    },
    "notify_third_fastverifybetaapp": {
        "appid": "wx0000000000000000",
        "status": 0,
        "msg": "OK",
        "info": _COMPANY,
    },
    "notify_3rd_wxa_auth": {
        "appid": "wx0000000000000000",
        "task_status": 12,
        "message": "",
        "taskid": "048ae3f93e664053baf8cd1e1a899896",
        "apply_status": 2,
        "dispatch_info": {"provider": "审核公司", "contact": "0411-00000000", "dispatch_time": "now"},
    },
    "notify_3rd_wxa_wxverify": {"appid": "wx0000000000000000", "expired": "now", "message": "即将到期"},
    "notify_icpfiling_verify_result": {
        "task_id": "emulated-task",
        "verify_appid": "wx0000000000000000",
        "result": 3,
        "along_with_auth_result": 9,
    },
    "notify_apply_icpfiling_result": {"authorizer_appid": "wx0000000000000000", "beian_status": 6},
    "notify_3rd_wxa_auth_and_icp": {
        "appid": "wx0000000000000000",
        "procedure_id": "emulated-procedure",
        "procedure_status": 26,
    },
    "order_path_apply_result_notify": {"list": [{"appid": "wx0000000000000000", "ret_code": 0}]},
    "order_path_audit_result_notify": {
        "list": [
            {
                "appid": "wx0000000000000000",
                "audit_id": 1,
                "status": 4,
                "apply_time": "now",
                "audit_time": "now",
                "reason": "",
            }
        ]
    },
}


def component_event(platform: str, now: int, info_type: str, fields: Mapping[str, Any]) -> str:
    """Write a component-level event; the ticket push alone has a newline after every element."""
    newline = "\n" if info_type == "component_verify_ticket" else ""
    fields = fields or _timed(_COMPONENT_EVENTS.get(info_type, {}), now)
    body = "".join(_element(name, value) + newline for name, value in fields.items())
    return (
        f"<xml><AppId>{cdata(platform)}</AppId>\n<CreateTime>{now}</CreateTime>\n"
        f"<InfoType>{cdata(info_type)}</InfoType>{newline}{body}</xml>"
    )


def message(
    kind: str, given: Mapping[str, Any], *, to: str, sender: str, now: int, msg_id: int
) -> dict[str, Any]:
    """Make the fields of a user's message; what is not given takes a default, other names are kept."""
    head = {"ToUserName": to, "FromUserName": sender, "CreateTime": now, "MsgType": kind}
    return head | {**_MESSAGES.get(kind, {}), **_in_wechats_words(given)} | {"MsgId": msg_id}


def event(name: str, given: Mapping[str, Any], *, to: str, sender: str, now: int) -> dict[str, Any]:
    """Make the fields of an event; events have no MsgId."""
    head = {"ToUserName": to, "FromUserName": sender, "CreateTime": now, "MsgType": "event", "Event": name}
    return head | {**_EVENTS.get(name, {}), **_in_wechats_words(given)}


def notice(name: str, given: Mapping[str, Any], *, to: str, sender: str, now: int) -> dict[str, Any]:
    """Make the fields of a notice of WeChat's own; `given` is in WeChat's spelling."""
    head = {"ToUserName": to, "FromUserName": sender, "CreateTime": now, "MsgType": "event", "Event": name}
    return head | {**_timed(_NOTICES.get(name, {}), now), **given}


def registration(status: int, found: Mapping[str, Any], *, personal: bool) -> dict[str, Any]:
    """Make the fields of a fast registration's end; `found` are the appid and the code when it ended well."""
    told = {"status": status, **found, "msg": "OK" if status == 0 else "failed"}
    return {**({"appid": ""} if status else {}), **told, "info": _PERSON if personal else _COMPANY}


def as_xml(fields: Mapping[str, Any]) -> str:
    """Write a message as XML."""
    return xml.render(fields)


def as_json(fields: Mapping[str, Any]) -> str:
    """Write a message as JSON."""
    return json.dumps(fields, ensure_ascii=False)


def _element(name: str, value: Any) -> str:
    return xml.render({name: value}).removeprefix("<xml>").removesuffix("</xml>")


def _timed(fields: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Put the time of the push where a sample says `now`."""
    return {name: _time(value, now) for name, value in fields.items()}


def _time(value: Any, now: int) -> Any:
    if isinstance(value, Mapping):
        return _timed(value, now)
    if isinstance(value, list):
        return [_time(each, now) for each in value]
    return now if value == "now" else value


def _in_wechats_words(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `media_id` into `MediaId`; a name that has a capital is WeChat's already."""
    return {
        _camel(name) if re.fullmatch(r"[a-z][a-z_]*", name) else name: value for name, value in given.items()
    }


def _camel(name: str) -> str:
    if name in ("location_x", "location_y"):
        return name[:-1].capitalize() + name[-1].upper()
    return "".join(part.capitalize() for part in name.split("_"))
