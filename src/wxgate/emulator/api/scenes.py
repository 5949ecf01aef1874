"""Parametric QR codes and the openids of a moved account (生成带参数的二维码, 账号迁移)."""

from collections.abc import Mapping

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.component import OK
from wxgate.emulator.api.gate import BUSINESS, Route, route
from wxgate.emulator.world import World, refusal

MOST_OPENIDS = 100


def _create(world: World, call: Call) -> Json:
    code = world.qr_codes.make(call.issued.appid, call.data)
    limit = {} if code.expire_seconds is None else {"expire_seconds": code.expire_seconds}
    return {"ticket": code.ticket, **limit, "url": code.url}


def _change_openid(world: World, call: Call) -> Json:
    given = call.data.get("openid_list")
    if not isinstance(given, list) or not given:
        raise refusal(63182)
    if len(given) > MOST_OPENIDS:
        raise refusal(63179)
    moved = world.moved_openids(call.text("from_appid"), call.issued.appid)
    return {**OK, "result_list": [_changed(str(old), moved) for old in given]}


def _changed(old: str, moved: Mapping[str, str]) -> Json:
    if old not in moved:
        return {"ori_openid": old, "err_msg": "ori_openid error"}
    return {"ori_openid": old, "new_openid": moved[old], "err_msg": "ok"}


ROUTES: Mapping[str, Route] = {
    "/cgi-bin/qrcode/create": route("POST", BUSINESS, _create),
    "/cgi-bin/changeopenid": route("POST", BUSINESS, _change_openid),
}
