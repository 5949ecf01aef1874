"""The feed: one reading of the log for many streams, none of which holds up another."""

import asyncio
from pathlib import Path

from tests.harness import Harness
from tests.server.streaming import record
from wxgate.events.feed import Feed


async def test_who_falls_behind_reads_from_the_log_and_misses_nothing(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        node = world.node
        feed = Feed(node.store.event_log, poll_seconds=0.02, recent=3)
        async with feed.reading():
            assert await feed.after(await feed.newest(), seconds=0.1) == ()
            made = [await record(node) for _ in range(10)]
            async with asyncio.timeout(20):
                fast, slow = [], []
                position = 0
                while len(fast) < 10:
                    for event in await feed.after(position, seconds=5):
                        fast.append(f"evt_{event.id}")
                        position = event.position or 0
                position = 0
                while len(slow) < 10:
                    for event in await feed.after(position, seconds=5):
                        slow.append(f"evt_{event.id}")
                        position = event.position or 0
            assert fast == slow == made
        await feed.close()


async def test_a_feed_without_readers_leaves_the_log_in_peace(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        feed = world.node.feed
        async with feed.reading():
            pass
        await record(world.node)
        [event] = await world.node.store.inbox.find()
        assert event.position is None


async def test_a_feed_that_ends_lets_every_reader_go(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        feed = world.node.feed
        async with asyncio.timeout(20), feed.reading(), asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(feed.after(0, seconds=100))
            await asyncio.sleep(0)
            feed.end()
