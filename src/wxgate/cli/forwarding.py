"""Events handed to an application on this machine, as the gateway itself would hand them over."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from wxgate.errors import InvalidReply, Undeliverable
from wxgate.events.forms import RANDOM_BYTES, make_posting, read_reply
from wxgate.events.records import Event, Filter, Form, Subscriber, SubscriberSecrets
from wxgate.events.sending import Poster
from wxgate.events.subscribing import refusal_of
from wxgate.protocol.replies import Reply

ANSWER_SECONDS = 30.0
"""How long the application may take: somebody may be stepping through it."""

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""Whoever runs the command says where its events go; nobody else can."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What the application answered; `error` says in words why it was no good answer."""

    status: int | None
    milliseconds: int
    reply: Reply | None = None
    error: str = ""


def local_subscriber(url: str, form: Form, secrets: SubscriberSecrets, now: datetime) -> Subscriber:
    """Make the subscriber that an address on this machine is, for as long as this command runs."""
    return Subscriber(
        id="local",
        name="local",
        form=form,
        url=url,
        filter=Filter(),
        ordered=True,
        envelope_appid="account",
        paused=False,
        paused_reason="",
        secrets=secrets,
        previous_until=None,
        failures=0,
        open_until=None,
        last_success_at=None,
        last_failure_at=None,
        last_error="",
        created_at=now,
        updated_at=now,
    )


class Forwarding:
    """Posts events to one address, one after the other."""

    def __init__(self, poster: Poster, subscriber: Subscriber, *, now: Callable[[], datetime]) -> None:
        self._poster = poster
        self._subscriber = subscriber
        self._now = now

    async def post(self, event: Event) -> Forwarded:
        """Hand over one event; whatever goes wrong is told in the outcome."""
        now, began = self._now(), time.perf_counter()
        posting = make_posting(self._subscriber, event, now=now, random=os.urandom(RANDOM_BYTES))
        try:
            answered = await self._poster.post(posting, seconds=ANSWER_SECONDS)
        except Undeliverable as trouble:
            return Forwarded(None, _since(began), error=str(trouble))
        taken = _since(began)
        if not answered.accepted:
            return Forwarded(answered.status, taken, error=refusal_of(answered))
        try:
            reply = read_reply(self._subscriber, event, answered)
        except InvalidReply as fault:
            return Forwarded(answered.status, taken, error=str(fault))
        return Forwarded(answered.status, taken, reply)


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
