"""Our own words on the errcodes that matter: the likely cause and the next step, in English and Chinese.

`{ip}` stands for the address WeChat saw us call from.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """A cause and a next step in both languages."""

    cause: str
    action: str
    cause_zh: str
    action_zh: str


_TOKEN = Advice(
    "The access token was replaced by a newer one, belongs to another account, or has expired.",
    "Take the current token from the gateway and let no other program fetch tokens with the same AppSecret.",
    "access_token 已被新的替换、属于其他账号或已过期。",
    "从网关取当前的 access_token，并确保没有其他程序用同一个 AppSecret 获取 token。",
)
_OAUTH_CODE = Advice(
    "The user's login code was used before, is older than five minutes, or came from another appid.",
    "Send the user through the login link again and exchange each code once.",
    "用户的登录 code 已被使用、超过五分钟，或属于另一个 appid。",
    "让用户重新打开登录链接，每个 code 只换取一次。",
)
_IP_REVIEW = Advice(
    "The account's administrator has not agreed that this server's IP may fetch tokens.",
    "Ask the administrator to confirm the request in WeChat, then try again after the time given.",
    "该账号的管理员尚未同意本服务器 IP 获取 token。",
    "请管理员在微信的公众平台安全助手中确认，之后再试。",
)
_NO_BODY = Advice(
    "The request body was empty or not what this API reads.",
    "Send a JSON object, {} if there is nothing to say, as raw UTF-8 without \\u escapes.",
    "请求体为空，或不是该接口能读取的内容。",
    "发送 JSON 对象（没有参数时发送 {}），用 UTF-8 原文而不是 \\u 转义。",
)
_OPTION = Advice(
    "The account option does not exist, cannot have this value, or cannot be written.",
    "Use location_report (0, 1, 2), voice_recognize (0, 1) or customer_service (0, 1).",
    "账号选项不存在、取值不合法或不可写。",
    "使用 location_report（0、1、2）、voice_recognize（0、1）或 customer_service（0、1）。",
)

ADVICE: Mapping[int, Advice] = {
    -1: Advice(
        "WeChat was too busy to answer.",
        "Wait a few seconds and try again; if it lasts, look at WeChat's status announcements.",
        "微信系统繁忙。",
        "稍等几秒再试；若持续出现，请查看微信官方公告。",
    ),
    40001: _TOKEN,
    40014: _TOKEN,
    42001: _TOKEN,
    42006: _TOKEN,
    40003: Advice(
        "The openid belongs to another appid, or the user is not known to this account.",
        "Use the openid this very account received; openids differ from appid to appid.",
        "openid 属于另一个 appid，或该账号不认识此用户。",
        "使用该账号自己收到的 openid；不同 appid 的 openid 各不相同。",
    ),
    40013: Advice(
        "The appid does not exist or is mistyped.",
        "Compare the appid with the one in WeChat's console, letter by letter and in the same case.",
        "appid 不存在或填写有误。",
        "与微信后台中的 appid 逐字核对，注意大小写。",
    ),
    40029: _OAUTH_CODE,
    40163: _OAUTH_CODE,
    42003: _OAUTH_CODE,
    40030: Advice(
        "The user's OAuth refresh token is invalid or older than 30 days.",
        "Send the user through the login link again.",
        "用户的 OAuth refresh_token 无效或已超过 30 天。",
        "让用户重新打开登录链接。",
    ),
    40033: _NO_BODY,
    40125: Advice(
        "The AppSecret is wrong or was reset in WeChat's console.",
        "Copy the current AppSecret from the console into the gateway's settings.",
        "AppSecret 错误，或已在微信后台重置。",
        "把微信后台当前的 AppSecret 更新到网关配置。",
    ),
    40164: Advice(
        "WeChat saw the call come from {ip}, which is not on the account's IP allow-list.",
        "Add {ip} to IP白名单 under the account's development settings at mp.weixin.qq.com.",
        "微信看到的调用来源 {ip} 不在该账号的 IP 白名单中。",
        "在 mp.weixin.qq.com 的开发设置中，把 {ip} 加入 IP白名单。",
    ),
    40243: Advice(
        "The AppSecret is frozen.",
        "Unfreeze it in the account's development settings in WeChat's console.",
        "AppSecret 已被冻结。",
        "在微信后台该账号的开发设置中解冻 AppSecret。",
    ),
    41001: Advice(
        "The call carried no access token.",
        "Call through the gateway's relay, which adds the token, or send access_token in the query string.",
        "调用时没有带 access_token。",
        "通过网关转发调用（会自动带上 token），或在查询参数中传 access_token。",
    ),
    41002: Advice(
        "The call carried no appid.",
        "Send the appid where this API asks for it.",
        "调用时缺少 appid。",
        "按接口要求传 appid。",
    ),
    41004: Advice(
        "The call carried no secret.",
        "Set the AppSecret of this platform or account in the gateway.",
        "调用时缺少 secret。",
        "在网关中配置该平台或账号的 AppSecret。",
    ),
    42002: Advice(
        "The user's OAuth refresh token is older than 30 days.",
        "Send the user through the login link again.",
        "用户的 OAuth refresh_token 已超过 30 天。",
        "让用户重新打开登录链接。",
    ),
    42007: Advice(
        "The user changed their WeChat password, which ends what they granted.",
        "Send the user through the login link again.",
        "用户修改了微信密码，已授予的权限随之失效。",
        "让用户重新授权登录。",
    ),
    43001: Advice(
        "This API is read with GET.", "Repeat the call with GET.", "该接口须用 GET。", "改用 GET 调用。"
    ),
    43002: Advice(
        "This API is called with POST.", "Repeat the call with POST.", "该接口须用 POST。", "改用 POST 调用。"
    ),
    43004: Advice(
        "The user does not follow the account.",
        "Ask the user to follow the official account first.",
        "用户没有关注该公众号。",
        "先请用户关注公众号。",
    ),
    43101: Advice(
        "The user did not subscribe to this template, or took the subscription back.",
        "Ask for the subscription in the mini program again before sending.",
        "用户没有订阅该模板，或已取消订阅。",
        "发送前在小程序内重新请求订阅。",
    ),
    44002: _NO_BODY,
    45009: Advice(
        "The account has used up today's calls of this API.",
        "See `wxgate quota show`, or spend one of ten monthly clears with `wxgate quota clear`.",
        "该账号当日的接口调用次数已用完。",
        "用 `wxgate quota show` 查看额度、分散调用，或用 `wxgate quota clear` 清零（每月 10 次）。",
    ),
    45011: Advice(
        "Too many calls of this API within one minute.",
        "Wait for the next minute and slow down.",
        "一分钟内调用该接口过于频繁。",
        "等到下一分钟，并降低调用频率。",
    ),
    45015: Advice(
        "The user has not written within 48 hours, or no longer follows the account.",
        "Send a template or subscription message instead, or wait until the user writes.",
        "用户 48 小时内没有发来消息，或已取消关注。",
        "改发模板消息或订阅消息，或等用户再次发来消息。",
    ),
    45047: Advice(
        "The account has sent this user as many customer-service messages as one message from them allows.",
        "Wait until the user writes again.",
        "对该用户可下发的客服消息条数已用完。",
        "等用户再次发来消息。",
    ),
    47001: _NO_BODY,
    47002: _NO_BODY,
    47003: Advice(
        "A field of the template message does not follow the template's rules.",
        "Mend the field that the errmsg names; each kind of field has its own length and form.",
        "模板消息中某个字段不符合模板规则。",
        "按 errmsg 指出的字段修改；各类字段有各自的长度和格式要求。",
    ),
    48001: Advice(
        "The account itself has no right to this API, for example because it is not verified.",
        "See 接口权限 in the account's console; verification (微信认证) opens most of them.",
        "该账号自身没有此接口的权限，例如尚未认证。",
        "在该账号后台查看接口权限；完成微信认证可开通大部分接口。",
    ),
    48004: Advice(
        "WeChat has blocked this API for the account because of a violation.",
        "Ask the merchant to read the notice at mp.weixin.qq.com and to appeal there.",
        "因违规，该账号的此接口已被封禁。",
        "请商家登录 mp.weixin.qq.com 查看通知并申诉。",
    ),
    48006: Advice(
        "The ten quota resets of this month are used up.",
        "Wait for the daily quota to renew at midnight, China time.",
        "本月 10 次清零机会已用完。",
        "等待北京时间零点额度自动恢复。",
    ),
    50002: Advice(
        "The user or the account is frozen or closed.",
        "Ask the merchant to look at the account's state at mp.weixin.qq.com.",
        "用户或账号已被冻结或注销。",
        "请商家在 mp.weixin.qq.com 查看账号状态。",
    ),
    61003: Advice(
        "The account never authorised this platform, or has taken the authorization back.",
        "Send the merchant the authorization link.",
        "该账号从未授权给本平台，或已取消授权。",
        "把授权链接发给商家重新授权。",
    ),
    61004: Advice(
        "WeChat saw the call come from {ip}, which is not registered for the platform.",
        "Add {ip} to 白名单IP in the platform's settings at open.weixin.qq.com.",
        "微信看到的调用来源 {ip} 没有登记在该第三方平台。",
        "在 open.weixin.qq.com 第三方平台的开发配置中，把 {ip} 加入白名单IP。",
    ),
    61005: Advice(
        "The component_verify_ticket is older than twelve hours: pushes are not arriving.",
        "Check that the 授权事件接收URL reaches this server, then ask for a push with api_start_push_ticket.",
        "component_verify_ticket 已超过 12 小时，说明推送没有到达。",
        "确认授权事件接收URL能访问到本服务器，再用 api_start_push_ticket 请求推送。",
    ),
    61006: Advice(
        "The component_verify_ticket is missing, mistyped or of another platform.",
        "Wait for the next push (every ten minutes) or ask for it with api_start_push_ticket.",
        "component_verify_ticket 缺失、有误或属于其他平台。",
        "等待下一次推送（每 10 分钟），或用 api_start_push_ticket 请求推送。",
    ),
    61007: Advice(
        "The merchant did not grant the permission set this API belongs to.",
        "Ask the merchant to authorise again with that set ticked, and check that the platform offers it.",
        "商家没有授予该接口所属的权限集。",
        "请商家重新授权并勾选该权限集，同时确认平台已申请该权限集。",
    ),
    61009: Advice(
        "The authorization code is malformed, of another platform, or is a pre_auth_code.",
        "Start a new authorization; compare the component_appid with the platform that made the link.",
        "授权码格式不对、属于其他平台，或误传了 pre_auth_code。",
        "重新发起授权，并核对 component_appid 是否为生成链接的平台。",
    ),
    61010: Advice(
        "The authorization code was exchanged before, or is older than an hour.",
        "If the account is listed as authorised all is well; otherwise start a new authorization.",
        "授权码已被使用，或已超过一小时。",
        "若该账号已显示为已授权则无需处理，否则重新发起授权。",
    ),
    61011: Advice(
        "The component_appid is not that of a third-party platform.",
        "Use the platform's own appid from open.weixin.qq.com, not that of an account.",
        "component_appid 不是第三方平台的 appid。",
        "使用 open.weixin.qq.com 上第三方平台自己的 appid，而不是公众号或小程序的。",
    ),
    61012: _OPTION,
    61013: _OPTION,
    61025: _OPTION,
    61014: Advice(
        "This API takes the platform's token, and an account's token was sent.",
        "Call it with the component_access_token.",
        "该接口须用平台的 token，却传了账号的 token。",
        "改用 component_access_token 调用。",
    ),
    61015: Advice(
        "This API takes the account's token, and the platform's token was sent.",
        "Call it with the authorizer_access_token of the account.",
        "该接口须用账号的 token，却传了平台的 token。",
        "改用该账号的 authorizer_access_token 调用。",
    ),
    61016: Advice(
        "The permission set must be confirmed by the platform before it can be used.",
        "Confirm the account's pending permission set in the platform's console.",
        "该权限集需要平台确认后才能使用。",
        "在第三方平台后台确认该账号待确认的权限集。",
    ),
    61017: Advice(
        "The permission set is not granted.",
        "Ask the merchant to authorise again with the set ticked.",
        "该权限集未获授权。",
        "请商家重新授权并勾选该权限集。",
    ),
    61023: Advice(
        "The stored refresh token is not the current one: the merchant authorised again, or took it back.",
        "Read the current one with api_get_authorizer_list; if the account is not there, let it authorise.",
        "保存的 refresh_token 不是当前的：商家重新授权过，或已取消授权。",
        "用 api_get_authorizer_list 读取当前的 refresh_token；若列表中没有该账号，请商家重新授权。",
    ),
    61024: Advice(
        "A platform's token cannot be fetched like an account's.",
        "Use api_component_token for a platform's appid.",
        "第三方平台的 token 不能用账号的方式获取。",
        "对平台 appid 使用 api_component_token。",
    ),
    61028: Advice(
        "The platform has not been released to all (全网发布).",
        "Release it, or add the account to the platform's test list.",
        "第三方平台尚未全网发布。",
        "完成全网发布，或把该账号加入授权测试列表。",
    ),
    61039: Advice(
        "The check of the code's privacy interfaces is not finished.",
        "Try again in a minute.",
        "代码的隐私接口检测尚未完成。",
        "一分钟后再试。",
    ),
    61040: Advice(
        "The code uses privacy interfaces that were neither declared nor granted.",
        "Read get_code_privacy_info, then declare or apply for the interfaces it lists.",
        "代码使用了未声明或未获权限的隐私接口。",
        "调用 get_code_privacy_info 查看，并声明或申请所列接口。",
    ),
    89501: _IP_REVIEW,
    89503: _IP_REVIEW,
    89506: _IP_REVIEW,
    89507: _IP_REVIEW,
}
