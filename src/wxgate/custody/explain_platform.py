"""Refusals of platforms and secrets explained: AppSecrets, allow-lists, tickets and authorization codes."""

from wxgate.custody.records import AuthorizationState
from wxgate.custody.situations import Situation
from wxgate.custody.tickets import LIFETIME
from wxgate.custody.wording import day, listed, page, span, span_zh
from wxgate.errors import Explanation, WeChatError
from wxgate.protocol.tokens import DIRECT_ISSUER


def secret_refused(_: WeChatError, at: Situation) -> Explanation | None:
    """Tell a secret that was never right from one that was changed."""
    if not at.whose:
        return None
    what, what_zh = ("direct account", "直连账号") if at.issuer == DIRECT_ISSUER else ("platform", "平台")
    where = "mp.weixin.qq.com" if at.issuer == DIRECT_ISSUER else "open.weixin.qq.com"
    action = f"Copy the AppSecret of {at.whose} from {where} into the gateway."
    action_zh = f"从 {where} 把 {at.whose} 当前的 AppSecret 更新到网关。"
    if at.last_accepted is None:
        return Explanation(
            f"WeChat has never accepted the AppSecret kept for {what} {at.whose}: it is mistyped, or "
            "another's.",
            action,
            f"微信从未接受过网关中{what_zh} {at.whose} 的 AppSecret：填写有误，或属于其他账号。",
            action_zh,
        )
    return Explanation(
        f"The AppSecret of {what} {at.whose} was good {span(at.now - at.last_accepted)} ago and is no "
        "longer: it "
        "was reset in WeChat's console or changed here since.",
        action,
        f"{what_zh} {at.whose} 的 AppSecret 在 {span_zh(at.now - at.last_accepted)}前仍有效，之后在微信"
        "后台被重置或在网关中被修改。",
        action_zh,
    )


def ip_of_platform(error: WeChatError, at: Situation) -> Explanation | None:
    """Name the address and the platform whose list lacks it."""
    ip = getattr(error, "ip", "")
    if not at.by_platform or not ip:
        return None
    return Explanation(
        f"WeChat saw the call come from {ip}, which is not in 白名单IP of platform {at.issuer}.",
        f"Add {ip} to 白名单IP of {at.issuer} at open.weixin.qq.com, or send calls out through an "
        "address that "
        "is there (WXGATE_OUTBOUND_PROXY).",
        f"微信看到的调用来源是 {ip}，不在平台 {at.issuer} 的白名单IP中。",
        f"在 open.weixin.qq.com 把 {ip} 加入 {at.issuer} 的白名单IP，或通过已登记的地址出网（"
        "WXGATE_OUTBOUND_PROXY）。",
    )


def ip_of_account(error: WeChatError, at: Situation) -> Explanation | None:
    """Name the address and the account whose list lacks it."""
    ip = getattr(error, "ip", "")
    if not at.account or not ip:
        return None
    return Explanation(
        f"WeChat saw the call come from {ip}, which is not in IP白名单 of {at.account}.",
        f"Add {ip} to IP白名单 in the development settings of {at.account} at mp.weixin.qq.com.",
        f"微信看到的调用来源是 {ip}，不在 {at.account} 的 IP白名单中。",
        f"在 mp.weixin.qq.com 的开发设置中，把 {ip} 加入 {at.account} 的 IP白名单。",
    )


def ticket_expired(error: WeChatError, at: Situation) -> Explanation | None:
    """Tell pushes that do not arrive from a ticket replaced elsewhere."""
    if at.ticket is None or not at.by_platform:
        return None
    if at.ticket_age is None:
        return _ticket_missing(at)
    url = f"/wechat/{at.issuer}/events"
    if at.ticket_age >= LIFETIME:
        return Explanation(
            f"The newest ticket of platform {at.issuer} is {span(at.ticket_age)} old and WeChat "
            "honours one for "
            "twelve hours: pushes do not arrive.",
            f"Check that the 授权事件接收URL is {url} here and reachable, then ask for a ticket with "
            "api_start_push_ticket.",
            f"平台 {at.issuer} 最新的 ticket 已有 {span_zh(at.ticket_age)}，超过 12 小时有效期：推送没"
            "有到达。",
            f"确认授权事件接收URL 指向本网关的 {url} 且可访问，再用 api_start_push_ticket 请求推送。",
        )
    return _ticket_foreign(error, at)


def ticket_invalid(error: WeChatError, at: Situation) -> Explanation | None:
    """Tell a ticket that never came from one that is not this platform's."""
    if at.ticket is None or not at.by_platform:
        return None
    return _ticket_missing(at) if at.ticket_age is None else _ticket_foreign(error, at)


def _ticket_missing(at: Situation) -> Explanation:
    return Explanation(
        f"Platform {at.issuer} has not received a component_verify_ticket here yet.",
        f"Set the 授权事件接收URL to /wechat/{at.issuer}/events of this gateway and wait ten minutes.",
        f"平台 {at.issuer} 在本网关还没有收到过 component_verify_ticket。",
        f"把授权事件接收URL 设为本网关的 /wechat/{at.issuer}/events，并等待 10 分钟。",
    )


def _ticket_foreign(error: WeChatError, at: Situation) -> Explanation:
    assert at.ticket_age is not None
    age, age_zh = span(at.ticket_age), span_zh(at.ticket_age)
    said, said_zh = ("expired", "已过期") if error.errcode == 61005 else ("invalid", "无效")
    return Explanation(
        f"WeChat calls the ticket of {at.issuer} {said} although it was pushed only {age} ago, so a "
        "newer one "
        "went to another address or the push came from another system.",
        f"Check that nothing but /wechat/{at.issuer}/events of this gateway is the 授权事件接收URL, and "
        "wait for "
        "the next push (every ten minutes).",
        f"平台 {at.issuer} 的 ticket 在 {age_zh}前才推送，微信却认为{said_zh}：更新的 ticket 推送到了别"
        "处，或这次推送来自其他系统。",
        f"确认授权事件接收URL 只指向本网关的 /wechat/{at.issuer}/events，并等待下一次推送（每 10 分钟）。",
    )


def code_foreign(_: WeChatError, at: Situation) -> Explanation | None:
    """Name the other platforms a code may be of."""
    if not at.by_platform:
        return None
    others = [platform for platform in at.platforms if platform != at.issuer]
    which = f" such as {listed(others)}, which is served here too" if others else ""
    which_zh = f"（例如本网关同时服务的 {listed(others)}）" if others else ""
    return Explanation(
        f"The code was not made for platform {at.issuer}: it belongs to another platform{which}, or is no "
        "authorization code.",
        f"Compare component_appid in the authorization link with {at.issuer}, and start again from "
        f"{page(at)}.",
        f"该授权码不是为平台 {at.issuer} 生成的：它属于其他平台{which_zh}，或根本不是授权码。",
        f"核对授权链接中的 component_appid 是否为 {at.issuer}，并从 {page(at)} 重新发起授权。",
    )


def code_spent(_: WeChatError, at: Situation) -> Explanation | None:
    """Tell whether the account is authorised all the same."""
    if at.on_behalf and at.state is AuthorizationState.ACTIVE:
        return Explanation(
            f"The code was exchanged before, and {at.account} is authorised since {day(at.authorized_at)}.",
            "Nothing needs to be done.",
            f"该授权码已被使用，{at.account} 自 {day(at.authorized_at)} 起已授权。",
            "无需处理。",
        )
    if not at.by_platform:
        return None
    return Explanation(
        f"The code for platform {at.issuer} was exchanged before, here or by another program, or is too old.",
        f"See in `wxgate account list` whether the account is there; if not, start anew from {page(at)}.",
        f"平台 {at.issuer} 的授权码已被本网关或其他程序使用，或已过期。",
        f"用 `wxgate account list` 查看账号是否已授权；若没有，从 {page(at)} 重新发起授权。",
    )


def no_platform(_: WeChatError, at: Situation) -> Explanation | None:
    """Say what else the appid is."""
    if not at.by_platform:
        return None
    what = " is an account configured here, and" if at.is_direct_here else ""
    what_zh = "是本网关中的直连账号，" if at.is_direct_here else ""
    return Explanation(
        f"{at.issuer}{what} is not the appid of a third-party platform, or of one that was closed.",
        "Give the gateway the appid shown at open.weixin.qq.com under 第三方平台, not that of an account.",
        f"{at.issuer} {what_zh}不是第三方平台的 appid，或该平台已注销。",
        "请使用 open.weixin.qq.com 第三方平台页面上的 appid，而不是公众号或小程序的。",
    )
