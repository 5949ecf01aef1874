"""How an event is written for a subscriber, and how its answer is read."""

from datetime import datetime

from wxgate.events.forms import webhook, wechat
from wxgate.events.records import Event, Form, Subscriber
from wxgate.events.sending import Answered, Posting
from wxgate.protocol.replies import Reply

RANDOM_BYTES = 32
"""How much chance a posting needs."""


def make_posting(
    subscriber: Subscriber,
    event: Event,
    *,
    now: datetime,
    random: bytes,
    replay: bool = False,
    reply_expected: bool = False,
) -> Posting:
    """Write an event in the subscriber's form."""
    if subscriber.form is Form.WECHAT:
        return wechat.make_posting(subscriber, event, now=now, random=random)
    return webhook.make_posting(subscriber, event, now=now, replay=replay, reply_expected=reply_expected)


def read_reply(subscriber: Subscriber, event: Event, answered: Answered) -> Reply | None:
    """Read the reply out of an answer; None for none.

    Raises InvalidReply that says what is wrong with it.
    """
    if subscriber.form is Form.WECHAT:
        return wechat.read_reply(subscriber, event, answered)
    return webhook.read_reply(answered)
