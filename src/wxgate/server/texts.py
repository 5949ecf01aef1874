"""What the pages say, in Chinese and English, side by side; the login pages' words are in `login.texts`."""

from collections.abc import Mapping
from enum import StrEnum

from wxgate.server.login.scan_texts import SCAN_TEXTS
from wxgate.server.login.texts import LOGIN_TEXTS


class Lang(StrEnum):
    """A language the pages speak."""

    ZH = "zh"
    EN = "en"

    @property
    def other(self) -> "Lang":
        """The language one can switch to."""
        return Lang.EN if self is Lang.ZH else Lang.ZH


def choose_language(asked: str | None, accepted: str | None) -> Lang:
    """Choose by the `lang` parameter, else by Accept-Language, else Chinese: most merchants read it."""
    wishes = [(1.0, asked)] if asked else []
    wishes += sorted(map(_weighed, (accepted or "")[:200].split(",")), key=lambda wish: -wish[0])
    for weight, tag in wishes:
        for lang in Lang:
            if weight > 0 and tag.strip().lower().startswith(lang):
                return lang
    return Lang.ZH


def _weighed(item: str) -> tuple[float, str]:
    """Read one item of Accept-Language: its quality and its tag."""
    tag, _, quality = item.partition(";q=")
    try:
        return (float(quality) if quality else 1.0), tag
    except ValueError:
        return 0.0, tag


def text(lang: Lang, key: str, /, **fields: object) -> str:
    """Look a text up and fill its fields in; the template escapes the result."""
    zh, en = TEXTS[key]
    return (zh if lang is Lang.ZH else en).format(**fields)


def has_text(key: str) -> bool:
    """Tell whether there is a text of that name."""
    return key in TEXTS


TEXTS: Mapping[str, tuple[str, str]] = {
    **LOGIN_TEXTS,
    **SCAN_TEXTS,
    "html_lang": ("zh-CN", "en"),
    "switch": ("English", "中文"),
    # The entry page.
    "entry.title": ("授权给{name}", "Authorise {name}"),
    "entry.lead": (
        "由账号管理员在微信的授权页面上确认，{name}才能为您的账号提供服务。",
        "An administrator of the account confirms on WeChat's own page; then {name} can serve it.",
    ),
    "entry.which": ("要授权的账号", "Which account"),
    "entry.type.1": ("公众号", "Official account"),
    "entry.type.2": ("小程序", "Mini program"),
    "entry.type.3": ("两者皆可", "Either"),
    "entry.type.4": ("小程序推客账号", "Mini-program promoter"),
    "entry.type.5": ("视频号", "Channels account"),
    "entry.type.6": ("全部类型", "Any kind"),
    "entry.type.8": ("带货助手", "Live-commerce assistant"),
    "entry.only": ("仅限账号 {appid}", "Only the account {appid}"),
    "entry.only_admin": (
        "须由该账号的管理员扫码确认。",
        "An administrator of this very account has to scan and confirm.",
    ),
    "entry.sets": ("申请的权限", "Permissions asked for"),
    "entry.pc": ("在电脑上授权", "Authorise on this computer"),
    "entry.pc_hint": (
        "微信会显示一个二维码，请管理员用手机微信扫码确认",
        "WeChat shows a QR code for the administrator to scan",
    ),
    "entry.h5": ("用微信授权", "Authorise in WeChat"),
    "entry.h5_hint": ("无需扫码，直接选择账号并确认", "Nothing to scan: pick the account and confirm"),
    "entry.h5_desktop": ("打开手机版授权页", "Open the phone version"),
    "entry.pc_phone": ("改用电脑版授权页（扫码）", "Use the computer version (scan a code)"),
    "entry.qr": ("或用手机授权", "Or use your phone"),
    "entry.qr_hint": ("微信扫一扫，在手机上打开本页", "Scan with WeChat to open this page there"),
    "entry.qr_alt": ("在手机上打开本页的二维码", "QR code that opens this page on a phone"),
    "entry.open_in_wechat": (
        "手机授权需在微信里打开：复制下面的地址，发给“文件传输助手”后点开。",
        "On a phone this works inside WeChat: send yourself this address in a chat and open it there.",
    ),
    "entry.trust.own": ("授权在微信官方页面完成", "On WeChat's own page"),
    "entry.trust.own_more": (
        "{name}不会看到您的微信密码。",
        "{name} never sees your WeChat password.",
    ),
    "entry.trust.choose": ("权限由您选择", "You choose the permissions"),
    "entry.trust.choose_more": ("确认前可以取消勾选。", "Untick what you do not want before confirming."),
    "entry.trust.cancel": ("可以随时取消", "You can take it back"),
    "entry.trust.cancel_more": (
        "在公众平台的授权管理里取消授权。",
        "Withdraw it at any time in your account's settings.",
    ),
    "entry.valid_until": (
        "这个链接有效期至 {when}（北京时间）。",
        "This link is valid until {when} (Beijing time).",
    ),
    # The result page.
    "result.done": ("授权成功", "Authorised"),
    "result.done_lead": (
        "{name}现在可以为您的账号提供服务。",
        "{name} can now serve your account.",
    ),
    "result.kind": ("类型", "Kind"),
    "result.kind.official_account": ("公众号", "Official account"),
    "result.kind.mini_program": ("小程序", "Mini program"),
    "result.appid": ("AppID", "AppID"),
    "result.principal": ("主体", "Owner"),
    "result.sets": ("已授权的权限（{count} 项）", "Permissions granted ({count})"),
    "result.more": ("还有 {count} 项", "{count} more"),
    "result.no_sets": ("没有授予任何权限。", "No permissions were granted."),
    "result.close": ("您可以关闭这个页面了。", "You can close this page."),
    "result.back": ("返回继续", "Continue"),
    "result.back_soon": ("{seconds} 秒后自动返回 {host}。", "Going back to {host} in {seconds} seconds."),
    "result.working": ("正在完成授权", "Finishing the authorisation"),
    "result.working_lead": (
        "微信已经确认，我们正在取得授权。本页会自动刷新，关闭它也不影响结果。",
        "WeChat has confirmed; we are fetching the authorisation. This page refreshes itself, "
        "and closing it changes nothing.",
    ),
    "result.revoked": ("授权已取消", "The authorisation was withdrawn"),
    "result.revoked_lead": (
        "账号 {appid} 的授权成功过，但之后已被取消。",
        "The account {appid} was authorised, and the authorisation has been withdrawn since.",
    ),
    # What went wrong: title, what it means for the visitor, what the operator does.
    "operator": ("给平台运营人员", "For the operator of this platform"),
    "operator.errcode": ("微信错误码 {errcode}", "WeChat's errcode {errcode}"),
    "retry": ("再试一次", "Try again"),
    "again": ("重新开始授权", "Start again"),
    "again_invite": (
        "请重新打开您收到的链接；如果它已失效，请联系发给您链接的人。",
        "Open the link you were sent again; if it no longer works, ask whoever sent it for a new one.",
    ),
    "trouble.unknown_platform.title": ("没有这个平台", "No such platform"),
    "trouble.unknown_platform.body": (
        "请检查地址是否完整，或联系给您这个地址的人。",
        "Check that the address is complete, or ask whoever gave it to you.",
    ),
    "trouble.unknown_platform.operator": (
        "用 wxgate platform list 查看已登记的平台，用 wxgate platform add 添加。",
        "`wxgate platform list` shows the platforms here, `wxgate platform add` adds one.",
    ),
    "trouble.forged.title": ("链接无效", "This link does not work"),
    "trouble.forged.body": (
        "链接可能不完整。请回到收到它的地方，完整地复制后再打开。",
        "It may have been cut short. Go back to where you got it and copy all of it.",
    ),
    "trouble.expired.title": ("链接已过期", "This link has expired"),
    "trouble.expired.body": (
        "请联系发给您链接的人，重新获取一个。",
        "Ask whoever sent it to you for a new one.",
    ),
    "trouble.used.title": ("链接已使用过", "This link has been used"),
    "trouble.used.body": (
        "这个链接能用的次数已经用完。如果不是您本人使用的，请联系发给您链接的人。",
        "It was good for a limited number of uses. If it was not you, tell whoever sent it to you.",
    ),
    "trouble.bad_choice.title": ("地址里的参数不对", "This address has a wrong parameter"),
    "trouble.bad_choice.body": (
        "请从授权页面重新开始，不要修改地址。",
        "Start from the authorisation page, and leave the address as it is.",
    ),
    "trouble.bad_choice.operator": (
        "auth_type 为 1-6 或 8；biz_appid 为一个 AppID；category_id_list 形如 99|31；kind 为 pc 或 h5。",
        "auth_type is 1-6 or 8; biz_appid is one appid; category_id_list looks like 99|31; kind is pc or h5.",
    ),
    "trouble.prefetch.title": ("尚未开始授权", "Nothing has been started"),
    "trouble.prefetch.body": (
        "授权只在您点击时开始，预加载不会消耗授权码。",
        "An authorisation starts with your click; loading ahead starts nothing.",
    ),
    "trouble.too_many.title": ("点击太频繁了", "That was a little too often"),
    "trouble.too_many.body": (
        "请等一分钟再试。您的账号没有任何变化。",
        "Please wait a minute and try again. Nothing has changed for your account.",
    ),
    "trouble.ticket_missing.title": ("平台还没有准备好", "The platform is not ready yet"),
    "trouble.ticket_missing.body": ("请过十分钟再试。", "Please try again in ten minutes."),
    "trouble.ticket_missing.operator": (
        "还没有收到微信推送的 component_verify_ticket。微信每十分钟推送一次到“授权事件接收URL”："
        "请确认它指向本网关的 /wechat/{platform}/events，且消息校验Token和加解密Key与登记的一致。",
        "WeChat has not pushed a component_verify_ticket yet. It does so every ten minutes to the "
        "授权事件接收URL: check that it is /wechat/{platform}/events of this gateway, and that token and key "
        "are the same on both sides.",
    ),
    "trouble.ticket_rejected.title": ("平台暂时不可用", "The platform is not available"),
    "trouble.ticket_rejected.body": ("请过十分钟再试。", "Please try again in ten minutes."),
    "trouble.ip_not_registered.title": ("平台配置未完成", "The platform is not fully set up"),
    "trouble.ip_not_registered.body": ("请联系平台运营人员。", "Please tell the operator of this platform."),
    "trouble.busy.title": ("微信暂时繁忙", "WeChat is busy"),
    "trouble.busy.body": ("请过一会儿再试。", "Please try again in a moment."),
    "trouble.wechat_refused.title": ("微信没有接受这次请求", "WeChat did not accept this"),
    "trouble.wechat_refused.body": (
        "请稍后再试；如果一直这样，请联系平台运营人员。",
        "Please try again later, or tell the operator.",
    ),
    "trouble.unreachable.title": ("暂时连接不上微信", "WeChat cannot be reached"),
    "trouble.unreachable.body": ("请过一会儿再试。", "Please try again in a moment."),
    "trouble.unreachable.operator": (
        "服务器没有得到 api.weixin.qq.com 的回答：请检查出站网络、代理和 DNS。",
        "The server got no answer from api.weixin.qq.com: check its outgoing network, proxy and DNS.",
    ),
    "trouble.not_ready.title": ("平台配置未完成", "The platform is not fully set up"),
    "trouble.not_ready.body": ("请联系平台运营人员。", "Please tell the operator of this platform."),
    "trouble.not_ready.operator": ("原因写在服务器日志里。", "The reason is in the server's log."),
    "trouble.cancelled.title": ("没有完成授权", "Nothing was authorised"),
    "trouble.cancelled.body": (
        "微信没有带回授权码：授权可能被取消了。您的账号没有任何变化。",
        "WeChat sent no authorisation code: it was probably cancelled. Nothing has changed for your account.",
    ),
    "trouble.bad_code.title": ("授权码格式不对", "This is not an authorisation code"),
    "trouble.bad_code.body": (
        "地址里的授权码不是微信给出的样子，没有做任何处理。",
        "The code in the address does not look like one of WeChat's; nothing was done with it.",
    ),
    "trouble.unknown_result.title": ("没有这次授权的记录", "No such authorisation"),
    "trouble.unknown_result.body": (
        "结果只保留一天。如果您已在微信里确认，授权仍然有效。",
        "Results are shown for one day. If you confirmed in WeChat, the authorisation stands all the same.",
    ),
    "trouble.code_expired.title": ("授权码已过期或已使用", "The code has expired or was used"),
    "trouble.code_expired.body": (
        "授权码只能使用一次，一小时内有效。请重新授权一次，账号不会受影响。",
        "It is good for one use within an hour. Please authorise once more; your account is not affected.",
    ),
    "trouble.code_invalid.title": ("授权码无效", "The code is not valid"),
    "trouble.code_invalid.body": (
        "这个授权码不属于本平台，或不完整。请重新授权一次。",
        "It does not belong to this platform, or is incomplete. Please authorise once more.",
    ),
}
