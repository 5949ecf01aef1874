"""Seeing and setting who replies for an account."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wxgate.clock import Clock
from wxgate.errors import ConfigError, InvalidReply
from wxgate.events.planning import Planner, Standing
from wxgate.events.policies import DEFAULT, HANDLERS, NOBODY, Party, Policy, ReplyPolicy, answering
from wxgate.events.ports import ReplyPolicies
from wxgate.protocol.replies import Text, check
from wxgate.protocol.tokens import DIRECT_ISSUER


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to know about how an account is replied to, in English and Chinese."""

    en: str
    zh: str


OTHERS = Advice(
    "Other people's third parties that this account has authorised receive its messages as well and may "
    "answer too; WeChat does not tell of them. Where another one answers, choose silent.",
    "该账号授权的其他第三方平台同样会收到消息，也可能回复，微信不会告知。"
    "若由别家回复，请选择 silent（不回复）。",
)
SEVERAL = Advice(
    "Several of your own platforms receive this account's messages; only {answers} answers, the events of "
    "the others are recorded and delivered.",
    "您有多个平台收到该账号的消息；只由 {answers} 回复，其余平台的事件照常记录和投递。",
)
ABSENT = Advice(
    "{platform} was chosen to answer but may not act for this account, so {answers} answers.",
    "指定由 {platform} 回复，但它未获该账号授权，因此由 {answers} 回复。",
)
UNHEARD = Advice(
    "The account is configured here as direct, but no push has come to its address for a week, so {answers} "
    "answers. Once one comes, direct does.",
    "该账号在此配置为 direct，但其地址一周内未收到推送，因此由 {answers} 回复；"
    "一旦收到推送，即由 direct 回复。",
)
MUTE = Advice(
    "{answers} answers, but no push has come to its address for a week: check the server address in the "
    "account's settings at WeChat, or choose a platform.",
    "由 {answers} 回复，但其地址一周内未收到推送：请检查该账号在微信后台填写的服务器地址，或改选一个平台。",
)
NO_RIGHT = Advice(
    "{answers} was not given the permission set of messages (1, for mini programs 19): a late reply cannot "
    "go out as a customer-service message.",
    "{answers} 未获得消息管理权限集（1，小程序为 19），迟到的回复无法以客服消息发出。",
)


@dataclass(frozen=True, slots=True)
class RepliesView:
    """How an account is replied to: the policy in force, where it comes from, who answers, and advice.

    `source` is `account`, `default` or `built_in`; `answers` is None where nobody of ours may act.
    """

    policy: ReplyPolicy
    source: str
    parties: tuple[Party, ...]
    answers: str | None
    mini_program: bool
    advice: tuple[Advice, ...]


class Replies:
    """Shows and changes reply policies; `*` in place of an appid is the default for all accounts."""

    def __init__(self, policies: ReplyPolicies, planner: Planner, clock: Clock) -> None:
        self._policies = policies
        self._planner = planner
        self._clock = clock

    async def show(self, appid: str) -> RepliesView:
        """Show how an account is replied to."""
        standing = await self._planner.look_up(appid)
        answers = answering(standing.policy, standing.parties)
        source = "account" if standing.own else "default" if standing.default else "built_in"
        return RepliesView(
            standing.policy,
            source,
            standing.parties,
            answers,
            standing.mini_program,
            _advice(standing, answers) if appid != DEFAULT else (OTHERS,),
        )

    async def list_policies(self) -> Sequence[ReplyPolicy]:
        """List the policies that were set."""
        return await self._policies.list_policies()

    async def set(
        self,
        appid: str,
        *,
        policy: Policy | str | None = None,
        replier: str | None = None,
        platform: str | None = None,
        default_text: str | None = None,
        hold_retries: bool | None = None,
        custom_message: bool | None = None,
    ) -> RepliesView:
        """Change what is given, leave the rest as it is in force; raises ConfigError for what cannot be."""
        standing = await self._planner.look_up(appid)
        given: dict[str, Any] = {
            "replier": replier,
            "platform": platform,
            "default_text": default_text,
            "hold_retries": hold_retries,
            "custom_message": custom_message,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if policy is not None:
            changes["policy"] = _policy(policy)
        if default_text:
            _check_text(default_text)
        if replier not in (None, HANDLERS, NOBODY) and not await self._policies.has_subscriber(str(replier)):
            raise ConfigError(
                f"there is no subscriber {str(replier)[:64]!r} to reply; give the id of one (sub_…), "
                "`none` for nobody, or nothing for the handlers"
            )
        if platform:
            _check_platform(platform, appid, standing.parties)
        now = self._clock.now()
        await self._policies.put_policy(replace(standing.policy, appid=appid, **changes, updated_at=now))
        self._planner.forget()
        return await self.show(appid)

    async def reset(self, appid: str) -> bool:
        """Let the default hold for an account again; tell whether there was a policy."""
        removed = await self._policies.remove_policy(appid)
        self._planner.forget()
        return removed


def _advice(standing: Standing, answers: str | None) -> tuple[Advice, ...]:
    found = []
    chosen = standing.policy.platform
    if chosen and answers and answers != chosen:
        found.append(_fill(ABSENT, platform=chosen, answers=answers))
    if len(standing.parties) > 1 and answers:
        found.append(_fill(SEVERAL, answers=answers))
    party = next((each for each in standing.parties if each.issuer == answers), None)
    if any(not each.heard for each in standing.parties) and answers:
        unheard = party is not None and not party.heard
        found.append(_fill(MUTE if unheard else UNHEARD, answers=answers))
    if party is not None and not party.may_speak and standing.policy.custom_message:
        found.append(_fill(NO_RIGHT, answers=party.issuer))
    if standing.policy.policy is not Policy.SILENT:
        found.append(OTHERS)
    return tuple(found)


def _fill(advice: Advice, **values: str) -> Advice:
    return Advice(advice.en.format(**values), advice.zh.format(**values))


def _policy(given: Policy | str) -> Policy:
    try:
        return Policy(given)
    except ValueError:
        known = ", ".join(Policy)
        raise ConfigError(f"{str(given)[:64]!r} is no reply policy; there are {known}") from None


def _check_text(text: str) -> None:
    try:
        check(Text(text))
    except InvalidReply as fault:
        raise ConfigError(f"the default text cannot be sent: {fault}") from None


def _check_platform(platform: str, appid: str, parties: Sequence[Party]) -> None:
    known = [party.issuer for party in parties]
    if platform in known:
        return
    if appid == DEFAULT:
        raise ConfigError("which platform answers is said for each account, not for all")
    listed = ", ".join(known) or "none may"
    raise ConfigError(
        f"{platform[:64]!r} may not act for {appid}, so it cannot answer; of yours {listed}"
        + ("" if DIRECT_ISSUER in known else f" ({DIRECT_ISSUER!r} would be the account's own server here)")
    )
