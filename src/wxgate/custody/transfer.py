"""Export and import: everything that cannot be fetched anew, moved to another gateway or kept as a backup.

What is imported never replaces anything newer: of two accounts of one authorization the one with the later
event stays. API keys are not exported: each gateway makes its own.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from wxgate.clock import Clock
from wxgate.custody.clients import Labels
from wxgate.custody.edits import Change
from wxgate.custody.package import NAMES, End, LabelsOf, Packed, unpack
from wxgate.custody.ports import ConfigurationStore, LabelStore, PlatformStore, TransferStore
from wxgate.custody.records import Authorization, Brought, DirectAccount, Platform
from wxgate.errors import BadFile, ConfigError, Mistake

T = TypeVar("T")

Lines = Callable[[], Iterator[str]]
"""Opens an export and reads its lines; called once to check the whole of it and once to take it."""

BATCH = 500
"""How many authorizations are read or written at once."""

ADVICE = {
    Brought.EXISTS: "it is here already and differs; --replace takes the file's",
    Brought.NEWER: "what is here is newer than the file",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one record; `line` counts from one, `reason` says why it was not taken."""

    line: int
    kind: str
    name: str
    outcome: Brought
    reason: str = ""


@dataclass(slots=True)
class _Contents:
    """What an export holds, once all of it was read; authorizations are only counted."""

    configured: list[tuple[int, Platform | DirectAccount | LabelsOf]] = field(default_factory=list)
    authorizations: int = 0


class Transfer:
    """Exports and imports platforms, direct accounts, labels and authorizations."""

    def __init__(
        self,
        *,
        platforms: PlatformStore,
        labels: LabelStore,
        configuration: ConfigurationStore,
        store: TransferStore,
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._labels = labels
        self._configuration = configuration
        self._store = store
        self._clock = clock
        self.shut: list[str] = []
        """Authorizations that the last export left out, since they do not open."""

    async def count(self) -> int:
        """Count what an export has most of."""
        return await self._store.count()

    async def export(self) -> AsyncIterator[Packed]:
        """Walk all records, and the end."""
        counts: Counter[str] = Counter()
        self.shut = []
        async for record in self._records():
            counts[NAMES[type(record)]] += 1
            yield record
        yield End(dict(counts))

    async def take(self, lines: Lines, *, replace_old: bool, dry_run: bool) -> AsyncIterator[Result]:
        """Import an export: the whole file is checked before anything is changed.

        Platforms, direct accounts and labels are taken in one transaction, then authorizations in batches.
        Raises BadFile or ConfigError where the file is not whole; then nothing was taken.
        """
        contents = _check(lines)
        for result in await self._configure(contents, replace_old, dry_run):
            yield result
        batch: list[tuple[int, Authorization]] = []
        for number, record in _records(lines):
            if isinstance(record, Authorization):
                batch.append((number, record))
            if len(batch) == BATCH or (batch and isinstance(record, End)):
                for result in await self._bring(batch, replace_old, dry_run):
                    yield result
                batch = []

    async def _records(self) -> AsyncIterator[Packed]:
        for platform in await self._platforms.list_platforms():
            yield platform
        for account in await self._platforms.list_directs():
            yield account
        for appid, labels in (await self._labels.list()).items():
            yield LabelsOf(appid, labels)
        after: tuple[str, str] | None = None
        while True:
            page, shut, after = await self._store.page(after, BATCH)
            self.shut += shut
            for authorization in page:
                yield authorization
            if after is None:
                return

    async def _configure(self, contents: _Contents, replace_old: bool, dry_run: bool) -> Sequence[Result]:
        results, changes = [], []
        for number, record in contents.configured:
            change = await self._compare(record)
            outcome = Brought.ADDED if change.before in (None, Labels()) else Brought.REPLACED
            if change.before == change.after:
                outcome = Brought.SAME
            elif outcome is Brought.REPLACED and not replace_old:
                outcome = Brought.EXISTS
            else:
                changes.append(change)
            results.append(
                Result(number, NAMES[type(record)], record.appid, outcome, ADVICE.get(outcome, ""))
            )
        if changes and not dry_run and not await self._configuration.change(changes):
            raise ConfigError("somebody else changed the same records; nothing was imported, try again")
        return results

    async def _compare(self, record: Platform | DirectAccount | LabelsOf) -> Change:
        if isinstance(record, LabelsOf):
            return Change(record.appid, await self._labels.load(record.appid), record.labels)
        if isinstance(record, Platform):
            platform = await self._platforms.load_platform(record.appid)
            after = replace(record, created_at=platform.created_at) if platform else record
            return Change(record.appid, platform, after)
        account = await self._platforms.load_direct(record.appid)
        return Change(
            record.appid, account, replace(record, created_at=account.created_at) if account else record
        )

    async def _bring(
        self, batch: Sequence[tuple[int, Authorization]], replace_old: bool, dry_run: bool
    ) -> Sequence[Result]:
        now = self._clock.now()
        outcomes = await self._store.bring(
            [_until(now, authorization) for _, authorization in batch],
            replace=replace_old,
            reason="import",
            now=now,
            dry_run=dry_run,
        )
        return [
            Result(number, "authorization", f"{one.platform}/{one.appid}", outcome, ADVICE.get(outcome, ""))
            for (number, one), outcome in zip(batch, outcomes, strict=True)
        ]


def _until(now: datetime, one: Authorization) -> Authorization:
    """Take no moment to come from a file: it would put off all news until then."""
    return replace(
        one,
        authorized_at=min(one.authorized_at, now),
        event_at=min(one.event_at, now),
        updated_at=min(one.updated_at, now),
    )


def _records(lines: Lines) -> Iterator[tuple[int, Packed]]:
    for number, line in enumerate(lines(), 1):
        try:
            yield number, unpack(line)
        except ConfigError as error:
            raise BadFile("export", [Mistake(number, 0, str(error))]) from None


def _check(lines: Lines) -> _Contents:
    """Read a whole export; raises BadFile for what is there twice or missing."""
    contents, mistakes = _Contents(), []
    seen: dict[tuple[str, ...], int] = {}
    counts: Counter[str] = Counter()
    ended = False
    for number, record in _records(lines):
        if isinstance(record, End):
            ended = dict(record.counts) == dict(counts)
            continue
        kind = NAMES[type(record)]
        counts[kind] += 1
        if isinstance(record, Authorization):
            name: tuple[str, ...] = (kind, record.platform, record.appid)
            contents.authorizations += 1
        else:
            name = (kind, record.appid)
            contents.configured.append((number, record))
        if (first := seen.setdefault(name, number)) != number:
            mistakes.append(Mistake(number, 0, f"{' '.join(name)} is in line {first} already"))
    if not ended:
        mistakes.append(Mistake(sum(counts.values()) + 1, 0, "the end is missing or counts other records"))
    if mistakes:
        raise BadFile("export", mistakes)
    return contents
