"""Puts together what sees messages through to their one answer."""

from collections.abc import Callable, Mapping
from typing import Any

from wxgate.clock import Clock
from wxgate.events.attempts import Patience
from wxgate.events.customer_service import CustomerService
from wxgate.events.handlers import Handlers
from wxgate.events.handling import Handlings, ReplierOf
from wxgate.events.planning import Planner
from wxgate.events.reception import Reception
from wxgate.events.subscribers import FanoutOf
from wxgate.protocol.custom_messages import SEND_PATH
from wxgate.server.calls import Calls
from wxgate.server.metrics import Metrics
from wxgate.settings import Settings
from wxgate.store import Store


def make_reception(
    store: Store,
    handlers: Handlers,
    clock: Clock,
    *,
    holder: str,
    settings: Settings,
    metrics: Metrics,
    calls: Calls,
    planner: Planner,
    context: Mapping[str, Any],
    fanout_of: FanoutOf,
    queued: Callable[[], object],
    heard: Callable[[], object],
    replier_of: ReplierOf,
) -> tuple[Reception, CustomerService]:
    """Make the reception, and what sends the replies that come too late for it."""

    async def send(issuer: str, appid: str, message: Mapping[str, Any]) -> None:
        await calls.account(appid, issuer=issuer).post(SEND_PATH, json=message)

    patience = Patience(settings.reply_deadline, settings.development_push_timeout)
    customer_service = CustomerService(
        store.inbox,
        store.answers,
        clock,
        send=send,
        plan_of=planner.plan,
        settled=patience.settled,
        listener=metrics,
    )
    handlings = Handlings(
        store.inbox,
        handlers,
        clock,
        holder=holder,
        patience=patience,
        listener=metrics,
        context=lambda issuer, appid: {**context, "account": calls.account(appid, issuer=issuer)},
        replier_of=replier_of,
        on_custom=customer_service.start,
    )
    metrics.being_handled.set_function(handlings.count)
    reception = Reception(
        store.inbox,
        store.answers,
        handlings,
        planner,
        customer_service,
        clock,
        holder=holder,
        patience=patience,
        listener=metrics,
        fanout_of=fanout_of,
        queued=queued,
        heard=heard,
    )
    return reception, customer_service
