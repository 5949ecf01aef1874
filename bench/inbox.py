"""How many pushes a second the inbox makes durable, against the same with one commit for each push."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from wxgate.custody.vault import KeyRing, Vault
from wxgate.events.records import EventKind, NewEvent
from wxgate.store import Store
from wxgate.store.inbox import SqlInbox

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def measure_inbox(folder: Path, *, pushes: int, callers: int, rounds: int) -> None:
    """Record the same number of pushes both ways in every round, and print the rates and their ratio."""
    store = await Store.open(f"sqlite:///{folder}/inbox.db", Vault(KeyRing.generate()))
    numbers = count()
    rates: dict[str, list[float]] = {"together": [], "one by one": []}
    try:
        for number in range(rounds + 1):
            for name, inbox in (
                ("together", SqlInbox(store.database)),
                ("one by one", SqlInbox(store.database, most=1)),
            ):
                rate = await _record(inbox, numbers, pushes, callers)
                if number:  # the first round warms up
                    rates[name].append(rate)
    finally:
        await store.close()
    print(f"\ndurable pushes: {rounds} rounds of {pushes} by {callers} callers, on SQLite\n")
    for name, measured in rates.items():
        print(f"committed {name:22}{statistics.median(measured):9.0f}/s")
    ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    print(f"{'committed together is':32}{ratio:9.1f} x as fast")


async def _record(inbox: SqlInbox, numbers: Iterator[int], pushes: int, callers: int) -> float:
    left = iter(range(pushes))

    async def call() -> None:
        for _ in left:
            await inbox.record(_push(next(numbers)), holder="bench", lease_until=NOW)

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return pushes / (time.perf_counter() - begun)


def _push(number: int) -> NewEvent:
    plain = f"<xml><Content><![CDATA[这是一条测试消息 {number}]]></Content><MsgId>{number}</MsgId></xml>"
    return NewEvent(
        dedup_key=f"{number:064x}",
        issuer="wxplatform",
        appid="wxaccount",
        kind=EventKind.MESSAGE,
        name="text",
        openid=f"oBenchUser{number % 1000:018d}",
        msg_id=str(number),
        created_at=number,
        received_at=NOW,
        source_ip="127.0.0.1",
        fields={"Content": f"这是一条测试消息 {number}", "MsgId": str(number)},
        plain=plain,
        message_key=f"{number:064x}",
    )
