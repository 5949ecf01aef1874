"""Invites and flows: each click counts once, and never more often than the invite allows."""

import asyncio

from tests.store.moments import NOW, after
from wxgate.custody.records import Flow, Invite, LinkChoices
from wxgate.store import Store
from wxgate.store.links import use_flow


def invite(id: str = "invite-1", *, max_uses: int = 1) -> Invite:
    choices = LinkChoices(auth_type=5, biz_appid="wxbiz", category_ids=(1, 9))
    return Invite(
        id, "wxplatform", "tenant-1", choices, "https://tenant.example/back", max_uses, 0, after(3600), NOW
    )


def flow(id: str = "flow-1", *, of: str | None = "invite-1", pre_auth: str = "fingerprint-1") -> Flow:
    return Flow(id, "wxplatform", pre_auth, of, "tenant-1", "https://tenant.example/back", NOW, after(3600))


async def uses(store: Store, id: str = "invite-1") -> int:
    loaded = await store.links.load_invite(id)
    assert loaded is not None
    return loaded.uses


async def test_an_invite_comes_back_as_it_was(store: Store) -> None:
    await store.links.put_invite(invite())
    assert await store.links.load_invite("invite-1") == invite()
    assert await store.links.load_invite("invite-2") is None


async def test_a_flow_is_found_by_its_id_and_by_its_code(store: Store) -> None:
    await store.links.put_invite(invite())
    await store.links.put_flow(flow())
    assert await store.links.load_flow("flow-1") == flow()
    assert await store.links.find_flow("wxplatform", "fingerprint-1") == flow()
    assert await store.links.find_flow("wxother", "fingerprint-1") is None
    assert await store.links.load_flow("flow-2") is None


async def use(store: Store, flow_id: str) -> str:
    async with store.database.write() as connection:
        return await use_flow(connection, flow_id)


async def test_a_flow_counts_as_one_use_of_its_invite(store: Store) -> None:
    await store.links.put_invite(invite())
    await store.links.put_flow(flow())
    assert await use(store, "flow-1") == "tenant-1"
    assert await uses(store) == 1


async def test_a_flow_counts_once_however_often_it_is_used(store: Store, other: Store) -> None:
    await store.links.put_invite(invite(max_uses=5))
    await store.links.put_flow(flow())
    references = await asyncio.gather(*(use((store, other)[n % 2], "flow-1") for n in range(20)))
    assert set(references) == {"tenant-1"}
    assert await uses(store) == 1


async def test_a_used_up_invite_gives_its_reference_to_nobody_else(store: Store) -> None:
    await store.links.put_invite(invite())
    await store.links.put_flow(flow("flow-1"))
    await store.links.put_flow(flow("flow-2"))
    assert await use(store, "flow-1") == "tenant-1"
    assert await use(store, "flow-2") == ""
    assert await use(store, "flow-2") == "", "a refused flow stays refused"
    assert await uses(store) == 1


async def test_of_many_flows_as_many_count_as_the_invite_allows(store: Store, other: Store) -> None:
    await store.links.put_invite(invite(max_uses=3))
    for number in range(12):
        await store.links.put_flow(flow(f"flow-{number}"))
    references = await asyncio.gather(*(use((store, other)[n % 2], f"flow-{n}") for n in range(12)))
    assert references.count("tenant-1") == 3
    assert await uses(store) == 3


async def test_an_invite_without_a_limit_is_never_used_up(store: Store) -> None:
    await store.links.put_invite(invite(max_uses=0))
    for number in range(4):
        await store.links.put_flow(flow(f"flow-{number}"))
        assert await use(store, f"flow-{number}") == "tenant-1"
    assert await uses(store) == 4


async def test_a_flow_without_an_invite_has_nothing_to_count(store: Store) -> None:
    await store.links.put_flow(flow(of=None))
    assert await use(store, "flow-1") == "tenant-1"
    assert await use(store, "no such flow") == ""
