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


def component_event(platform: str, now: int, info_type: str, fields: Mapping[str, Any]) -> str:
    """Write a component-level event; the ticket push alone has a newline after every element."""
    newline = "\n" if info_type == "component_verify_ticket" else ""
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


def as_xml(fields: Mapping[str, Any]) -> str:
    """Write a message as XML."""
    return xml.render(fields)


def as_json(fields: Mapping[str, Any]) -> str:
    """Write a message as JSON."""
    return json.dumps(fields, ensure_ascii=False)


def _element(name: str, value: Any) -> str:
    return xml.render({name: value}).removeprefix("<xml>").removesuffix("</xml>")


def _in_wechats_words(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `media_id` into `MediaId`; a name that has a capital is WeChat's already."""
    return {
        _camel(name) if re.fullmatch(r"[a-z][a-z_]*", name) else name: value for name, value in given.items()
    }


def _camel(name: str) -> str:
    if name in ("location_x", "location_y"):
        return name[:-1].capitalize() + name[-1].upper()
    return "".join(part.capitalize() for part in name.split("_"))
