"""WeChat's release test (全网发布检测): what one of its pushes asks, and what is kept of each; pure.

WeChat authorises one of its own accounts to the platform, asks, and takes the authorization back:

    ticket, authorized -> text -> api_text -> (event) -> unauthorized
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from wxgate.events.release_remarks import Remark
from wxgate.protocol.messages import Event, Message, TextMessage
from wxgate.protocol.official_tests import (
    CODE_QUESTION,
    RELEASE_TEST_ACCOUNTS,
    TEXT_ANSWER,
    TEXT_QUESTION,
    event_answer,
)
from wxgate.secret import HIDDEN, AuthorizationCode, hide

RUN_LASTS = timedelta(minutes=30)
"""Lines further apart than this belong to different runs; WeChat's take seconds."""

_KINDS = {account.appid: account for account in RELEASE_TEST_ACCOUNTS}
_USER_NAMES = frozenset(account.user_name for account in RELEASE_TEST_ACCOUNTS)


class ReleaseStep(StrEnum):
    """What a push of the test is about."""

    TICKET = "ticket"
    AUTHORIZED = "authorized"
    TEXT = "text"
    API_TEXT = "api_text"
    EVENT = "event"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True)
class Question:
    """What a message asks: a text to be answered at once, or a code to be exchanged after an empty answer."""

    step: ReleaseStep
    text: str = ""
    code: AuthorizationCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLine:
    """One step of a real test as it went; `ok` is None while the code's exchange is still under way.

    `event_key` is the dedup key of the push; `code` is kept sealed, and only as long as it may be needed;
    somebody else may work on the line from `due_at`.
    """

    platform: str
    appid: str
    step: ReleaseStep
    at: datetime
    ok: bool | None
    received: str
    answered: str
    remarks: Sequence[Remark]
    event_key: str
    openid: str = ""
    code: AuthorizationCode | None = None
    due_at: datetime | None = None
    id: int = field(default=0, compare=False)

    @property
    def reason(self) -> str:
        """What there is to say of it in English."""
        return "; ".join(remark.en for remark in self.remarks)

    @property
    def reason_zh(self) -> str:
        """What there is to say of it in Chinese."""
        return "；".join(remark.zh for remark in self.remarks)


@dataclass(frozen=True, slots=True)
class ReleaseRun:
    """The lines of one run with one account, in the order they came."""

    platform: str
    appid: str
    lines: Sequence[ReleaseLine]

    @property
    def ok(self) -> bool | None:
        """Tell how it went as far as we can see; None while something is under way."""
        outcomes = {line.ok for line in self.lines}
        return False if False in outcomes else None if None in outcomes else True

    def as_document(self) -> dict[str, object]:
        """Describe the run for machines."""
        steps = [
            {
                "step": line.step,
                "at": line.at,
                "ok": line.ok,
                "received": line.received,
                "answered": line.answered,
                "reason": line.reason,
                "reason_zh": line.reason_zh,
            }
            for line in self.lines
        ]
        return {"platform": self.platform, "appid": self.appid, "ok": self.ok, "steps": steps}


def recognise(appid: str, message: Message) -> Question | None:
    """Tell what a message to one of WeChat's test accounts asks; None where it asks nothing.

    The address does not come under the signature, so the receiver inside has to be one of them too.
    """
    account = _KINDS.get(appid)
    if account is None or message.account not in _USER_NAMES:
        return None
    if isinstance(message, TextMessage):
        if message.content == TEXT_QUESTION:
            return Question(ReleaseStep.TEXT, TEXT_ANSWER)
        if message.content.startswith(CODE_QUESTION):
            code = message.content.removeprefix(CODE_QUESTION).strip()
            return Question(ReleaseStep.API_TEXT, code=AuthorizationCode(code)) if code else None
    if isinstance(message, Event) and message.event and not account.is_mini_program:
        return Question(ReleaseStep.EVENT, event_answer(message.event))
    return None


def without_code(text: str, code: AuthorizationCode | None) -> str:
    """Hide a code, and whatever else is secret, in a text that is kept."""
    return hide(text.replace(code.reveal(), HIDDEN) if code else text)


def runs(lines: Iterable[ReleaseLine]) -> list[ReleaseRun]:
    """Put lines together into runs, the newest run first.

    A run begins when WeChat authorises its account, and ends when it takes that back.
    """
    open_runs: dict[tuple[str, str], list[ReleaseLine]] = {}
    found: list[list[ReleaseLine]] = []
    for line in sorted(lines, key=lambda line: line.id):
        key = (line.platform, line.appid)
        run = open_runs.get(key)
        begins = line.step is ReleaseStep.TICKET
        if run is None or begins or line.at - run[-1].at > RUN_LASTS:
            run = open_runs[key] = []
            found.append(run)
        run.append(line)
        if line.step is ReleaseStep.UNAUTHORIZED:
            del open_runs[key]
    return [ReleaseRun(run[0].platform, run[0].appid, tuple(run)) for run in reversed(found)]
