"""Records as lines of an export: written and read by the types of their fields."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from wxgate.custody.clients import Labels
from wxgate.custody.records import Authorization, DirectAccount, Platform
from wxgate.errors import ConfigError
from wxgate.secret import Secret


@dataclass(frozen=True, slots=True)
class LabelsOf:
    """The labels of one account."""

    appid: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class End:
    """The last line: how many records of each kind came before."""

    counts: Mapping[str, int]


Packed = Platform | DirectAccount | LabelsOf | Authorization | End

KINDS: Mapping[str, type] = {
    "platform": Platform,
    "account": DirectAccount,
    "labels": LabelsOf,
    "authorization": Authorization,
    "end": End,
}

NAMES = {kind: name for name, kind in KINDS.items()}


def pack(record: Packed) -> str:
    """Write a record as a line, secrets and all."""
    return json.dumps({"kind": NAMES[type(record)], **_plain(record)}, ensure_ascii=False)


def unpack(line: str) -> Packed:
    """Read a line; raises ConfigError when it is not of this version's making."""
    try:
        document = json.loads(line)
        kind = KINDS[document.pop("kind")]
        record: Packed = _record(kind, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"a line of the export is not understood ({type(error).__name__})") from None
    return record


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return value.reveal()
        case datetime():
            return value.isoformat()
        case StrEnum():
            return value.value
        case tuple():
            return [_plain(each) for each in value]
        case frozenset():
            return sorted(value)
        case _ if is_dataclass(value):
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value


def _record(kind: Any, document: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    given = {
        each.name: _value(hints[each.name], document[each.name])
        for each in fields(kind)
        if each.name in document or (each.default is MISSING and each.default_factory is MISSING)
    }
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    """Read a value as the type of its field says; anything else is a TypeError or ValueError."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (each for each in get_args(hint) if each is not NoneType)
        return None if value is None else _value(inner, value)
    if get_origin(hint) is tuple or get_origin(hint) is frozenset:
        return get_origin(hint)(_value(get_args(hint)[0], each) for each in value)
    if get_origin(hint) is not None:
        return dict(value)
    if is_dataclass(hint):
        return _record(hint, value)
    if hint is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("an aware moment is expected")
        return moment
    if issubclass(hint, Secret | StrEnum):
        return hint(_value(str, value))
    if not isinstance(value, hint):
        raise TypeError(f"{hint.__name__} is expected")
    return value
