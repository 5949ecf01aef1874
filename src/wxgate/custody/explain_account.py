"""Refusals of calls for an account explained: tokens, authorizations, permission sets and quotas."""

from datetime import timedelta

from wxgate.custody.explain_platform import secret_refused
from wxgate.custody.records import AuthorizationState
from wxgate.custody.situations import Situation
from wxgate.custody.wording import day, listed, needed_set, next_day, send, send_zh, sets, span, span_zh
from wxgate.errors import Explanation, WeChatError
from wxgate.protocol import permissions
from wxgate.protocol.permissions import AccountKind
from wxgate.protocol.tokens import DIRECT_ISSUER

TOKEN_LIFE = timedelta(hours=2)


def token_rejected(error: WeChatError, at: Situation) -> Explanation | None:
    """Tell by the age of the token who replaced it."""
    if error.path.endswith(("/api_component_token", "/stable_token", "/cgi-bin/token")):
        return secret_refused(error, at)
    age = at.now - at.token_fetched_at if at.token_fetched_at else None
    if age is None or not at.issuer:
        return None
    if age >= TOKEN_LIFE:
        return Explanation(
            f"The token of {at.account} was fetched {span(age)} ago, longer than WeChat honours one.",
            "Call again: the gateway renews it; if it stays old, see why its renewal fails in the log.",
            f"{at.account} 的 token 是 {span_zh(age)}前获取的，已超过有效期。",
            "重新调用，网关会更新它；若一直不更新，请在日志中查看更新失败的原因。",
        )
    if at.issuer == DIRECT_ISSUER:
        return Explanation(
            f"The token of direct account {at.account} was fetched only {span(age)} ago and is no longer "
            "honoured, so another program has fetched one with the same AppSecret.",
            f"Find the program that calls cgi-bin/token for {at.account} and let it take its token from "
            "here.",
            f"直连账号 {at.account} 的 token 在 {span_zh(age)}前才获取却已失效，说明有其他程序用同一个 "
            "AppSecret 获取了 token。",
            f"找到为 {at.account} 调用 cgi-bin/token 的程序，让它改从本网关取 token。",
        )
    if at.on_behalf:
        return Explanation(
            f"The token with which {at.issuer} acts for {at.account} was fetched only {span(age)} ago "
            "and is no "
            f"longer honoured: {at.account} has authorised anew, or another program refreshes its token.",
            "Let no other program call api_authorizer_token for this platform; then call again.",
            f"平台 {at.issuer} 代 {at.account} 调用的 token 在 {span_zh(age)}前才获取却已失效：该账号重"
            "新授权过，或有其他程序在刷新它。",
            "确保没有其他程序为该平台调用 api_authorizer_token，然后重新调用。",
        )
    return Explanation(
        f"The component token of {at.issuer} was fetched only {span(age)} ago and is no longer honoured, so "
        "another program has fetched one with the same ticket and AppSecret.",
        f"Let no other program call api_component_token for {at.issuer}; then call again.",
        f"平台 {at.issuer} 的 component_access_token 在 {span_zh(age)}前才获取却已失效，说明有其他程序"
        "也在获取。",
        f"确保没有其他程序为 {at.issuer} 调用 api_component_token，然后重新调用。",
    )


def not_authorized(_: WeChatError, at: Situation) -> Explanation | None:
    """Tell an account that never came from one that left."""
    if not at.on_behalf:
        return None
    action, action_zh = send(at), send_zh(at)
    others = f"; here it has authorised {listed(at.others)} instead" if at.others else ""
    others_zh = f"；在本网关它授权的是 {listed(at.others)}" if at.others else ""
    match at.state:
        case None:
            cause = (
                f"{at.account} has never authorised platform {at.issuer} as far as this gateway "
                f"knows{others}."
            )
            cause_zh = f"据本网关所知，{at.account} 从未授权给平台 {at.issuer}{others_zh}。"
        case AuthorizationState.REVOKED:
            cause = (
                f"{at.account} took back its authorization of {at.issuer} on {day(at.changed_at)}{others}."
            )
            cause_zh = f"{at.account} 已于 {day(at.changed_at)} 取消对平台 {at.issuer} 的授权{others_zh}。"
        case state:
            cause = (
                f"{at.account} has taken back its authorization of {at.issuer}, which the gateway still "
                "holds "
                f"as {state} since {day(at.authorized_at)}: the push that told of it has not "
                f"arrived{others}."
            )
            cause_zh = (
                f"{at.account} 已取消对平台 {at.issuer} 的授权，而网关自 {day(at.authorized_at)} 起仍记"
                f"为 {state}："
                f"取消授权的推送没有到达{others_zh}。"
            )
    return Explanation(cause, action, cause_zh, action_zh)


def permission_missing(error: WeChatError, at: Situation) -> Explanation | None:
    """Name the missing set by the path and by what the account granted."""
    if not at.on_behalf:
        return None
    path = error.path or at.path
    needed = needed_set(path, at.account_kind)
    if needed is None:
        granted = sets(at.func_ids) or "no permission set at all"
        granted_zh = sets(at.func_ids, "zh") or "无"
        api, api_zh = path or "the API", path or "该接口"
        return Explanation(
            f"{at.account} has not granted {at.issuer} the permission set of {api}; it has granted "
            f"{granted}.",
            "See on the API's page which set it needs, and that the platform has it; "
            f"{send(at, 'then send')}",
            f"{at.account} 没有把 {api_zh} 所属的权限集授予 {at.issuer}；已授予：{granted_zh}。",
            f"在接口文档查看所需权限集并确认平台已申请；{send_zh(at)}",
        )
    name, name_zh = sets((needed,)), sets((needed,), "zh")
    if needed in at.func_ids:
        return Explanation(
            f"{path} needs permission set {name}, which {at.account} has granted as far as the gateway "
            "knows, so "
            "the grant was narrowed since or the set is not released for the platform.",
            f"Check in the platform's console that set {needed} is released; {send(at, 'then send')}",
            f"{path} 需要权限集 {name_zh}，网关记录中 {at.account} 已授予：之后授权范围被缩小，或平台的该"
            "权限集未全网发布。",
            f"在第三方平台后台确认权限集 {needed} 已发布；{send_zh(at)}",
        )
    return Explanation(
        f"{path} needs permission set {name}, which {at.account} has not granted to {at.issuer}.",
        f"{send(at)[:-1]} and have the set ticked; the platform must offer it.",
        f"{path} 需要权限集 {name_zh}，{at.account} 没有授予平台 {at.issuer}。",
        f"{send_zh(at)[:-1]}，并请商家勾选该权限集（平台须已申请）。",
    )


def no_right(error: WeChatError, at: Situation) -> Explanation | None:
    """Tell an API of the other kind of account from one the account is not entitled to."""
    path = error.path or at.path
    if not at.account or not path:
        return None
    needed = permissions.required_for(path)
    kinds = {AccountKind.OFFICIAL_ACCOUNT: "an official account", AccountKind.MINI_PROGRAM: "a mini program"}
    kinds_zh = {AccountKind.OFFICIAL_ACCOUNT: "公众号", AccountKind.MINI_PROGRAM: "小程序"}
    if at.account_kind in kinds and needed is not None and needed_set(path, at.account_kind) is None:
        mine, mine_zh = kinds[AccountKind(at.account_kind)], kinds_zh[AccountKind(at.account_kind)]
        return Explanation(
            f"{path} is no API of {mine}, and {at.account} is one.",
            "Call the API that its own kind of account has for this.",
            f"{path} 不是{mine_zh}的接口，而 {at.account} 是{mine_zh}。",
            "改用该类账号对应的接口。",
        )
    return Explanation(
        f"{at.account} itself has no right to {path}, whatever it has granted to others; often it is "
        "not verified.",
        f"See 接口权限 of {at.account} at mp.weixin.qq.com; verification (微信认证) opens most of them.",
        f"{at.account} 自身没有 {path} 的接口权限（与授权无关），常见原因是尚未认证。",
        f"在 mp.weixin.qq.com 查看 {at.account} 的接口权限；完成微信认证可开通大部分接口。",
    )


def refresh_token_rejected(_: WeChatError, at: Situation) -> Explanation | None:
    """Say since when the refresh token kept here is not the current one."""
    if not at.on_behalf:
        return None
    since, since_zh = day(at.changed_at), day(at.changed_at)
    if at.state is AuthorizationState.REVOKED:
        cause = f"{at.account} took back its authorization of {at.issuer} on {since}."
        cause_zh = f"{at.account} 已于 {since_zh} 取消对平台 {at.issuer} 的授权。"
    elif at.state is None:
        cause = f"{at.account} has never authorised platform {at.issuer} as far as this gateway knows."
        cause_zh = f"据本网关所知，{at.account} 从未授权给平台 {at.issuer}。"
    else:
        cause = (
            f"The refresh token kept for {at.account} at {at.issuer} (last change {since}) is not the "
            "current "
            "one: the account authorised anew or took it back, and the push of it has not arrived."
        )
        cause_zh = (
            f"网关保存的 {at.account} 对平台 {at.issuer} 的 refresh_token（最后变更于 {since_zh}）不是当"
            "前的："
            "该账号重新授权或取消了授权，而推送没有到达。"
        )
    return Explanation(
        cause,
        f"If WeChat's list of authorizers has {at.account}, its refresh token there is the good one; if not, "
        f"{send(at, 'send')}",
        cause_zh,
        f"若授权方列表中有 {at.account}，以列表中的 refresh_token 为准；否则{send_zh(at)}",
    )


def quota_used_up(error: WeChatError, at: Situation) -> Explanation | None:
    """Say whose count is full, for which path, and when it begins anew."""
    path = error.path or at.path
    # What a platform calls with its own token counts against itself, whomever the call is about.
    own = at.by_platform and path.startswith("/cgi-bin/component/")
    whose = at.issuer if own else at.account
    if not whose or not path:
        return None
    left = next_day(at.now) - at.now
    return Explanation(
        f"{whose} has used up today's calls of {path}, and the count renews in {span(left)}.",
        f"See `wxgate quota show {whose} {path}`, spread the calls, or spend one of ten monthly clears with "
        f"`wxgate quota clear {whose}`.",
        f"{whose} 今天调用 {path} 的次数已用完，{span_zh(left)}后恢复。",
        f"用 `wxgate quota show {whose} {path}` 查看额度并分散调用，或用 `wxgate quota clear {whose}`（"
        "每月 10 次）清零。",
    )
