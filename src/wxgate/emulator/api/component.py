"""The component API (第三方平台 API): token, pre_auth_code, exchange, renewal, authorizers, options."""

from collections.abc import Mapping
from typing import Any

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.gate import BUSINESS, COMPONENT, Route, route
from wxgate.emulator.world import Account, Kind, Platform, World, refusal
from wxgate.emulator.world.authorizations import Authorization
from wxgate.emulator.world.tokens import IssuedToken, Origin

MAX_LIST = 500
OPTIONS = {"location_report": ("0", "1", "2"), "voice_recognize": ("0", "1"), "customer_service": ("0", "1")}
OK: Mapping[str, Any] = {"errcode": 0, "errmsg": "ok"}


def named_platform(world: World, appid: str) -> Platform:
    """Return the platform that a body names; raises 40013, or 61011 when an account's appid was put there."""
    if appid in world.platforms:
        return world.platforms[appid]
    raise refusal(61011 if appid in world.accounts else 40013)


def check_platform_secret(world: World, appid: str, secret: str) -> Platform:
    """Return the platform with this secret; raises 41002, 41004, 40013, 61011 or 40125."""
    if not appid or not secret:
        raise refusal(41004 if appid else 41002)
    platform = named_platform(world, appid)
    if secret != platform.secret:
        raise refusal(40125)
    return platform


def _component_token(world: World, call: Call) -> Json:
    platform = check_platform_secret(world, call.text("component_appid"), call.text("component_appsecret"))
    call.platform = platform.appid
    if platform.ip_whitelist is not None and call.ip not in platform.ip_whitelist:
        raise refusal(61004, ip=call.ip)
    world.tickets.check(platform.appid, call.text("component_verify_ticket"))
    world.quotas.count(platform.appid, call.path)
    token = world.tokens.issue(Origin.COMPONENT, platform.appid, platform=platform.appid)
    return {"component_access_token": token.value, "expires_in": _seconds(world, token)}


def _start_push_ticket(world: World, call: Call) -> Json:
    platform = check_platform_secret(world, call.text("component_appid"), call.text("component_secret"))
    call.platform = platform.appid
    if not platform.pushing or world.switches.start_push_ticket_at_once:
        wait = 0.0 if world.switches.start_push_ticket_at_once else world.switches.ticket_interval
        platform.next_ticket_at = world.clock.now() + wait
    platform.pushing = True
    return {**OK}


def _own_platform(world: World, call: Call) -> Platform:
    """Return the caller's platform; a body that names another is refused."""
    appid = call.text("component_appid")
    if not appid:
        raise refusal(41002)
    if named_platform(world, appid).appid != call.platform:
        raise refusal(61011)
    return world.platforms[appid]


def _create_pre_auth_code(world: World, call: Call) -> Json:
    code = world.codes.make_pre_auth_code(_own_platform(world, call).appid)
    return {"pre_auth_code": code.value, "expires_in": round(code.expires_at - world.clock.now())}


def _query_auth(world: World, call: Call) -> Json:
    platform = _own_platform(world, call)
    code = world.codes.exchange(platform.appid, call.text("authorization_code"))
    call.appid = code.appid
    authorization = world.authorizations.require(platform.appid, code.appid)
    authorization.exchanged = True
    token = world.tokens.issue(Origin.AUTHORIZER, code.appid, platform=platform.appid)
    return {
        "authorization_info": {
            "authorizer_appid": code.appid,
            "authorizer_access_token": token.value,
            "expires_in": _seconds(world, token),
            "authorizer_refresh_token": authorization.refresh_token,
            "func_info": _func_info(authorization),
        }
    }


def _authorizer(world: World, call: Call) -> Authorization:
    platform = _own_platform(world, call)
    appid = call.text("authorizer_appid")
    if appid not in world.accounts:
        raise refusal(40013)
    call.appid = appid
    return world.authorizations.require(platform.appid, appid)


def _authorizer_token(world: World, call: Call) -> Json:
    authorization = _authorizer(world, call)
    world.authorizations.check_refresh_token(authorization, call.text("authorizer_refresh_token"))
    if world.switches.renewal_rotates_refresh_token:
        world.authorizations.rotate(authorization)
    token = world.tokens.issue(Origin.AUTHORIZER, authorization.appid, platform=authorization.platform)
    return {
        "authorizer_access_token": token.value,
        "expires_in": _seconds(world, token),
        "authorizer_refresh_token": authorization.refresh_token,
    }


def _authorizer_info(world: World, call: Call) -> Json:
    authorization = _authorizer(world, call)
    account = world.accounts[authorization.appid]
    info: Json = {
        "nick_name": account.nick_name,
        "head_img": "http://wx.qlogo.cn/mmopen/emulator/0",
        "service_type_info": {"id": account.service_type},
        "verify_type_info": {"id": account.verify_type},
        "user_name": account.user_name,
        "alias": account.alias,
        "qrcode_url": "http://mmbiz.qpic.cn/mmbiz_jpg/emulator/0",
        "business_info": dict.fromkeys(("open_pay", "open_shake", "open_scan", "open_card", "open_store"), 0),
        "idc": 1,
        "principal_name": account.principal_name,
        "signature": account.signature,
        "register_type": 0,
        "account_status": 1,
        "basic_config": {"is_phone_configured": True, "is_email_configured": True},
    }
    if account.kind is Kind.MINI_PROGRAM:
        info["MiniProgramInfo"] = _mini_program_info()
    return {
        "authorizer_info": info,
        "authorization_info": {
            "authorizer_appid": account.appid,
            "authorizer_refresh_token": authorization.refresh_token,
            "func_info": _func_info(authorization),
        },
    }


def _mini_program_info() -> Json:
    """Describe a mini program; the presence of this part is what tells it from an official account."""
    domains = ("Request", "WsRequest", "Upload", "Download", "Biz", "UDP", "TCP", "PrefetchDNS")
    names = [prefix + domain + "Domain" for prefix in ("", "New") for domain in domains]
    return {
        "network": {name: ["https://example.com"] if name == "RequestDomain" else [] for name in names},
        "categories": [{"first": "生活服务", "second": "丽人服务"}],
        "visit_status": 0,
    }


def _authorizer_list(world: World, call: Call) -> Json:
    platform = _own_platform(world, call)
    offset, count = call.data.get("offset", 0), call.data.get("count", 100)
    if (
        not isinstance(offset, int)
        or not isinstance(count, int)
        or count > MAX_LIST
        or min(offset, count) < 0
    ):
        raise refusal(40170)
    every = world.authorizations.of_platform(platform.appid)
    page = every[offset : offset + count]
    return {"total_count": len(every), "list": [_listed(each) for each in page]}


def _listed(authorization: Authorization) -> Json:
    return {
        "authorizer_appid": authorization.appid,
        # Empty until the code was exchanged once.
        "refresh_token": authorization.refresh_token if authorization.exchanged else "",
        "auth_time": authorization.authorized_at,
    }


def _option_account(world: World, call: Call, generation: str) -> Account:
    if world.switches.option_api not in ("both", generation):
        raise refusal(40066)
    if call.issued.origin is Origin.COMPONENT:
        return world.accounts[_authorizer(world, call).appid]
    return world.accounts[call.issued.appid]


def _get_option(generation: str) -> Any:
    def handler(world: World, call: Call) -> Json:
        account, name = _option_account(world, call, generation), call.text("option_name")
        if name not in OPTIONS:
            raise refusal(61012)
        value = account.options.get(name, "0")
        return {"authorizer_appid": account.appid, "option_name": name, "option_value": value}

    return handler


def _set_option(generation: str) -> Any:
    def handler(world: World, call: Call) -> Json:
        account, name = _option_account(world, call, generation), call.text("option_name")
        if name not in OPTIONS:
            raise refusal(61012)
        if call.text("option_value") not in OPTIONS[name]:
            raise refusal(61013)
        account.options[name] = call.text("option_value")
        return {**OK}

    return handler


def _func_info(authorization: Authorization) -> list[Json]:
    return [{"funcscope_category": {"id": id}} for id in authorization.func_ids]


def _seconds(world: World, token: IssuedToken) -> int:
    return round(token.expires_at - world.clock.now())


_PREFIX = "/cgi-bin/component/"
START_PUSH_TICKET = f"{_PREFIX}api_start_push_ticket"
ROUTES: Mapping[str, Route] = {
    START_PUSH_TICKET: route("POST", None, _start_push_ticket),
    f"{_PREFIX}api_component_token": route("POST", None, _component_token),
    f"{_PREFIX}api_create_preauthcode": route("POST", COMPONENT, _create_pre_auth_code),
    f"{_PREFIX}api_query_auth": route("POST", COMPONENT, _query_auth),
    f"{_PREFIX}api_authorizer_token": route("POST", COMPONENT, _authorizer_token),
    f"{_PREFIX}api_get_authorizer_info": route("POST", COMPONENT, _authorizer_info),
    f"{_PREFIX}api_get_authorizer_list": route("POST", COMPONENT, _authorizer_list),
    f"{_PREFIX}api_get_authorizer_option": route("POST", COMPONENT, _get_option("old")),
    f"{_PREFIX}api_set_authorizer_option": route("POST", COMPONENT, _set_option("old")),
    f"{_PREFIX}get_authorizer_option": route("POST", COMPONENT | BUSINESS, _get_option("new")),
    f"{_PREFIX}set_authorizer_option": route("POST", COMPONENT | BUSINESS, _set_option("new")),
}
