"""Plays WeChat's checker (全网发布检测) against a platform's server, step by step, and judges each.

The steps and the accounts are those of WeChat's page "全网发布检测"; which are played depends on the
permission sets the platform asks for, as there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from wxgate.emulator import plain
from wxgate.emulator.acts import Actor
from wxgate.emulator.api.call import Call, CallLog
from wxgate.emulator.judging import (
    ApiTest,
    Called,
    Heard,
    Wanted,
    is_settled,
    judge_acknowledgement,
    judge_api_text,
    judge_text,
    plain_of,
)
from wxgate.emulator.pushes import Outcome, Push, Pusher, Receiver
from wxgate.emulator.release_words import TITLES, Finding, find
from wxgate.emulator.world import Account, Platform, User, World
from wxgate.errors import ConfigError
from wxgate.protocol.official_tests import (
    CODE_QUESTION,
    MINI_PROGRAM_SET,
    OFFICIAL_ACCOUNT_SET,
    RELEASE_TEST_ACCOUNTS,
    TEXT_ANSWER,
    TEXT_QUESTION,
    ReleaseTestAccount,
    api_answer,
    event_answer,
)

PATIENCE_SECONDS = 10.0
"""How long the exchange and the customer-service message may take; WeChat does not say."""

LOOK_SECONDS = 0.02
EVENT = "LOCATION"

_QUERY_AUTH = "/cgi-bin/component/api_query_auth"
_CUSTOM_SEND = "/cgi-bin/message/custom/send"

_FRAME = ("ticket", "authorized", "unauthorized")
_OFFICIAL_ACCOUNT = ("ticket", "authorized", "text", "api_text", "event", "unauthorized")
_MINI_PROGRAM = ("ticket", "authorized", "api_text", "unauthorized")


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it was played, with all that was exchanged."""

    name: str
    finding: Finding
    exchange: dict[str, Any] = field(default_factory=dict)
    calls: Sequence[dict[str, Any]] = ()
    ms: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the step as the control plane shows it."""
        title_zh, title = TITLES[self.name]
        return {
            "step": self.name,
            "title": title,
            "title_zh": title_zh,
            "ok": self.finding.passed,
            "verdict": self.finding.verdict,
            "code": self.finding.code,
            "reason": self.finding.en,
            "reason_zh": self.finding.zh,
            "ms": self.ms,
            "exchange": self.exchange,
            "calls": list(self.calls),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run with one account; it is passed when no step failed and none had to be left out."""

    platform: str
    account: ReleaseTestAccount
    steps: Sequence[Step]

    @property
    def ok(self) -> bool:
        """Tell whether WeChat would let the platform pass."""
        return all(step.finding.passed for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the run as the control plane shows it."""
        return {
            "platform": self.platform,
            "appid": self.account.appid,
            "kind": "mini_program" if self.account.is_mini_program else "official_account",
            "ok": self.ok,
            "steps": [step.as_json() for step in self.steps],
        }


def candidates(permission_sets: Sequence[int] | None) -> list[ReleaseTestAccount]:
    """Return the accounts WeChat picks one of, by the permission sets a platform asks for (None: all)."""
    mini = permission_sets is not None and (
        OFFICIAL_ACCOUNT_SET not in permission_sets and MINI_PROGRAM_SET in permission_sets
    )
    return [account for account in RELEASE_TEST_ACCOUNTS if account.is_mini_program is mini]


def steps_for(account: ReleaseTestAccount, permission_sets: Sequence[int] | None) -> tuple[str, ...]:
    """Return the steps that are played with an account; without either set no message is sent."""
    needed = MINI_PROGRAM_SET if account.is_mini_program else OFFICIAL_ACCOUNT_SET
    if permission_sets is not None and needed not in permission_sets:
        return _FRAME
    return _MINI_PROGRAM if account.is_mini_program else _OFFICIAL_ACCOUNT


def account_of(appid: str) -> ReleaseTestAccount:
    """Return one of WeChat's test accounts; raises ConfigError for another appid."""
    for account in RELEASE_TEST_ACCOUNTS:
        if account.appid == appid:
            return account
    known = ", ".join(account.appid for account in RELEASE_TEST_ACCOUNTS)
    raise ConfigError(f"{appid} is none of WeChat's test accounts; they are {known}")


Played: TypeAlias = tuple[Finding, Push, Sequence[Call]]
"""A step's finding, its push, and the calls that belong to it."""


class Rehearsal:
    """Plays runs in a world."""

    def __init__(self, world: World, actor: Actor, pusher: Pusher, calls: CallLog) -> None:
        self._world, self._actor, self._pusher, self._calls = world, actor, pusher, calls
        self._numbers = count(1)

    async def play(
        self,
        platform: Platform,
        account: ReleaseTestAccount | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> Report:
        """Play one run, with an account of the test's own choosing unless one is given.

        Raises ConfigError where the platform has no URLs.
        """
        chosen = account or self._world.wire_values.choose(candidates(platform.permission_sets))
        run = _Run(self._world, self._actor, self._pusher, self._calls, platform, chosen, patience)
        run.furnish(next(self._numbers))
        steps: list[Step] = []
        for name in steps_for(chosen, platform.permission_sets):
            if steps and steps[0].finding.code in ("unreachable", "skipped"):
                steps.append(Step(name, find("skipped")))
                continue
            steps.append(await run.play(name))
        return Report(platform.appid, chosen, steps)


class _Run:
    """One run: WeChat adds its account to the platform, asks, and takes it away again."""

    def __init__(
        self,
        world: World,
        actor: Actor,
        pusher: Pusher,
        calls: CallLog,
        platform: Platform,
        tested: ReleaseTestAccount,
        patience: float,
    ) -> None:
        self._world, self._actor, self._pusher, self._calls = world, actor, pusher, calls
        self._platform, self._tested, self._patience = platform, tested, patience
        self._account: Account
        self._user: User
        self._code = ""
        self._plays: Mapping[str, Callable[[], Awaitable[Played]]] = {
            "ticket": self._ticket,
            "authorized": self._authorized,
            "text": self._text,
            "api_text": self._api_text,
            "event": self._event,
            "unauthorized": self._unauthorized,
        }

    def furnish(self, number: int) -> None:
        """Make the account and a user who writes to it."""
        kind = "mini_program" if self._tested.is_mini_program else "official_account"
        self._account = self._world.put_account(
            {
                "appid": self._tested.appid,
                "user_name": self._tested.user_name,
                "kind": kind,
                "nick_name": "全网发布检测",
            }
        )
        self._user = self._world.put_user({"id": f"release-test-{number}", "follows": [self._tested.appid]})
        self._world.authorizations.cancel(self._platform.appid, self._tested.appid)

    async def play(self, name: str) -> Step:
        """Play one step."""
        began = time.perf_counter()
        finding, push, calls = await self._plays[name]()
        ms = round((time.perf_counter() - began) * 1000)
        return Step(name, finding, self._exchange(push), [call.as_json() for call in calls], ms)

    async def _ticket(self) -> Played:
        push = await self._deliver(self._actor.make_ticket_push(self._platform))
        return judge_acknowledgement(self._heard(push)), push, ()

    async def _authorized(self) -> Played:
        """Authorise without a page: it is WeChat who adds its account."""
        world, platform, appid = self._world, self._platform, self._tested.appid
        sets = world.offered_sets(platform, self._account)
        world.authorizations.grant(platform.appid, appid, sets)
        _, code = world.codes.make_pair(platform.appid, appid)
        self._code = code.value
        fields = {
            "AuthorizerAppid": appid,
            "AuthorizationCode": code.value,
            "AuthorizationCodeExpiredTime": str(int(code.expires_at)),
            "PreAuthCode": world.spend_pre_auth_code(platform, None),
        }
        push = self._actor.make_component_push(platform, "authorized", fields, appid=appid)
        await self._deliver(push)
        return judge_acknowledgement(self._heard(push)), push, ()

    async def _unauthorized(self) -> Played:
        push = await self._deliver(self._actor.unauthorize(self._platform, self._account))
        return judge_acknowledgement(self._heard(push)), push, ()

    async def _text(self) -> Played:
        push = await self._deliver(self._make_text(TEXT_QUESTION))
        return self._judge_text(push, TEXT_ANSWER), push, ()

    async def _event(self) -> Played:
        fields = plain.event(
            EVENT, {}, to=self._account.user_name, sender=self._openid, now=self._world.clock.seconds()
        )
        push = await self._deliver(self._make("event", plain.as_xml(fields)))
        return self._judge_text(push, event_answer(EVENT), optional=True), push, ()

    async def _api_text(self) -> Played:
        _, code = self._world.codes.make_pair(self._platform.appid, self._tested.appid)
        test = ApiTest(
            self._platform.appid,
            self._tested.appid,
            self._openid,
            code.value,
            self._code,
            api_answer(code.value),
            self._patience,
        )
        since = self._calls.newest
        push = await self._deliver(self._make_text(CODE_QUESTION + code.value))
        heard = self._heard(push)
        exchanges: list[Call] = []
        sends: list[Call] = []
        end = time.monotonic() + (self._patience if heard.is_silent else 0.0)
        while True:
            exchanges = list(self._of(_QUERY_AUTH, since, test))
            sends = list(self._of(_CUSTOM_SEND, since, test))
            if is_settled([_called(call) for call in sends]) or time.monotonic() >= end:
                break
            await asyncio.sleep(LOOK_SECONDS)
        finding = judge_api_text(
            heard, [_called(call) for call in exchanges], [_called(call) for call in sends], test
        )
        return finding, push, sorted([*exchanges, *sends], key=lambda call: call.n)

    def _of(self, path: str, since: int, test: ApiTest) -> Iterator[Call]:
        """Find the calls that belong to this run and have been answered; others may use the same emulator."""
        for call in self._calls.find(path=path, since=since):
            if call.ended_at is None:
                continue
            about = (call.data.get("authorization_code"), call.data.get("touser"))
            if {test.code, test.other_code, test.openid}.intersection(about) or (
                call.platform == test.platform and call.appid in (None, test.appid)
            ):
                yield call

    def _judge_text(self, push: Push, text: str, *, optional: bool = False) -> Finding:
        wanted = Wanted(self._openid, self._account.user_name, text, optional)
        return judge_text(push.receiver.keys, self._heard(push), wanted)

    @property
    def _openid(self) -> str:
        return self._world.openid(self._user, self._account)

    @property
    def _receiver(self) -> Receiver:
        return self._actor.message_receiver(self._platform, self._account, self._openid)

    def _make_text(self, content: str) -> Push:
        fields = plain.message(
            "text",
            {"Content": content},
            to=self._account.user_name,
            sender=self._openid,
            now=self._world.clock.seconds(),
            msg_id=self._world.values.msg_id(),
        )
        return self._make("message", plain.as_xml(fields))

    def _make(self, kind: str, text: str) -> Push:
        self._world.conversations.user_wrote(self._tested.appid, self._openid)
        push = self._pusher.make(kind, self._receiver, text, appid=self._tested.appid)
        push.attempts_allowed = 1  # the checker asks once
        return push

    async def _deliver(self, push: Push) -> Push:
        await self._pusher.start(self._pusher.deliver(push))
        return push

    def _heard(self, push: Push) -> Heard:
        seconds, url = self._world.switches.push_timeout, push.receiver.url
        if not push.attempts:
            return Heard(url, None, b"", "not_sent", push.outcome)
        attempt = push.attempts[-1]
        problem = {
            Outcome.TIMEOUT: "too_slow",
            Outcome.CONNECT_ERROR: "unreachable",
            Outcome.UNSEALABLE: "not_sent",
        }.get(attempt.outcome, "")
        return Heard(url, attempt.status, attempt.body.encode(), problem, attempt.problem or "", seconds)

    def _exchange(self, push: Push) -> dict[str, Any]:
        heard = self._heard(push)
        attempt = push.attempts[-1] if push.attempts else None
        return {
            "request": {
                "method": "POST",
                "url": attempt.url if attempt else push.receiver.url,
                "body": attempt.sent if attempt else "",
                "plain": push.plain,
            },
            "answer": {
                "status": heard.status,
                "body": attempt.body if attempt else "",
                "plain": plain_of(push.receiver.keys, heard),
                "problem": heard.why or None,
                "ms": attempt.ms if attempt else None,
            },
        }


def _called(call: Call) -> Called:
    token = call.token
    return Called(
        call.data,
        call.answer or {},
        token.value if token else "",
        token.origin if token else "",
        token.platform if token else None,
        token.appid if token else None,
    )
