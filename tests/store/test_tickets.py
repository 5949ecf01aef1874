"""Tickets: ordered by WeChat's time, kept twice at least, pruned for one platform only."""

import asyncio
from collections.abc import Sequence

from tests.store.moments import NOW, after
from wxgate.custody.records import KeptTicket, Platform, PushCredentials, TicketRequests
from wxgate.secret import AppSecret, Secret, Ticket
from wxgate.store import Store


def pushed(value: str, at: float = 0, *, platform: str = "wxplatform", received: float = 0) -> KeptTicket:
    return KeptTicket(platform, Ticket(value), after(at), after(received))


async def keep(store: Store, *tickets: KeptTicket, before: float = -1e6) -> None:
    for ticket in tickets:
        await store.tickets.keep(ticket, prune_before=after(before))


def values(tickets: Sequence[KeptTicket]) -> list[str]:
    return [ticket.ticket.reveal() for ticket in tickets]


async def test_a_platform_without_tickets_has_none(store: Store) -> None:
    assert list(await store.tickets.newest("wxplatform")) == []


async def test_a_kept_ticket_is_loaded_as_it_was(store: Store) -> None:
    await keep(store, pushed("ticket@@@1", received=3))
    assert list(await store.tickets.newest("wxplatform")) == [pushed("ticket@@@1", received=3)]


async def test_tickets_are_ordered_by_the_time_they_were_pushed_not_received(store: Store) -> None:
    await keep(store, pushed("new", 600, received=1), pushed("old", 0, received=2))
    assert values(await store.tickets.newest("wxplatform")) == ["new", "old"]


async def test_only_as_many_as_asked_for_are_loaded(store: Store) -> None:
    await keep(store, pushed("a", 1), pushed("b", 2), pushed("c", 3))
    assert values(await store.tickets.newest("wxplatform", 1)) == ["c"]
    assert values(await store.tickets.newest("wxplatform")) == ["c", "b"]
    assert values(await store.tickets.newest("wxplatform", 10)) == ["c", "b", "a"]


async def test_the_same_ticket_pushed_again_moves_forward(store: Store) -> None:
    await keep(store, pushed("same", 0, received=0), pushed("same", 600, received=601))
    assert list(await store.tickets.newest("wxplatform")) == [pushed("same", 600, received=601)]


async def test_an_old_push_of_the_same_ticket_does_not_move_it_back(store: Store) -> None:
    await keep(store, pushed("same", 600, received=601), pushed("same", 0, received=700))
    assert list(await store.tickets.newest("wxplatform")) == [pushed("same", 600, received=700)]


async def test_old_tickets_are_pruned(store: Store) -> None:
    await keep(store, pushed("a", 1), pushed("b", 2), pushed("c", 3), pushed("d", 4))
    await keep(store, pushed("e", 5), before=3)
    assert values(await store.tickets.newest("wxplatform", 10)) == ["e", "d", "c"]


async def test_pruning_never_drops_the_newest_two(store: Store) -> None:
    await keep(store, pushed("a", 1), pushed("b", 2))
    await keep(store, pushed("c", 3), before=1e6)
    assert values(await store.tickets.newest("wxplatform", 10)) == ["c", "b"]


async def test_a_late_old_ticket_does_not_push_out_a_newer_one(store: Store) -> None:
    await keep(store, pushed("b", 2), pushed("c", 3))
    await keep(store, pushed("a", 1), before=1e6)
    assert values(await store.tickets.newest("wxplatform", 10)) == ["c", "b"]


async def test_pruning_leaves_other_platforms_alone(store: Store) -> None:
    theirs = [pushed(value, platform="wxother") for value in ("x", "y", "z")]
    await keep(store, *theirs)
    await keep(store, pushed("a", 1), before=1e6)
    assert len(await store.tickets.newest("wxother", 10)) == 3


async def test_the_same_value_for_two_platforms_is_two_tickets(store: Store) -> None:
    await keep(store, pushed("same"), pushed("same", platform="wxother"))
    assert values(await store.tickets.newest("wxplatform")) == ["same"]
    assert values(await store.tickets.newest("wxother")) == ["same"]
    assert (await store.tickets.newest("wxother"))[0].pushed_at == NOW


async def test_one_request_for_a_late_ticket_is_the_right_of_one(store: Store, other: Store) -> None:
    platform = Platform("wxplatform", "", AppSecret("s"), PushCredentials(()), Secret("k"), NOW)
    await store.platforms.put_platform(platform)
    seen = await store.tickets.requests("wxplatform")
    assert seen == TicketRequests(0, None)
    nodes = [(store, other)[n % 2].tickets for n in range(8)]
    noted = (node.note_request("wxplatform", seen, not_before=after(60)) for node in nodes)
    assert sum(await asyncio.gather(*noted)) == 1
    assert await other.tickets.requests("wxplatform") == TicketRequests(1, after(60))
    await store.platforms.put_platform(platform)
    kept = await store.tickets.requests("wxplatform")
    assert kept == TicketRequests(1, after(60)), "an operator who changes a name starts nothing anew"
    await store.tickets.end_requests("wxplatform")
    assert await store.tickets.requests("wxplatform") == TicketRequests(0, None)
    assert not await store.tickets.note_request("wxnobody", seen, not_before=NOW)
