"""One record's change: from what, to what, and how that is told without showing a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from wxgate.custody.clients import Labels
from wxgate.custody.records import DirectAccount, Platform, PushCredentials
from wxgate.secret import Secret


class Kind(StrEnum):
    """What can be configured."""

    PLATFORM = "platform"
    ACCOUNT = "account"
    LABELS = "labels"


class Effect(StrEnum):
    """What a change does to a record."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of one record; `fields` maps names to (before, after), None in place of secrets."""

    kind: Kind
    appid: str
    effect: Effect
    fields: Mapping[str, tuple[object, object] | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One record to be replaced: as it was (None: not there) and as it shall be (None: removed)."""

    appid: str
    before: Platform | DirectAccount | Labels | None
    after: Platform | DirectAccount | Labels | None

    @property
    def what(self) -> type:
        """The kind of record."""
        return type(self.after if self.before is None else self.before)


def difference(change: Change) -> Difference:
    """Tell what a change does, without showing a secret."""
    before, after = change.before, change.after
    kind = {Platform: Kind.PLATFORM, DirectAccount: Kind.ACCOUNT, Labels: Kind.LABELS}[change.what]
    if before is None or after is None:
        return Difference(kind, change.appid, Effect.ADD if before is None else Effect.REMOVE, {})
    changed = {
        each.name: _shown(getattr(before, each.name), getattr(after, each.name))
        for each in fields(before)
        if getattr(before, each.name) != getattr(after, each.name)
    }
    return Difference(kind, change.appid, Effect.CHANGE if changed else Effect.UNCHANGED, changed)


def _shown(before: object, after: object) -> tuple[object, object] | None:
    return None if isinstance(before, Secret | PushCredentials) else (before, after)
