"""The demo's story, step by step, each played over HTTP and checked from both sides.

WeChat's side is asked through the emulator's control plane; ours through the database the gateway writes.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from wxgate.cli import merchant
from wxgate.cli.children import run_command
from wxgate.cli.output import duration, mask
from wxgate.cli.stage import Stage, expect
from wxgate.cli.story_login import login_in_wechat, login_oidc, login_on_behalf, login_qr
from wxgate.custody.records import AuthorizationState
from wxgate.custody.sources import component_key
from wxgate.custody.tickets import TicketHealth
from wxgate.errors import GatewayError, NotAuthorized
from wxgate.events.records import EventState
from wxgate.server.follow import FollowedClock

TWO_HOURS = 7200
QUESTION = "你好，今天有牛肉面吗？"
OFFER = "您的牛肉面好了，请到窗口取。"
LATER = "我关注你们多久了？"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story: its name for machines and its titles for people."""

    name: str
    title: str
    title_zh: str
    play: Callable[[Stage], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Result:
    """How a step went; `ok` is None for one that was not played."""

    step: Step
    ok: bool | None
    facts: list[str]
    ms: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return it for machines."""
        if self.ok is None:
            return {"ok": False, "skipped": True, "detail": "skipped", "ms": 0}
        return {"ok": self.ok, "detail": "; ".join(self.facts), "ms": self.ms}


async def play(stage: Stage, begins: Callable[[Step], None]) -> AsyncIterator[Result]:
    """Play one step after the other until one fails; what follows it is skipped."""
    broken = False
    for step in STEPS:
        if broken:
            yield Result(step, None, [])
            continue
        begins(step)
        began = time.perf_counter()
        try:
            facts, ok = await step.play(stage), True
        except (GatewayError, aiohttp.ClientError, TimeoutError, ValueError, LookupError) as failure:
            facts, ok, broken = [f"{type(failure).__name__}: {failure}"], False, True
        yield Result(step, ok, facts, round((time.perf_counter() - began) * 1000))


async def _ticket(stage: Stage) -> list[str]:
    """WeChat pushes a ticket; it is durable before it is acknowledged."""
    push = await stage.control("act/ticket", platform=stage.platform)
    expect(push["outcome"] == "success", f"WeChat's push ended as {push['outcome']}: {push['attempts']}")
    kept = await stage.node.store.tickets.newest(stage.platform, 1)
    expect(kept, "the push was acknowledged, but no ticket is in the database")
    expect(kept[0].ticket.reveal() in push["plain"], "the ticket kept is not the one that was pushed")
    ready = await stage.get(f"{stage.gateway}/readyz")
    health = ready["tickets"][stage.platform]["health"]
    expect(health == TicketHealth.GOOD, f"/readyz calls the ticket {health}")
    return [
        f"{mask(kept[0].ticket)} decrypted, in the database, then answered with success",
        f"/readyz: ticket {health}, {ready['tickets'][stage.platform]['age_seconds']} s old",
    ]


async def _component_token(stage: Stage) -> list[str]:
    """The gateway turns the ticket into its component token by itself."""
    kept = await stage.wait_for_token(component_key(stage.platform))
    calls = await stage.calls("/cgi-bin/component/api_component_token")
    expect(len(calls) == 1, f"WeChat was asked {len(calls)} times for one component token")
    expect(not calls[0]["errcode"], f"WeChat refused: {calls[0]['answer']}")
    return [
        f"{mask(kept.token)} fetched with one call, sealed in the database",
        f"good for {duration(kept.expires_at - kept.fetched_at)}, renewed ahead of that",
    ]


async def _authorize(stage: Stage) -> list[str]:
    """A merchant goes through the pages; the code comes twice and is exchanged once."""
    entry = f"{stage.gateway}/authorize/{stage.platform}"
    page = await merchant.authorize(stage.session, entry, stage.account)

    async def look() -> bool:
        nonlocal page
        if stage.account_name in page.text and "/result/" in page.url:
            return True
        page = await merchant.look_again(stage.session, page)
        return False

    await stage.until("the result page names the account", look)

    async def told() -> bool:
        return any(push["outcome"] == "success" for push in await stage.pushes("authorized"))

    # Browser and push race each other; the page may well be there first.
    await stage.until("WeChat's `authorized` push is acknowledged", told)
    calls = await stage.calls("/cgi-bin/component/api_query_auth")
    spent = [call for call in calls if not call["errcode"]]
    expect(len(spent) == len(calls) >= 1, f"a code was spent in vain: {[call['answer'] for call in calls]}")
    right = await stage.load_right()
    expect(right.state is AuthorizationState.ACTIVE, f"the authorization is {right.state} here")
    times = "once" if len(calls) == 1 else f"as {len(calls)} different codes"
    return [
        f"entry page → WeChat's page → confirmed → back: {stage.account_name} ({stage.account})",
        f"{len(right.func_ids)} permission sets; the code came by browser and by push, exchanged {times}",
    ]


async def _authorizer_token(stage: Stage) -> list[str]:
    """The exchange left an access token and a refresh token."""
    right = await stage.load_right()
    expect(right.refresh_token, "there is no refresh token in the database")
    kept = await stage.wait_for_token(stage.token_key)
    lifetime = duration(kept.expires_at - kept.fetched_at)
    errcode = await stage.try_token(kept)
    expect(errcode == 0, f"WeChat does not accept the token: errcode {errcode}")
    history = await stage.node.authorizations.history(stage.platform, stage.account)
    expect(history, "the refresh token has no history")
    return [
        f"access token {mask(kept.token)}, good for {lifetime}; WeChat takes it",
        f"refresh token {mask(right.refresh_token)} kept for good, sealed; came by {history[-1].reason}",
    ]


async def _message_reply(stage: Stage) -> list[str]:
    """A follower writes; the handler's answer goes back sealed, in the same HTTP exchange."""
    push, shown = await _write(stage, QUESTION)
    ms = push["attempts"][-1]["ms"]
    expect(QUESTION in shown, f"the follower sees {shown!r}")
    events = await stage.node.store.inbox.find(appid=stage.account, limit=1)
    expect(events and events[0].state is EventState.DONE, "the message is not recorded as done")
    expect(events[0].reply and shown in events[0].reply, "the reply is not recorded with the message")
    return [
        f"{stage.follower}: {QUESTION}",
        f"{stage.account_name}: {shown}",
        f"sealed both ways, answered in {ms:.0f} ms, recorded as event {events[0].id}",
    ]


async def _custom_message(stage: Stage) -> list[str]:
    """`wxgate call` sends a customer-service message, with the token from the gateway's database."""
    body = {"touser": stage.openid, "msgtype": "text", "text": {"content": OFFER}}
    path = "cgi-bin/message/custom/send"
    told = await run_command("call", stage.account, "POST", path, "--json-body", json.dumps(body))
    expect(told["errcode"] == 0, f"WeChat answered {told}")
    seen = await stage.last_seen("custom")
    expect(seen == OFFER, f"the follower sees {seen!r}")
    call = (await stage.calls(f"/{path}"))[-1]
    expect(call["platform"] == stage.platform, "it was sent with another issuer's token")
    return [
        f"{stage.account_name} → {stage.follower}: {seen}",
        f"wxgate call … POST {path}: errcode 0, {call['rid'] or 'rid absent'}",
    ]


async def _refresh(stage: Stage) -> list[str]:
    """Two hours pass; the next call finds the token expired and renews it."""
    before = await stage.wait_for_token(stage.token_key)
    now = await _pass_time(stage, TWO_HOURS)
    errcode = await stage.try_token(before)
    expect(errcode in (40001, 40014, 42001), f"WeChat still accepts the old token: errcode {errcode}")
    _, shown = await _write(stage, LATER)
    expect("关注我们" in shown, f"the follower sees {shown!r}")
    after = await stage.wait_for_token(stage.token_key)
    expect(after.version > before.version, "the token was not renewed")
    expect(await stage.try_token(after) == 0, "WeChat does not accept the new token")
    calls = await stage.calls("/cgi-bin/component/api_authorizer_token")
    expect(len(calls) == 1, f"one renewal took {len(calls)} calls")
    return [
        f"clock moved to {now}; old token {mask(before.token)}: errcode {errcode}",
        f"{stage.follower}: {LATER} → {stage.account_name}: {shown}",
        f"on the way renewed with one call: version {after.version}, {mask(after.token)}",
    ]


async def _unauthorized(stage: Stage) -> list[str]:
    """The merchant takes it back; the authorization and its tokens are closed."""
    push = await stage.control("act/unauthorize", platform=stage.platform, appid=stage.account)
    expect(push["outcome"] == "success", f"WeChat's push ended as {push['outcome']}")
    right = await stage.load_right()
    expect(right.state is AuthorizationState.REVOKED, f"the authorization is {right.state} here")
    expect(right.refresh_token is None, "the refresh token is still there")
    expect(await stage.node.store.tokens.load(stage.token_key) is None, "the access token is still there")
    try:
        await stage.node.calls.caller(stage.account)
    except NotAuthorized as refused:
        reason = str(refused).partition(":")[0]
    else:
        raise GatewayError("the gateway would still act for the account")
    state = await stage.get(f"{stage.emulator}/_emulator/state")
    expect(not state["authorizations"], "WeChat still has the authorization")
    return ["authorization revoked, access and refresh token gone", f"a call is refused now: {reason}"]


async def _pass_time(stage: Stage, seconds: int) -> str:
    """Move WeChat's clock, wait until the gateway follows, then let the due ticket come."""
    # A ticket stamped two hours ahead of the gateway's clock would rightly be refused as stale.
    await stage.control("platforms", appid=stage.platform, pushing=False)
    goal = (await stage.control("clock", advance=seconds))["now"]

    async def followed() -> bool:
        return bool((await stage.get(f"{stage.gateway}/healthz"))["now"] >= goal - 1)

    async def has_ticket() -> bool:
        return (await stage.node.tickets.age(stage.platform)).health is TicketHealth.GOOD

    await stage.until("the gateway's clock follows the emulator's", followed)
    if isinstance(stage.node.clock, FollowedClock):
        await stage.node.clock.look()
    await stage.control("platforms", appid=stage.platform, pushing=True)
    await stage.until("the ticket that was due meanwhile is pushed", has_ticket)
    return stage.node.clock.now().astimezone().strftime("%H:%M")


async def _write(stage: Stage, text: str) -> tuple[Mapping[str, Any], str]:
    """Let the follower write; return WeChat's record of the push and what the follower then sees."""
    push = (await stage.control("act/message", appid=stage.account, openid=stage.openid, content=text))[0]
    problem = push["attempts"][-1]["problem"]
    expect(push["outcome"] == "reply", f"WeChat's push ended as {push['outcome']}: {problem}")
    return push, await stage.last_seen("passive")


STEPS = (
    Step("ticket", "WeChat pushes a ticket", "推送票据", _ticket),
    Step("component_token", "the ticket becomes a component token", "换取平台令牌", _component_token),
    Step("authorize", "a merchant authorises on WeChat's page", "商家授权", _authorize),
    Step("authorizer_token", "tokens to act for the merchant", "商家的令牌", _authorizer_token),
    Step("message_reply", "a follower writes and is answered", "粉丝来信，被动回复", _message_reply),
    Step("custom_message", "the shop writes by itself", "客服消息", _custom_message),
    Step("refresh", "two hours later the token is renewed", "两小时后，令牌续期", _refresh),
    Step("login_in_wechat", "somebody logs in inside WeChat, unasked", "微信内静默登录", login_in_wechat),
    Step("login_on_behalf", "a login on the merchant's behalf", "代公众号登录", login_on_behalf),
    Step("login_qr", "on a desktop, by scanning", "电脑扫码登录", login_qr),
    Step("login_oidc", "an OpenID client that knows no WeChat", "标准 OpenID Connect 登录", login_oidc),
    Step("unauthorized", "the merchant takes it back", "取消授权", _unauthorized),
)
