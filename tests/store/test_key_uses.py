"""When keys were last seen: the newest moment counts, whichever node writes it when."""

import asyncio

from tests.store.moments import after
from wxgate.custody.records import KeyUse
from wxgate.store import Store


def use(at: float, receiver: str = "wx1", kind: str = "token", fingerprint: str = "f") -> KeyUse:
    """Make a use."""
    return KeyUse(receiver, kind, fingerprint, after(at))


async def test_what_was_seen_is_kept_by_receiver(store: Store) -> None:
    await store.key_uses.note([use(1), use(2, kind="aes"), use(3, receiver="wx2")])
    found = await store.key_uses.load("wx1")
    assert sorted(found, key=lambda one: one.kind) == [use(2, kind="aes"), use(1)]
    assert await store.key_uses.load("wx3") == []


async def test_nothing_seen_writes_nothing(store: Store) -> None:
    await store.key_uses.note([])
    assert await store.key_uses.load("wx1") == []


async def test_an_older_use_never_replaces_a_newer_one(store: Store, other: Store) -> None:
    await store.key_uses.note([use(60)])
    await other.key_uses.note([use(30)])
    assert await store.key_uses.load("wx1") == [use(60)]
    await other.key_uses.note([use(90)])
    assert await store.key_uses.load("wx1") == [use(90)]


async def test_two_nodes_that_write_the_same_keys_do_not_block_each_other(store: Store, other: Store) -> None:
    uses = [use(n, fingerprint=f"f{n}") for n in range(20)]
    await asyncio.gather(
        *((store, other)[n % 2].key_uses.note(uses if n % 3 else uses[::-1]) for n in range(12))
    )
    assert sorted(await store.key_uses.load("wx1"), key=lambda one: one.last_seen_at) == uses


async def test_what_was_not_seen_for_long_is_forgotten_a_part_at_a_time(store: Store) -> None:
    await store.key_uses.note([use(n, fingerprint=f"f{n}") for n in range(4)])
    pruned = [await store.key_uses.prune(after(3), 2) for _ in range(3)]
    assert pruned == [2, 1, 0]
    assert await store.key_uses.load("wx1") == [use(3, fingerprint="f3")]
