"""The sns API: codes of logins exchanged for user tokens, and what can be read with those.

The account's own way takes its secret, the way on behalf the platform's component_access_token; what comes
back has the same form (网页授权, 代公众号发起网页授权, 小程序登录).
"""

from collections.abc import Mapping

from wxgate.emulator.api.account import check_account_secret
from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.component import OK
from wxgate.emulator.api.gate import Route, admit_component, check_account_ip, route
from wxgate.emulator.world import Account, Kind, World, refusal
from wxgate.emulator.world.logins import LoginCode, UserToken
from wxgate.errors import WeChatError
from wxgate.protocol import permissions

VIRTUAL_NICKNAME = "微信用户"
VIRTUAL_AVATAR = "https://thirdwx.qlogo.cn/mmopen/emulator/virtual/132"
CONTROL_CHARACTER = "\x14"


def _own(world: World, call: Call) -> tuple[str, None]:
    """Check the secret of an account's own way; returns the appid, and that there is no platform."""
    account = check_account_secret(world, call.query.get("appid", ""), call.query.get("secret", ""))
    call.appid = account.appid
    if account.kind is not Kind.WEBSITE:
        check_account_ip(account, call.ip)
    return account.appid, None


def _on_behalf(world: World, call: Call) -> tuple[str, str]:
    """Check the component token of the way on behalf; returns the account's and the platform's appid."""
    try:
        token = admit_component(world, call)
    except WeChatError:
        if not world.switches.code_survives_token_error:
            world.logins.burn(call.query.get("code") or call.query.get("js_code", ""))
        raise
    platform = str(token.platform)
    if call.query.get("component_appid") != platform:
        raise refusal(61011 if call.query.get("component_appid") else 41002)
    appid = call.query.get("appid", "")
    if not appid:
        raise refusal(41002)
    if appid not in world.accounts:
        raise refusal(40013)
    call.appid = appid
    granted = world.authorizations.require(platform, appid).func_ids
    if permissions.required_for(call.path) not in granted:
        raise refusal(61007)
    world.quotas.count(appid, call.path, platform)
    return appid, platform


def _grant(call: Call, wanted: str) -> None:
    if call.query.get("grant_type") != wanted:
        raise refusal(40002)


def _token_own(world: World, call: Call) -> Json:
    _grant(call, "authorization_code")
    appid, platform = _own(world, call)
    return _exchange(world, call, appid, platform)


def _token_on_behalf(world: World, call: Call) -> Json:
    _grant(call, "authorization_code")
    appid, platform = _on_behalf(world, call)
    return _exchange(world, call, appid, platform)


def _exchange(world: World, call: Call, appid: str, platform: str | None) -> Json:
    code = world.logins.spend(call.query.get("code", ""), appid=appid, platform=platform)
    token = world.logins.make_token(code)
    answer = _written(world, token)
    if code.snapshot:
        answer["is_snapshotuser"] = 1
    if token.profile or world.switches.unionid_in_base:
        answer |= _union(world, code)
    return answer


def _written(world: World, token: UserToken) -> Json:
    return {
        "access_token": token.access_token,
        "expires_in": round(token.expires_at - world.clock.now()),
        "refresh_token": token.refresh_token,
        "openid": token.code.openid,
        "scope": token.code.scope,
    }


def _union(world: World, code: LoginCode) -> Json:
    """Tell the unionid, where there is one: the account is bound, and the person not a virtual one."""
    if code.snapshot:
        return {}
    unionid = world.unionid(world.user(code.user), _account(world, code))
    return {"unionid": unionid} if unionid else {}


def _account(world: World, code: LoginCode) -> Account:
    return world.account(code.appid)


def _refresh_own(world: World, call: Call) -> Json:
    _grant(call, "refresh_token")
    # The only call of an account's own way that takes no secret.
    appid = call.query.get("appid", "")
    if not appid:
        raise refusal(41002)
    token = world.logins.refresh(call.query.get("refresh_token", ""), appid=appid, platform=None)
    return _written(world, token)


def _refresh_on_behalf(world: World, call: Call) -> Json:
    _grant(call, "refresh_token")
    appid, platform = _on_behalf(world, call)
    token = world.logins.refresh(call.query.get("refresh_token", ""), appid=appid, platform=platform)
    return _written(world, token)


def _userinfo(world: World, call: Call) -> Json:
    token = world.logins.check(call.query.get("access_token", ""), call.query.get("openid", ""))
    call.appid = token.code.appid
    if not token.profile:
        raise refusal(48001)
    user, virtual = world.user(token.code.user), token.code.snapshot
    nickname = VIRTUAL_NICKNAME if virtual else user.nickname
    if world.switches.nickname_control_character:
        nickname += CONTROL_CHARACTER
    return {
        "openid": token.code.openid,
        "nickname": nickname,
        "sex": 0,
        "language": "",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": VIRTUAL_AVATAR if virtual else user.headimgurl,
        "privilege": [],
        **_union(world, token.code),
    }


def _auth(world: World, call: Call) -> Json:
    call.appid = world.logins.check(
        call.query.get("access_token", ""), call.query.get("openid", "")
    ).code.appid
    return {**OK}


def _session_own(world: World, call: Call) -> Json:
    _grant(call, "authorization_code")
    appid, _ = _own(world, call)
    return _session(world, call, appid)


def _session_on_behalf(world: World, call: Call) -> Json:
    _grant(call, "authorization_code")
    appid, _ = _on_behalf(world, call)
    return _session(world, call, appid)


def _session(world: World, call: Call, appid: str) -> Json:
    code = world.logins.spend(call.query.get("js_code", ""), appid=appid, platform=None, mini_program=True)
    return {"openid": code.openid, "session_key": world.login_values.session_key(), **_union(world, code)}


ROUTES: Mapping[str, Route] = {
    "/sns/oauth2/access_token": route("GET", None, _token_own),
    "/sns/oauth2/component/access_token": route("GET", None, _token_on_behalf),
    "/sns/oauth2/refresh_token": route("GET", None, _refresh_own),
    "/sns/oauth2/component/refresh_token": route("GET", None, _refresh_on_behalf),
    "/sns/userinfo": route("GET", None, _userinfo),
    "/sns/auth": route("GET", None, _auth),
    "/sns/jscode2session": route("GET", None, _session_own),
    "/sns/component/jscode2session": route("GET", None, _session_on_behalf),
}
