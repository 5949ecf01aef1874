"""The push log's collector: lines are written in groups, what repeats is counted, and nothing ever waits."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.store.moments import NOW, after
from wxgate.clock import ManualClock
from wxgate.errors import StorageError
from wxgate.events import push_log
from wxgate.events.push_log import PushRecorder
from wxgate.events.records import PushLine

ACCEPTED = PushLine(
    at=NOW,
    receiver="wxplatform",
    appid="wxaccount",
    source_ip="203.0.113.9",
    verdict="accepted",
    answer="success",
    status=200,
    milliseconds=3,
    event_id=1,
)
REFUSED = replace(
    ACCEPTED, verdict="bad_signature", answer="refused", status=401, event_id=None, explanation="why"
)


class Lines:
    """A push log in memory that can be away."""

    def __init__(self) -> None:
        self.groups: list[Sequence[PushLine]] = []
        self.troubles: list[StorageError] = []

    @property
    def written(self) -> list[PushLine]:
        return [line for group in self.groups for line in group]

    async def add(self, lines: Sequence[PushLine]) -> None:
        if self.troubles:
            raise self.troubles.pop()
        self.groups.append(tuple(lines))

    async def find_pushes(
        self,
        *,
        appid: str | None = None,
        event_id: int | None = None,
        verdict: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[tuple[int, PushLine]]:
        return []

    async def prune_pushes(self, *, before: datetime, most_rows: int | None, limit: int) -> int:
        return 0


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


async def test_lines_of_a_moment_are_written_together(lines: Lines, clock: ManualClock) -> None:
    recorder = PushRecorder(lines, clock)
    for number in range(700):
        recorder.note(replace(ACCEPTED, event_id=number))
    assert lines.groups == []
    await recorder.flush()
    assert [len(group) for group in lines.groups] == [500, 200]
    assert [line.event_id for line in lines.written] == list(range(700))


async def test_the_first_refusal_is_written_and_those_after_it_are_counted(
    lines: Lines, clock: ManualClock
) -> None:
    recorder = PushRecorder(lines, clock)
    for second in range(50):
        recorder.note(replace(REFUSED, at=after(second)))
    recorder.note(replace(REFUSED, source_ip="198.51.100.1"))
    recorder.note(replace(REFUSED, at=after(61)))
    await recorder.flush()
    told = [(line.source_ip, line.count) for line in lines.written]
    assert sorted(told) == sorted(
        [("203.0.113.9", 1), ("203.0.113.9", 49), ("198.51.100.1", 1), ("203.0.113.9", 1)]
    )


async def test_refusals_of_two_accounts_are_never_one_line(lines: Lines, clock: ManualClock) -> None:
    recorder = PushRecorder(lines, clock)
    for appid in ("wxone", "wxtwo") * 3:
        recorder.note(replace(REFUSED, appid=appid))
    await recorder.flush()
    assert sorted((line.appid, line.count) for line in lines.written) == [
        ("wxone", 1), ("wxone", 2), ("wxtwo", 1), ("wxtwo", 2),
    ]  # fmt: skip


async def test_counts_are_written_when_their_minute_is_over(
    lines: Lines, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_log, "GROUP_SECONDS", 0.005)
    recorder = PushRecorder(lines, clock)
    for _ in range(3):
        recorder.note(REFUSED)
    await _until(lambda: len(lines.written) == 1)
    clock.advance(timedelta(seconds=60))
    await _until(lambda: len(lines.written) == 2)
    assert [line.count for line in lines.written] == [1, 2]
    await recorder.close()


async def test_many_strangers_share_a_line(lines: Lines, clock: ManualClock) -> None:
    recorder = PushRecorder(lines, clock, most_counted=10)
    for number in range(1000):
        recorder.note(replace(REFUSED, source_ip=f"stranger {number}", receiver=f"wx{number}"))
    await recorder.flush()
    assert len(lines.written) == 12
    assert sum(line.count for line in lines.written) == 1000
    assert (lines.written[-1].source_ip, lines.written[-1].explanation) == ("", "")


async def test_what_does_not_fit_is_dropped_and_counted(lines: Lines, clock: ManualClock) -> None:
    dropped: list[int] = []
    recorder = PushRecorder(lines, clock, on_dropped=dropped.append, most_waiting=5)
    for number in range(8):
        recorder.note(replace(ACCEPTED, event_id=number))
    await recorder.flush()
    assert len(lines.written) == 5
    assert sum(dropped) == 3


async def test_lines_outlast_a_database_that_is_away(
    lines: Lines, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_log, "RETRY_SECONDS", 0.005)
    lines.troubles = [StorageError("away"), StorageError("away")]
    recorder = PushRecorder(lines, clock)
    for number in range(3):
        recorder.note(replace(ACCEPTED, event_id=number))
    await recorder.close()
    assert [line.event_id for line in lines.written] == [0, 1, 2]


async def test_a_line_that_is_refused_does_not_cost_the_others(lines: Lines, clock: ManualClock) -> None:
    lines.troubles = [StorageError("no", refused=True), StorageError("no", refused=True)]
    recorder = PushRecorder(lines, clock)
    for number in range(3):
        recorder.note(replace(ACCEPTED, event_id=number))
    await recorder.flush()
    assert [line.event_id for line in lines.written] == [1, 2]


async def test_closing_writes_what_is_counted_and_may_be_done_twice(lines: Lines, clock: ManualClock) -> None:
    recorder = PushRecorder(lines, clock)
    recorder.note(REFUSED)
    recorder.note(REFUSED)
    await recorder.close()
    await recorder.close()
    assert sorted(line.count for line in lines.written) == [1, 1]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it comes true in the writer, which tells nobody
            await asyncio.sleep(0.005)
