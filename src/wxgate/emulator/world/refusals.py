"""How WeChat says no: the text of every errcode, verbatim where a log or test shows it."""

from typing import NamedTuple

from wxgate.errors import WeChatError
from wxgate.protocol import errcodes


class _Text(NamedTuple):
    errmsg: str
    joint: str | None = " "  # what stands between the text and its suffix; None: the text never has one


_TEXTS = {
    -1: _Text("system error"),
    40001: _Text(
        "invalid credential, access_token is invalid or not latest, "
        "could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
    ),
    40002: _Text("invalid grant_type"),
    40003: _Text("invalid openid"),
    40013: _Text("invalid appid", None),
    40014: _Text("invalid access_token"),
    40029: _Text("invalid code", ", "),
    40030: _Text("invalid refresh_token", None),
    40066: _Text("invalid url"),
    40125: _Text("invalid appsecret"),
    40163: _Text("code been used", ", "),
    40164: _Text("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist"),
    40170: _Text("args count exceed count limit"),
    41001: _Text("access_token missing"),
    41002: _Text("appid missing"),
    41003: _Text("missing refresh_token"),
    41004: _Text("appsecret missing"),
    41008: _Text("missing code", ", "),
    41009: _Text("missing openid", ", "),
    42001: _Text("access_token expired"),
    42006: _Text("component_access_token expired"),
    43001: _Text("require GET method"),
    43002: _Text("require POST method"),
    44002: _Text("empty post data", None),
    45009: _Text("reach max api daily quota limit"),
    45011: _Text("api minute-quota reach limit, must slower, retry next minute"),
    45015: _Text("response out of time limit or subscription is canceled"),
    45047: _Text("out of response count limit"),
    47001: _Text("data format error"),
    48001: _Text("api unauthorized"),
    48006: _Text("forbid to clear quota because of reaching the limit"),
    61003: _Text("component is not authorized by this account"),
    61004: _Text("access clientip is not registered requestIP: {ip}"),
    61005: _Text("component ticket is expired"),
    61006: _Text("component ticket is invalid"),
    61007: _Text("api is unauthorized to component"),
    61009: _Text("code is invalid"),
    61010: _Text("code is expired"),
    61011: _Text("invalid component"),
    61012: _Text("invalid option name"),
    61013: _Text("invalid option value"),
    61014: _Text("must use component token for component api"),
    61015: _Text("must use biz account token for not component api"),
    61023: _Text("refresh_token is invalid"),
    76001: _Text("rid not found"),
    76003: _Text("invalid cgi_path"),
    76004: _Text("rid expired"),
    76022: _Text("could not use this cgi_path, no permission"),
}


def refusal(code: int, *, ip: str = "", errmsg: str | None = None) -> WeChatError:
    """Make the error to raise for a code; the suffix with the rid is added where the answer is written."""
    text = _TEXTS[code].errmsg.format(ip=ip) if code in _TEXTS else errcodes.errmsg(code)
    return WeChatError(code, errmsg or text)


def with_suffix(code: int, errmsg: str, *, style: str, rid: str, hint: str) -> str:
    """Write an errmsg with the suffix of the chosen generation."""
    joint = _TEXTS[code].joint if code in _TEXTS else " "
    if joint is None or style == "none":
        return errmsg
    return f"{errmsg}{joint}rid: {rid}" if style == "rid" else f"{errmsg} hint: [{hint}]"
