"""Retention: a setting read with words for what is wrong, and a service that keeps to it on a real store."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.store.moments import NOW
from tests.store.test_event_log import record
from tests.store.test_push_log import LINE
from tests.store.test_subscribers import queue
from wxgate.clock import ManualClock
from wxgate.custody.records import KeyUse
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.events.records import EventKind, EventQuery
from wxgate.events.retention import DEFAULT_RETENTION, RECORDS_KEPT, Keeper, Limits, read_retention
from wxgate.settings import Settings
from wxgate.store import Store


def test_the_setting_is_read_and_the_rest_stays_as_by_default() -> None:
    found = read_retention(" Message = 12h , 500 mb ;; push=100 rows; event=3d")
    assert found["message"] == Limits(timedelta(hours=12), 500_000_000)
    assert found["push"] == Limits(timedelta(days=36500), 100)
    assert found["event"] == Limits(timedelta(days=3), None)
    assert found["component"] == Limits(timedelta(days=365), 200_000_000)


def test_an_empty_setting_is_the_default() -> None:
    assert read_retention("") == read_retention(DEFAULT_RETENTION)
    assert set(read_retention("")) == {*EventKind, "push"}
    assert Settings.model_fields["retention"].default == DEFAULT_RETENTION


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("messages=30d", "kind of message, event, component, gateway, push"),
        ("30d", "kind=limits"),
        ("message=30d; message=1d", "twice"),
        ("message=", "neither how long nor how much"),
        ("message=forever", "for a time (30d, 12h), a size (500MB, 2GB), or both"),
        ("message=100rows", "a size"),
        ("push=2GB", "a number of lines"),
        ("message=0h", "between 1h and 36500d"),
        ("message=99999d", "between 1h and 36500d"),
    ],
)
def test_a_mistake_is_named_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_retention(text)
    assert str(caught.value).startswith("WXGATE_RETENTION: ")
    assert said in str(caught.value)


async def test_what_is_due_goes_and_is_counted(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/test.db", Vault(KeyRing.generate()))
    removed: Counter[str] = Counter()
    clock = ManualClock(NOW)
    keeper = Keeper(
        store.event_log,
        store.push_log,
        store.subscribers,
        clock,
        retention=read_retention("message=2h; event=1h; push=1rows"),
        redact_after=timedelta(minutes=30),
        records={"key_use": store.key_uses.prune},
        on_removed=lambda kind, count: removed.update({kind: count}),
    )
    for number in range(3):
        await record(store, number)
    await record(store, 5, kind=EventKind.EVENT)
    await store.push_log.add([LINE, LINE])
    await queue(store, "sub_gone", 2)
    assert await keeper.tend() == 3
    clock.advance(timedelta(hours=1))
    assert await keeper.tend() == 3
    clock.advance(timedelta(seconds=10))
    assert await keeper.tend() == 1
    clock.advance(timedelta(hours=1))
    assert await keeper.tend() == 3
    assert removed == {"delivery": 2, "redacted": 3, "event": 1, "message": 3, "push": 1}
    await store.key_uses.note([KeyUse("wx", "token", "f", clock.now())])
    clock.advance(RECORDS_KEPT)
    assert await keeper.tend() == 0
    clock.advance(timedelta(seconds=1))
    assert await keeper.tend() == 1
    assert removed["key_use"] == 1
    assert await store.event_log.find_events(EventQuery()) == []
    await store.close()
