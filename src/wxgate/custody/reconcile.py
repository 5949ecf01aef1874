"""What WeChat lists against what we hold: pure, from both lists to the changes that are safe to make.

The list tells who has authorised, with which refresh token and since when; it knows no permission sets, and
an account may slip through while it is paged. So it only raises questions. Each is put to
api_get_authorizer_info, and the two together are evidence.

    listed, unknown or revoked here     new       take it in with its refresh token
    live here, not listed               gone      revoked if WeChat knows of no authorization, else only told
    listed otherwise than held          changed   take the refresh token and the permission sets over

What we hold is read before the list, and evidence counts only while that is still what we hold: news that
comes meanwhile wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from wxgate.client.component import Granted, Listed
from wxgate.custody.records import Authorization, AuthorizationState, Evidence
from wxgate.custody.states import LIVE, Trigger, after
from wxgate.protocol.official_tests import TEST_ACCOUNTS
from wxgate.secret import RefreshToken

SETTLING = timedelta(minutes=10)
"""How long a refresh token that we got ourselves is believed rather than the list, which may lag behind."""

REASON = "reconcile"


class FindingKind(StrEnum):
    """How WeChat's list and ours differ on an account."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"


class Outcome(StrEnum):
    """What was done about a difference, or would be, but for a dry run."""

    IMPORTED = "imported"
    """It is an account of ours (again), with the refresh token WeChat names."""

    ADOPTED = "adopted"
    """The refresh token WeChat names is ours now."""

    UPDATED = "updated"
    """The permission sets are as WeChat tells them."""

    REVOKED = "revoked"
    """WeChat knows of no authorization, and now we know it too."""

    REPORTED = "reported"
    """Nothing: it is not certain enough, or somebody else must act."""

    OVERTAKEN = "overtaken"
    """Nothing: news came while it was looked into."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, what was done about it, and why."""

    appid: str
    kind: FindingKind
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Question:
    """An account to ask WeChat about, with what we hold and what the list says."""

    platform: str
    appid: str
    kind: FindingKind
    held: Authorization | None
    listed: Listed | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What api_get_authorizer_info says: what it granted, that it knows nothing (61003), or only trouble."""

    granted: Granted | None = None
    denied: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows: something to tell, and evidence to apply with its triggers, where it is safe."""

    finding: Finding | None = None
    evidence: Evidence | None = None
    triggers: tuple[Trigger, ...] = field(default_factory=tuple)


def compare(platform: str, ours: Mapping[str, Authorization], listed: Mapping[str, Listed]) -> list[Question]:
    """List the accounts to ask about, by appid; WeChat's own test accounts are left out."""
    questions = []
    for appid in sorted((ours.keys() | listed.keys()) - TEST_ACCOUNTS):
        held, line = ours.get(appid), listed.get(appid)
        kind = _difference(held, line)
        if kind is not None:
            questions.append(Question(platform, appid, kind, held, line))
    return questions


def _difference(held: Authorization | None, listed: Listed | None) -> FindingKind | None:
    if listed is None:
        return FindingKind.GONE if held is not None and held.state in LIVE else None
    if held is None or held.state is AuthorizationState.REVOKED:
        return FindingKind.NEW
    other = listed.refresh_token is not None and listed.refresh_token != held.refresh_token
    unknown_sets = held.state in LIVE and not held.func_ids
    doubtful = held.state is AuthorizationState.DEGRADED or unknown_sets
    return FindingKind.CHANGED if other or doubtful or _is_newer(listed, held) else None


def needs_info(question: Question) -> bool:
    """Tell whether the account's information could lead to anything."""
    return not (question.kind is FindingKind.NEW and _why_not(question))


def judge(question: Question, answer: Answer, *, began: datetime, link: str) -> Verdict:
    """Conclude what a difference is and what is safe to do about it."""
    if question.listed is None:
        return _judge_gone(question, answer, link)
    if question.kind is FindingKind.NEW and (why := _why_not(question)):
        return _only_told(question, why)
    if answer.denied:
        return _only_told(question, "listed, but WeChat knows of no authorization when asked (61003)")
    return _judge_listed(question, question.listed, answer, began, link)


def _judge_gone(question: Question, answer: Answer, link: str) -> Verdict:
    if not answer.denied:
        why = answer.trouble or "WeChat still knows of it when asked; nothing was changed"
        return _only_told(question, f"not listed; {why}")
    detail = "WeChat does not list it and knows of no authorization (61003)"
    evidence = _evidence(question, f"{REASON}: {detail}", link)
    return Verdict(_finding(question, Outcome.REVOKED, detail), evidence, (Trigger.GONE,))


def _judge_listed(question: Question, listed: Listed, answer: Answer, began: datetime, link: str) -> Verdict:
    held, granted = question.held, answer.granted
    named = (granted.refresh_token if granted else None) or listed.refresh_token
    ours = held.refresh_token if held else None
    found = named if named != ours else None
    if found is not None and not _may_adopt(held, listed, granted, began):
        detail = answer.trouble or "ours is only minutes old, and the list may lag behind"
        return _only_told(question, f"another refresh token is listed; {detail}")
    # No set at all is no answer: nobody can authorise without any.
    func_ids = (granted.func_ids or None) if granted else None
    lost, gained = _sets(question, func_ids)
    triggers = (
        *([Trigger.FOUND] if found is not None else []),
        *([] if func_ids is None else [Trigger.IMPAIRED if lost else Trigger.WHOLE]),
    )
    detail = _describe(question, found, lost, gained, func_ids, triggers)
    reason = REASON if found is not None and not lost else f"{REASON}: {detail}"
    at = moment(listed.auth_time, began)
    evidence = _evidence(question, reason, link, found=found, func_ids=func_ids, authorized_at=at)
    if not detail:
        told = _only_told(question, answer.trouble).finding if answer.trouble else None
        is_newer = held is not None and at > held.event_at
        return Verdict(told, evidence if granted is not None and is_newer else None)
    return Verdict(_finding(question, _outcome(question, found), detail), evidence, triggers)


def _may_adopt(held: Authorization | None, listed: Listed, granted: Granted | None, began: datetime) -> bool:
    """Tell whether a refresh token that WeChat names is better than ours.

    There is one at a time. Ours may still work: for five minutes after the next one was made. But it may also
    be the newer one, when WeChat's list and information lag behind a renewal; then it is minutes old. Wrongly
    adopted or wrongly left, the next renewal is refused and looks the right one up.
    """
    if held is None or held.refresh_token is None or held.state is not AuthorizationState.ACTIVE:
        return True
    return _is_newer(listed, held) or (granted is not None and began - held.updated_at >= SETTLING)


def _why_not(question: Question) -> str:
    """Say why a listed account cannot be taken in, or nothing."""
    held, listed = question.held, question.listed
    assert listed is not None
    if listed.refresh_token is None:
        return "listed without a refresh token: its code was never exchanged; send the merchant a link"
    if held is not None and listed.auth_time < int(held.event_at.timestamp()):
        return "listed as authorised before it was taken back; the list may lag behind"
    return ""


def _is_newer(listed: Listed, held: Authorization) -> bool:
    return listed.auth_time > int(held.event_at.timestamp())


def _sets(question: Question, func_ids: tuple[int, ...] | None) -> tuple[list[int], list[int]]:
    """Tell which permission sets are missing of those given, and which are there that were not."""
    held = question.held
    if held is None or func_ids is None or question.kind is FindingKind.NEW:
        return [], []
    gained = set(func_ids) - set(held.func_ids) if held.func_ids else set()
    return sorted(set(held.granted_ids) - set(func_ids)), sorted(gained)


def _describe(
    question: Question,
    found: RefreshToken | None,
    lost: Iterable[int],
    gained: Iterable[int],
    func_ids: tuple[int, ...] | None,
    triggers: Iterable[Trigger],
) -> str:
    """Say in words what differs; nothing where all is as it was."""
    held = question.held
    if question.kind is FindingKind.NEW:
        return "unknown here" if held is None else "taken back here, and authorised since"
    assert held is not None
    parts = []
    if found is not None:
        parts.append("another refresh token" if held.refresh_token else "a refresh token we did not have")
    known = func_ids is not None and set(func_ids) != set(held.func_ids)
    if known and lost:
        parts.append(f"permission sets missing: {', '.join(map(str, lost))}")
    if known and gained:
        parts.append(f"permission sets added: {', '.join(map(str, gained))}")
    if known and not lost and not gained:
        parts.append(
            "permission sets that were given are there again" if held.func_ids else "permission sets"
        )
    state = after(held.state, *triggers)
    if state is not held.state and not parts:
        parts.append(f"{state} again")
    return "; ".join(parts)


def _outcome(question: Question, found: RefreshToken | None) -> Outcome:
    if question.kind is FindingKind.NEW:
        return Outcome.IMPORTED
    return Outcome.UPDATED if found is None else Outcome.ADOPTED


def _only_told(question: Question, detail: str) -> Verdict:
    return Verdict(_finding(question, Outcome.REPORTED, detail))


def _finding(question: Question, outcome: Outcome, detail: str) -> Finding:
    return Finding(question.appid, question.kind, outcome, detail)


def _evidence(
    question: Question,
    reason: str,
    link: str,
    *,
    found: RefreshToken | None = None,
    func_ids: tuple[int, ...] | None = None,
    authorized_at: datetime | None = None,
) -> Evidence:
    held = question.held
    return Evidence(
        platform=question.platform,
        appid=question.appid,
        event_at=held.event_at if held else None,
        held=held.refresh_token if held else None,
        reason=reason,
        found=found,
        func_ids=func_ids,
        authorized_at=authorized_at,
        link=link,
    )


def moment(seconds: int, most: datetime) -> datetime:
    """Make a moment of WeChat's seconds; never one to come, which would put off all news until then."""
    return datetime.fromtimestamp(min(seconds, int(most.timestamp())), UTC)
