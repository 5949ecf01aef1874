"""`wxgate event`: what WeChat pushed, what became of it, once more, and never again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.markup import escape

from wxgate.cli.moments import read_moment
from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, moment, stdout, table
from wxgate.cli.progress import progress
from wxgate.errors import ConfigError, NotFound
from wxgate.events.describing import describe_delivery, describe_event, describe_push
from wxgate.events.records import (
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    EventQuery,
    EventState,
    Filter,
    PushLine,
)

if TYPE_CHECKING:
    from wxgate.events.searching import Keep
    from wxgate.server.node import Node

app = typer.Typer(help="The log of events, and replaying from it.", no_args_is_help=True)

EventId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The event's id, such as evt_42.")]
Platform: TypeAlias = Annotated[
    str | None, typer.Option(help="Only what this platform received, or `direct`.", show_default=False)
]
AccountOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only of this account.", show_default=False)
]
Tag: TypeAlias = Annotated[
    str | None, typer.Option(help="Only of accounts with this tag.", show_default=False)
]
Kind: TypeAlias = Annotated[EventKind | None, typer.Option(help="Only of this kind.", show_default=False)]
Names: TypeAlias = Annotated[
    list[str] | None, typer.Option("--name", help="Only these, such as event.* or text; repeat it.")
]
Openid: TypeAlias = Annotated[str | None, typer.Option(help="Only of this user.", show_default=False)]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="MOMENT", help="From then on: 2026-03-01T10:00, or 2h ago.", show_default=False),
]
Until: TypeAlias = Annotated[
    str | None, typer.Option(metavar="MOMENT", help="Up to then.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events a command is about, as its options say."""

    platform: str | None = None
    account: str | None = None
    tag: str | None = None
    kind: EventKind | None = None
    names: Sequence[str] = ()
    openid: str | None = None
    state: EventState | None = None
    since: str | None = None
    until: str | None = None

    def query(self, node: "Node", limit: int = 50) -> EventQuery:
        """Make the query for the log."""
        now = node.clock.now()
        return EventQuery(
            appid=self.account,
            issuer=self.platform,
            kind=self.kind,
            openid=self.openid,
            state=self.state,
            since=read_moment("--since", self.since, now),
            until=read_moment("--until", self.until, now),
            limit=limit,
        )

    def keep(self, node: "Node") -> "Keep":
        """Make what picks out the events that the query cannot."""
        from wxgate.events.filters import Matcher, check_filter

        matcher = Matcher(check_filter(Filter(names=tuple(self.names))))

        async def keep(event: Event) -> bool:
            if self.names and not matcher.takes(event.kind, event.name):
                return False
            return self.tag is None or self.tag in await node.targets.tags(event.appid)

        return keep


@app.command("list")
def list_events(
    platform: Platform = None,
    account: AccountOption = None,
    tag: Tag = None,
    kind: Kind = None,
    names: Names = None,
    openid: Openid = None,
    state: Annotated[EventState | None, typer.Option(help="Only in this state.", show_default=False)] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 50,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """List events, newest first.

    [dim]Example:[/dim] wxgate event list --account wx0123456789abcdef --name "event.*" --since 2h
    """
    choice = Choice(platform, account, tag, kind, names or (), openid, state, since, until)

    async def work(node: "Node") -> None:
        found = await _search(node, choice, limit)
        if as_json:
            emit([describe_event(event) for event in found])
        elif not found:
            stdout().print("no event like that is in the log")
        else:
            shown = table("id", "received", "what", "account", "user", "through", "state", "reply")
            for event in found:
                shown.add_row(*_row(event))
            stdout().print(shown)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def show(
    event_id: EventId, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show an event with its text, its deliveries, the pushes that brought it, and what came of the reply.

    [dim]Example:[/dim] wxgate event show evt_42
    """

    async def work(node: "Node") -> None:
        event = await require_event(node, event_id)
        deliveries = await node.store.deliveries.of_event(event.id)
        pushes = await node.store.push_log.find_pushes(event_id=event.id)
        if as_json:
            emit(
                {
                    **describe_event(event),
                    "fields": event.fields,
                    "reply": event.reply,
                    "deliveries": [describe_delivery(one) for one in deliveries],
                    "pushes": [describe_push(id, line) for id, line in pushes],
                }
            )
        else:
            _print_whole(event, deliveries, pushes)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def replay(
    event_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One event; else say which by options.", show_default=False),
    ] = None,
    subscribers: Annotated[
        list[str] | None,
        typer.Option("--subscriber", help="For this subscriber; one event may go to several: repeat it."),
    ] = None,
    platform: Platform = None,
    account: AccountOption = None,
    tag: Tag = None,
    kind: Kind = None,
    names: Names = None,
    openid: Openid = None,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Deliver an event again, or all events of a time, an account, a kind.

    One event goes to the subscribers you name, or to all whose filter it fits. Many go to one subscriber, as
    far as they fit its filter, oldest first. They keep their ids, and are marked as replayed.

    [dim]Example:[/dim] wxgate event replay --subscriber sub_0123456789ab --since 2h
    """
    choice = Choice(platform, account, tag, kind, names or (), openid, None, since, until)
    if event_id is not None and choice != Choice():
        raise ConfigError("name one event, or choose events by options: not both")
    if event_id is None and len(subscribers or ()) != 1:
        raise ConfigError("say for whom with one --subscriber; `wxgate subscriber list` shows them")
    if event_id is None and choice == Choice():
        raise ConfigError("say which events: an id, or options such as --since 2h or --account; see --help")

    async def work(node: "Node") -> None:
        if event_id is not None:
            event = await require_event(node, event_id)
            queued = dict(await node.replays.event(event, subscribers or ()))
        else:
            subscriber = (await node.delivering.subscriptions.require((subscribers or [""])[0])).id
            with progress("queueing", quiet=as_json) as advance:
                count = await node.replays.search(subscriber, choice.query(node), choice.keep(node), advance)
            queued = {subscriber: count}
        _print_queued(queued, as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command()
def forget(
    openid: Annotated[str, typer.Argument(help="The user whose events are to be deleted.")],
    account: Annotated[
        str | None, typer.Option(help="Only those of this account.", show_default="all accounts")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Delete all events of a person for ever, with their deliveries, replies and pushes.

    [dim]Example:[/dim] wxgate event forget oABC --yes
    """
    if not yes:
        if as_json or not stdout().is_terminal:
            raise ConfigError("this cannot be undone; say --yes")
        typer.confirm(f"Delete all events of {openid} for ever?", abort=True)

    async def work(node: "Node") -> None:
        deleted = await node.store.event_log.forget(openid, appid=account)
        if as_json:
            emit({"openid": openid, "deleted": deleted})
        else:
            stdout().print(f"{deleted} events of {openid} are deleted", markup=False)

    with_node(work, database_url=database_url, key_file=key_file)


async def require_event(node: "Node", text: str) -> Event:
    """Load the event that an argument names."""
    from wxgate.events.topics import read_public_id

    event_id = read_public_id(text)
    if event_id is None:
        raise ConfigError(f"{text} is no event's id: one looks like evt_42; `wxgate event list` shows them")
    event = await node.store.inbox.load(event_id)
    if event is None:
        raise NotFound(f"no event {text} here; it may be older than what is kept")
    return event


async def _search(node: "Node", choice: Choice, limit: int) -> list[Event]:
    from dataclasses import replace

    from wxgate.events.searching import search

    query, keep, found = choice.query(node), choice.keep(node), list[Event]()
    while len(found) < limit:
        page = await search(node.store.event_log, replace(query, limit=limit - len(found)), keep)
        found += page.events
        if page.next is None:
            break
        query = replace(query, before=page.next)
    return found


def _row(event: Event) -> tuple[str, ...]:
    from wxgate.events.topics import public_id, topic

    state = f"[red]{event.state}[/]" if event.state is EventState.FAILED else event.state.value
    what = escape(topic(event.kind, event.name))
    return (
        public_id(event.id), moment(event.received_at), what, event.appid, escape(event.openid),
        event.issuer, state, event.reply_state.value,
    )  # fmt: skip


def _print_whole(
    event: Event, deliveries: Sequence[Delivery], pushes: Sequence[tuple[int, PushLine]]
) -> None:
    from wxgate.events.telling import tell_reply
    from wxgate.events.topics import public_id, topic
    from wxgate.protocol.statuses import explain

    told = tell_reply(event)
    pairs: dict[str, object] = {
        "id": public_id(event.id),
        "what": escape(topic(event.kind, event.name)),
        "account": event.appid,
        "user": escape(event.openid),
        "through": event.issuer,
        "received": f"{moment(event.received_at)} from {escape(event.source_ip)}, {event.arrivals}×",
        "state": event.state + (f", {moment(event.handled_at)}" if event.handled_at else ""),
    }
    if event.error:
        pairs["error"] = f"[red]{escape(event.error)}[/]"
    if told:
        pairs["reply"] = f"{told.text}\n{told.text_zh}" + (f"\n{escape(event.reply)}" if event.reply else "")
    for status in explain(event.name, event.fields):
        pairs[status.field] = f"{status.value}: {status.text} / {status.text_zh}"
    for name, value in event.fields.items():
        pairs[f"· {escape(name)}"] = escape(str(value))
    stdout().print(facts(pairs))
    if deliveries:
        print_deliveries(deliveries)
    if pushes:
        print_pushes(pushes)


def print_deliveries(deliveries: Sequence[Delivery]) -> None:
    """Show deliveries as a table."""
    from wxgate.events.topics import public_id

    shown = table("delivery", "event", "to", "state", "tries", "next", "answer")
    for one in deliveries:
        coming = moment(one.not_before) if one.state is DeliveryState.PENDING else ""
        answer = " ".join(part for part in (str(one.status or ""), escape(one.error)) if part)
        shown.add_row(
            str(one.id),
            public_id(one.event_id),
            one.subscriber,
            one.state.value,
            str(one.attempts),
            coming,
            answer,
        )
    stdout().print(shown)


def print_pushes(pushes: Sequence[tuple[int, PushLine]]) -> None:
    """Show lines of the push log as a table."""
    from wxgate.events.topics import public_id

    shown = table("at", "to", "account", "from", "verdict", "answered", "ms", "event", "times", "why")
    for _, line in pushes:
        event = "" if line.event_id is None else public_id(line.event_id)
        shown.add_row(
            moment(line.at), escape(line.receiver), escape(line.appid), escape(line.source_ip),
            escape(line.verdict), f"{line.answer} {line.status}", str(line.milliseconds), event,
            str(line.count), escape(line.explanation),
        )  # fmt: skip
    stdout().print(shown)


def _print_queued(queued: dict[str, int], as_json: bool) -> None:
    if as_json:
        emit({"queued": queued})
    elif not queued:
        stdout().print("the event fits the filter of no subscriber; name one with --subscriber")
    else:
        for subscriber, count in queued.items():
            stdout().print(f"{count} queued for {subscriber}; a running node delivers", markup=False)
