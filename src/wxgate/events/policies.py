"""Who replies for an account, and how: the account's policy, the default for all, or what is built in.

One account may have authorised several platforms of ours, besides its own server here; one of them answers.
Third parties of other people cannot be seen from here: where they answer, `silent` is the policy to choose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from wxgate.events.records import EventKind
from wxgate.protocol.replies import Reply
from wxgate.protocol.tokens import DIRECT_ISSUER

DEFAULT = "*"
"""The appid under which the policy of all other accounts is kept."""

HANDLERS = ""
NOBODY = "none"
"""Who replies when it is no subscriber: the handlers, or nobody."""

MESSAGE_SETS = frozenset({1, 19})
"""The permission sets that let a platform speak for an account: of official accounts, of mini programs."""


class Policy(StrEnum):
    """What an account's users get for an answer."""

    ANSWER = "answer"
    SILENT = "silent"
    TRANSFER = "transfer_customer_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPolicy:
    """How the messages of an account are replied to.

    `replier` is empty for the handlers, `none`, or a subscriber's id; `platform` is which of our issuers
    answers, empty to find out; `default_text` is sent where the replier fails or is too late;
    `hold_retries` lets WeChat ask again while the replier thinks; `custom_message` allows a late reply to go
    out as a customer-service message.
    """

    appid: str = DEFAULT
    policy: Policy = Policy.ANSWER
    replier: str = HANDLERS
    platform: str = ""
    default_text: str = ""
    hold_retries: bool = True
    custom_message: bool = True
    updated_at: datetime | None = None


BUILT_IN = ReplyPolicy()


@dataclass(frozen=True, slots=True)
class Party:
    """One of ours that may act for an account: a platform, or `direct`.

    `heard` is false of `direct` where no push has come lately: it may be here for the account's tokens only.
    """

    issuer: str
    authorized_at: datetime | None = None
    func_ids: tuple[int, ...] = ()
    heard: bool = True

    @property
    def may_speak(self) -> bool:
        """Whether it was given the permission set of messages."""
        return self.issuer == DIRECT_ISSUER or not MESSAGE_SETS.isdisjoint(self.func_ids)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of the reply to one event.

    `subscriber` is asked for it, or else the `handlers`; `transfer` hands the user to the account's agents at
    once. `handled` is whether handlers are called at all, `remark` why nothing they return is sent. `given`
    is the gateway's own reply, where the event is part of what it does itself.
    """

    handled: bool = True
    handlers: bool = False
    subscriber: str = ""
    transfer: bool = False
    default_text: str = ""
    hold: bool = False
    fallback: bool = False
    mini_program: bool = False
    remark: str = ""
    given: Reply | None = None

    @property
    def speaks(self) -> bool:
        """Whether there may be a reply to wait for."""
        given = self.given is not None
        return given or self.handlers or self.transfer or bool(self.subscriber or self.default_text)

    def saying(self, reply: Reply) -> "Plan":
        """Let the gateway itself reply, whoever does otherwise; handlers and subscribers hear of it still.

        Where another of our parties answers for the account, that one says it.
        """
        if not self.handled:
            return self
        return replace(
            self,
            given=reply,
            handlers=False,
            subscriber="",
            transfer=False,
            default_text="",
            remark="the handler's reply was not sent: the gateway itself replied",
        )


NO_REPLY = Plan()
"""The plan for what nobody can reply to."""


def answering(policy: ReplyPolicy, parties: Sequence[Party], *, through: str = "") -> str | None:
    """Choose which of our parties answers for an account; None when there is none to choose from.

    `through` is the party that a push has just come to, and so is heard.
    """
    known = {party.issuer for party in parties}
    if policy.platform in known:
        return policy.platform
    platforms = [party for party in parties if party.issuer != DIRECT_ISSUER]
    if any(party.heard or party.issuer == through for party in parties if party not in platforms):
        return DIRECT_ISSUER
    able = [party for party in platforms if party.may_speak] or platforms or list(parties)
    return min(able, key=_seniority).issuer if able else None


def make_plan(
    policy: ReplyPolicy,
    parties: Sequence[Party],
    *,
    issuer: str,
    kind: EventKind,
    mini_program: bool = False,
) -> Plan:
    """Say what is to become of the reply to an event that came through one of the parties."""
    chosen = answering(policy, parties, through=issuer)
    if chosen not in (None, issuer):
        return Plan(handled=False, remark=f"not replied to here: {chosen} answers for this account")
    if policy.policy is Policy.SILENT:
        return Plan(remark="the handler's reply was not sent: the account's policy is silent")
    if policy.policy is Policy.TRANSFER and kind is EventKind.MESSAGE:
        remark = "the handler's reply was not sent: the account's policy is transfer_customer_service"
        return Plan(transfer=True, mini_program=mini_program, remark=remark)
    by_handlers = policy.replier == HANDLERS
    subscriber = "" if by_handlers or policy.replier == NOBODY else policy.replier
    asked = subscriber or "nobody"
    return Plan(
        handlers=by_handlers,
        subscriber=subscriber,
        # Events, such as a finished mass mailing, are not a user's words: a text to each would be noise.
        default_text=policy.default_text if kind is EventKind.MESSAGE else "",
        hold=policy.hold_retries,
        fallback=policy.custom_message,
        mini_program=mini_program,
        remark="" if by_handlers else f"the handler's reply was not sent: {asked} replies for the account",
    )


def _seniority(party: Party) -> tuple[float, str]:
    at = party.authorized_at
    return (at.timestamp() if at is not None else 0.0, party.issuer)
