"""Quotas and request ids: clear_quota in its four forms, quota/get and rid/get (API 调用次数)."""

import json
from collections.abc import Mapping

from wxgate.emulator.api.account import check_account_secret
from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.component import OK, check_platform_secret
from wxgate.emulator.api.gate import ANY, COMPONENT, Route, route
from wxgate.emulator.world import World, refusal
from wxgate.emulator.world.tokens import Origin

RID_KEPT = 7 * 86_400


def _clear(world: World, call: Call) -> Json:
    if call.text("appid") != call.issued.appid:
        raise refusal(40013)
    world.quotas.clear(call.issued.appid, call.issued.platform)
    return {**OK}


def _clear_by_secret(world: World, call: Call) -> Json:
    """Clear with the AppSecret; the fields stand in the query, some clients post them."""
    if call.body and not call.query.get("appid"):
        call.read_body()
    given = {**call.data, **call.query}
    account = check_account_secret(world, str(given.get("appid", "")), str(given.get("appsecret", "")))
    world.quotas.clear(account.appid)
    return {**OK}


def _clear_component(world: World, call: Call) -> Json:
    if call.text("component_appid") != call.platform:
        raise refusal(61011)
    world.quotas.clear(call.issued.appid)
    return {**OK}


def _clear_component_by_secret(world: World, call: Call) -> Json:
    call.read_body()
    platform = check_platform_secret(world, call.text("component_appid"), call.text("appsecret"))
    appid = call.text("appid")
    if appid not in (platform.appid, ""):
        world.authorizations.require(platform.appid, appid)
    world.quotas.clear(appid or platform.appid, platform.appid)
    return {**OK}


def _get(world: World, call: Call) -> Json:
    path = call.text("cgi_path")
    if path.startswith("/sns/"):
        raise refusal(76022)
    if not path.startswith("/"):
        raise refusal(76003)
    quota = world.quotas.get(call.issued.appid, path, call.issued.platform)
    minute = world.switches.minute_limit
    rate = {"rate_limit": {"call_count": minute, "refresh_second": 60}} if minute else {}
    return {**OK, "quota": {"daily_limit": quota.limit, "used": quota.used, "remain": quota.remain}, **rate}


def _rid(world: World, call: Call) -> Json:
    found = call.log.by_rid(call.text("rid"))
    if found is None:
        raise refusal(76001)
    if found.token is None or _family(found.token.origin) != _family(call.issued.origin):
        raise refusal(76003, errmsg="no permission to query this rid")
    if call.at - found.at > RID_KEPT:
        raise refusal(76004)
    return {
        **OK,
        "request": {
            "invoke_time": int(found.at),
            "cost_in_ms": 1,
            "request_url": "&".join(f"{name}={value}" for name, value in found.as_json()["query"].items()),
            "request_body": found.body.decode("utf-8", "replace"),
            "response_body": json.dumps(found.answer, ensure_ascii=False),
            "client_ip": found.ip,
        },
    }


def _family(origin: Origin) -> bool:
    return origin is Origin.COMPONENT


ROUTES: Mapping[str, Route] = {
    "/cgi-bin/clear_quota": route("POST", ANY, _clear, counted=False),
    "/cgi-bin/clear_quota/v2": route("POST", None, _clear_by_secret),
    "/cgi-bin/component/clear_quota": route("POST", COMPONENT, _clear_component, counted=False),
    "/cgi-bin/component/clear_quota/v2": route("POST", None, _clear_component_by_secret),
    "/cgi-bin/openapi/quota/get": route("POST", ANY, _get, counted=False),
    "/cgi-bin/openapi/rid/get": route("POST", ANY, _rid, counted=False),
}
