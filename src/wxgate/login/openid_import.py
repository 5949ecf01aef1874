"""Openids of an account that moved (账号迁移): the new ones are linked to whom the old ones stand for.

WeChat converts them for fifteen days (`changeopenid`, a hundred at a time, with the new account's token);
pairs that were converted elsewhere can be handed in. Repeating it does no harm, so an import that broke off
is simply begun again. https://kf.qq.com/faq/1901177NrqMr190117nqYJze.html
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from wxgate.clock import Clock
from wxgate.errors import ConfigError
from wxgate.login.ports import Identities, Realms
from wxgate.login.records import Conflict, IdentityKind, Name

BATCH = 100
"""The most openids WeChat converts in one call."""

LONGEST = 128


class Result(StrEnum):
    """What came of one old openid."""

    LINKED = "linked"
    """The new one stands for the same subject from now on (in a dry run: would)."""

    KNOWN = "known"
    """It did so before."""

    UNKNOWN = "unknown"
    """Nobody has logged in under the old one."""

    CONFLICT = "conflict"
    """The new one stands for another subject; see the conflicts."""

    REFUSED = "refused"
    """WeChat has no new openid for it: unfollowed before the move, or none of the old account's."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is; `results` counts what came of the openids so far, `after` is where to go on."""

    done: int
    total: int
    results: Mapping[Result, int]
    after: str = ""


Convert = Callable[[str, str, Sequence[str]], Awaitable[Mapping[str, str]]]
"""Asks WeChat for new openids: the account that moved, the new one, old openids in; those it knows out."""


class OpenidImport:
    """Links new openids to subjects."""

    def __init__(
        self,
        identities: Identities,
        realms: Realms,
        clock: Clock,
        *,
        convert: Convert,
        on_conflicts: Callable[[Sequence[Conflict]], Awaitable[object]],
    ) -> None:
        self._identities = identities
        self._realms = realms
        self._clock = clock
        self._convert = convert
        self._on_conflicts = on_conflicts

    async def by_wechat(
        self, realm: str, from_appid: str, to_appid: str, *, after: str = "", dry_run: bool = False
    ) -> AsyncIterator[Progress]:
        """Convert every openid behind `after` that has logged in by the old account, a batch at a time."""
        await self._check(realm, from_appid, to_appid)
        total = await self._identities.count_openids(realm, from_appid)
        counts = Counter[Result]()
        yield _progress(counts, total, after)
        while page := await self._identities.openids(realm, from_appid, after=after, limit=BATCH):
            found = await self._convert(from_appid, to_appid, page)
            pairs = {old: found[old] for old in page if old in found}
            counts[Result.REFUSED] += len(page) - len(pairs)
            counts.update(await self._link(realm, from_appid, to_appid, pairs, dry_run=dry_run))
            after = page[-1]
            yield _progress(counts, total, after)

    async def by_list(
        self,
        realm: str,
        from_appid: str,
        to_appid: str,
        pairs: Sequence[tuple[str, str]],
        *,
        dry_run: bool = False,
    ) -> AsyncIterator[Progress]:
        """Link pairs of old and new openids that somebody has had converted."""
        await self._check(realm, from_appid, to_appid)
        counts = Counter[Result]()
        yield _progress(counts, len(pairs))
        for batch in _batches(pairs):
            counts.update(await self._link(realm, from_appid, to_appid, dict(batch), dry_run=dry_run))
            yield _progress(counts, len(pairs))

    async def _check(self, realm: str, from_appid: str, to_appid: str) -> None:
        """Refuse what cannot be a move, so that a slip of the pen is no account without people."""
        if from_appid == to_appid:
            raise ConfigError("an account moves from one appid to another: give two")
        known = any(app.appid == from_appid for app in await self._realms.apps(realm))
        if not known and not await self._identities.count_openids(realm, from_appid):
            raise ConfigError(
                f"nobody in realm {realm} has logged in by {from_appid}, and it is none of its apps; "
                "`wxgate login app list` shows those"
            )

    async def _link(
        self, realm: str, from_appid: str, to_appid: str, pairs: Mapping[str, str], *, dry_run: bool
    ) -> Counter[Result]:
        if dry_run:
            return await self._foretell(realm, from_appid, to_appid, pairs)
        moved = await self._identities.move_openids(
            realm, from_appid=from_appid, to_appid=to_appid, openids=pairs, now=self._clock.now()
        )
        counts = Counter(map(Result, moved.values()))
        if counts[Result.CONFLICT]:
            # Those of before are told of again, which nobody hears twice.
            await self._on_conflicts(await self._identities.conflicts(realm))
        return counts

    async def _foretell(
        self, realm: str, from_appid: str, to_appid: str, pairs: Mapping[str, str]
    ) -> Counter[Result]:
        """Say what linking would do."""
        named = {(old, new): (_name(from_appid, old), _name(to_appid, new)) for old, new in pairs.items()}
        known = await self._identities.find(realm, [name for both in named.values() for name in both])
        return Counter(_would(known.get(old), known.get(new)) for old, new in named.values())


def read_pairs(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Read `old,new` lines; a first line that names the columns is left out. Raises ConfigError."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        fields = [field.strip().strip('"') for field in line.strip().lstrip("\ufeff").split(",")]
        if fields == [""] or (number == 1 and not {"old", "from", "ori_openid"}.isdisjoint(fields)):
            continue
        if len(fields) != 2 or not all(0 < len(field) <= LONGEST for field in fields):
            raise ConfigError(f"line {number}: write the old openid, a comma, and the new one")
        old, new = fields
        if pairs.setdefault(old, new) != new:
            raise ConfigError(f"line {number}: {old} is there twice, with different new openids")
    return list(pairs.items())


def _would(old: str | None, new: str | None) -> Result:
    if old is None:
        return Result.UNKNOWN
    if new is None:
        return Result.LINKED
    return Result.KNOWN if old == new else Result.CONFLICT


def _name(appid: str, openid: str) -> Name:
    return Name(IdentityKind.OPENID, appid, openid)


def _progress(counts: Counter[Result], total: int, after: str = "") -> Progress:
    return Progress(counts.total(), total, {result: counts[result] for result in Result}, after)


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    rest = iter(pairs)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
