"""The one reply to an event: what can become of it, as a table, and who may give it.

    open ──an attempt of WeChat's waits──> carried <──next attempt── ready
     │ │                                                               │
     │ └───────late, an attempt may still come─────────────────────────┤
     │                                                                 │ nobody came
     └─last deadline, or nothing to say─> closed ──a late reply──> custom ──> sending ──> sent, failed
                                             dropped <──too old──┘  └──not now──┘

Passively the user sees what was carried, as a customer-service message what was sent; no way through the
table leads to both. Every step is a compare-and-set in the inbox, so this holds for any number of nodes.
Of one message that several platforms of ours receive, one event only comes to have a reply (`claims`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wxgate.events.records import Event, ReplyState
from wxgate.protocol.replies import Reply

OPEN = ReplyState.OPEN
CARRIED = ReplyState.CARRIED
READY = ReplyState.READY
CLOSED = ReplyState.CLOSED
CUSTOM = ReplyState.CUSTOM
SENDING = ReplyState.SENDING
SENT = ReplyState.SENT
FAILED = ReplyState.FAILED
DROPPED = ReplyState.DROPPED


class Replier(Protocol):
    """An application that may reply to messages."""

    async def reply(self, event: Event, deadline_seconds: float) -> Reply | None:
        """Ask for the reply to an event; None is silence.

        Raises InvalidReply for an answer that WeChat could not use, ReplierFailed for none.
        """
        ...


class Turn(StrEnum):
    """What can happen to a reply."""

    CARRY = "carry"
    """There is a reply, and an attempt of WeChat's waits for it."""

    KEEP = "keep"
    """There is a reply, and WeChat's next attempt may come for it."""

    LATE = "late"
    """There is a reply, and no attempt will come for it, or none can carry it."""

    NOTHING = "nothing"
    """There is nothing to say."""

    CLOSE = "close"
    """The last deadline is over: WeChat gets `success`."""

    DEFAULT = "default"
    """The last deadline is over: WeChat gets the default text, unless there is a reply by now."""

    TAKE = "take"
    """WeChat's next attempt has come."""

    LEAVE = "leave"
    """WeChat's next attempt has not come."""

    EXPIRE = "expire"
    """The customer-service message would come so late that nobody would know what it answers."""

    SEND = "send"
    """The customer-service message is about to be sent."""

    ARRIVED = "arrived"
    """WeChat took the customer-service message."""

    AGAIN = "again"
    """WeChat certainly did not get the customer-service message, or asks to try again."""

    REFUSED = "refused"
    """WeChat did not take it, or nobody knows."""


TRANSITIONS: Mapping[tuple[ReplyState, Turn], ReplyState] = {
    (OPEN, Turn.CARRY): CARRIED,
    (OPEN, Turn.KEEP): READY,
    (OPEN, Turn.LATE): CUSTOM,
    (OPEN, Turn.NOTHING): CLOSED,
    (OPEN, Turn.CLOSE): CLOSED,
    (OPEN, Turn.DEFAULT): CARRIED,
    (READY, Turn.TAKE): CARRIED,
    (READY, Turn.LEAVE): CUSTOM,
    (CLOSED, Turn.CARRY): CUSTOM,
    (CLOSED, Turn.KEEP): CUSTOM,
    (CLOSED, Turn.LATE): CUSTOM,
    (CLOSED, Turn.NOTHING): CLOSED,
    (CUSTOM, Turn.EXPIRE): DROPPED,
    (CUSTOM, Turn.SEND): SENDING,
    (SENDING, Turn.ARRIVED): SENT,
    (SENDING, Turn.AGAIN): CUSTOM,
    (SENDING, Turn.REFUSED): FAILED,
}
"""What follows what; what is not listed does not happen."""

OFFERS = frozenset({Turn.CARRY, Turn.KEEP, Turn.LATE})
"""The turns that bring a reply."""

CLAIMING = frozenset({CARRIED, READY, CUSTOM})
"""The states in which a message counts as replied to, from OPEN or CLOSED on."""

TOO_LATE = "the reply came after the deadline and was not sent"
REPLIED_ELSEWHERE = "the reply was not sent: another of your platforms has answered this message"
REPLIED_BEFORE = "the reply was not sent: the message had been answered"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a turn comes to: the event's state from now on, what becomes of the reply, and a remark."""

    state: ReplyState
    of_reply: ReplyState
    remark: str = ""


def rule(state: ReplyState, turn: Turn, *, fallback: bool) -> Ruling | None:
    """Say what a turn makes of a state; None when it can no longer happen.

    Without `fallback` nothing goes out as a customer-service message.
    """
    after = TRANSITIONS.get((state, turn))
    if after is None:
        # What was said stays said; a second reply is dropped without touching the first.
        return Ruling(state, DROPPED, REPLIED_BEFORE) if turn in OFFERS else None
    if after is CUSTOM and not fallback:
        return Ruling(DROPPED, DROPPED, TOO_LATE)
    return Ruling(after, after)


def claims(before: ReplyState, after: ReplyState) -> bool:
    """Tell whether a step is the one by which an event comes to have the reply to its message."""
    return before in (OPEN, CLOSED) and after in CLAIMING


def lose_claim() -> Ruling:
    """Say what becomes of a reply whose message another platform of ours has answered."""
    return Ruling(DROPPED, DROPPED, REPLIED_ELSEWHERE)
