"""An account's own API: its tokens, JS-SDK tickets, customer-service messages and followers."""

from collections.abc import Mapping

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.component import OK
from wxgate.emulator.api.gate import ANY, BUSINESS, Route, check_account_ip, route
from wxgate.emulator.world import Account, Kind, User, World, refusal
from wxgate.emulator.world.tokens import Origin


def check_account_secret(world: World, appid: str, secret: str) -> Account:
    """Return the account with this secret; raises 41002, 41004, 40013 or 40125."""
    if not appid or not secret:
        raise refusal(41004 if appid else 41002)
    account = world.accounts.get(appid)
    if account is None:
        raise refusal(40013)
    if secret != account.secret:
        raise refusal(40125)
    return account


def _token(world: World, call: Call) -> Json:
    if call.query.get("grant_type") != "client_credential":
        raise refusal(40002)
    account = check_account_secret(world, call.query.get("appid", ""), call.query.get("secret", ""))
    if account.kind is Kind.WEBSITE:  # it has a secret for logins and no API of its own
        raise refusal(40013)
    call.appid = account.appid
    check_account_ip(account, call.ip)
    world.quotas.count(account.appid, call.path)
    token = world.tokens.issue(Origin.DIRECT, account.appid)
    return {"access_token": token.value, "expires_in": round(token.expires_at - world.clock.now())}


def _stable_token(world: World, call: Call) -> Json:
    if call.text("grant_type") != "client_credential":
        raise refusal(40002)
    account = check_account_secret(world, call.text("appid"), call.text("secret"))
    if account.kind is Kind.WEBSITE:
        raise refusal(40013)
    call.appid = account.appid
    check_account_ip(account, call.ip)
    world.quotas.count(account.appid, call.path)
    token = world.tokens.issue_stable(account.appid, force=call.data.get("force_refresh") is True)
    return {"access_token": token.value, "expires_in": round(token.expires_at - world.clock.now())}


def _get_ticket(world: World, call: Call) -> Json:
    kind = call.query.get("type", "")
    if kind not in ("jsapi", "wx_card"):
        raise refusal(40097)
    ticket, expires_in = world.js_tickets.get(call.issued.appid, call.issued.platform, kind)
    return {**OK, "ticket": ticket, "expires_in": expires_in}


def _custom_send(world: World, call: Call) -> Json:
    openid = call.text("touser")
    if world.user_by_openid(call.issued.appid, openid) is None:
        raise refusal(40003)
    kind = call.text("msgtype")
    if not kind or not isinstance(call.data.get(kind), dict):
        raise refusal(40008)
    sender = call.issued.platform or "direct"
    world.conversations.send_custom(call.issued.appid, openid, call.data, sender)
    return {**OK}


def _user_info(world: World, call: Call) -> Json:
    appid, openid = call.issued.appid, call.query.get("openid", "")
    user = world.user_by_openid(appid, openid)
    if user is None:
        raise refusal(40003)
    if appid not in user.followed_at:
        return {"subscribe": 0, "openid": openid}
    unionid = world.unionid(user, world.accounts[appid])
    union = {"unionid": unionid} if unionid else {}
    return {
        "subscribe": 1,
        "openid": openid,
        "language": call.query.get("lang", "zh_CN"),
        "subscribe_time": user.followed_at[appid],
        **union,
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 0,
        "qr_scene_str": "",
    }


def _followers(world: World, call: Call) -> Json:
    appid = call.issued.appid
    openids = [_openid(user, appid) for user in world.users.values() if appid in user.followed_at]
    after = call.query.get("next_openid")
    page = openids[openids.index(after) + 1 :] if after in openids else openids
    page = page[:10_000]
    data = {"data": {"openid": page}} if page else {}
    return {"total": len(openids), "count": len(page), **data, "next_openid": page[-1] if page else ""}


def _openid(user: User, appid: str) -> str:
    return user.openids[appid]


def _callback_ips(world: World, call: Call) -> Json:
    return {"ip_list": ["127.0.0.1"]}


ROUTES: Mapping[str, Route] = {
    "/cgi-bin/token": route("GET", None, _token),
    "/cgi-bin/stable_token": route("POST", None, _stable_token),
    "/cgi-bin/ticket/getticket": route("GET", BUSINESS, _get_ticket),
    "/cgi-bin/message/custom/send": route("POST", BUSINESS, _custom_send),
    "/cgi-bin/user/info": route("GET", BUSINESS, _user_info),
    "/cgi-bin/user/get": route("GET", BUSINESS, _followers),
    "/cgi-bin/getcallbackip": route("GET", ANY, _callback_ips),
    "/cgi-bin/get_api_domain_ip": route("GET", ANY, _callback_ips),
}
