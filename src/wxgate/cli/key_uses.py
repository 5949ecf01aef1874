"""How commands show when push tokens and AES keys were last seen in use."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from wxgate.cli.output import duration

if TYPE_CHECKING:
    from datetime import datetime

    from wxgate.custody.key_uses import Seen
    from wxgate.custody.records import DirectAccount, Platform
    from wxgate.server.node import Node
    from wxgate.server.overview import KeysInUse

PLACES = ("current", "previous")


async def keys_for_people(node: "Node", receiver: "Platform | DirectAccount") -> dict[str, object]:
    """Give one line for each kind of key, with the advice under it."""
    from wxgate.custody.key_advice import NAMES

    keys, now = await _load(node, receiver), node.clock.now()
    shown = dict[str, object]()
    for kind, (name, _) in NAMES.items():
        lines = [_line(one, now) for one in keys.seen if one.kind is kind]
        lines += [f"{one.text} / {one.text_zh}" for one in keys.advice if one.kind is kind]
        if lines:
            shown[f"push {name}"] = "\n".join(lines)
    return shown


async def keys_document(node: "Node", receiver: "Platform | DirectAccount") -> dict[str, object]:
    """Describe the keys for machines."""
    keys = await _load(node, receiver)
    return {
        "seen": [asdict(one) for one in keys.seen],
        "advice": [asdict(one) for one in keys.advice],
    }


async def _load(node: "Node", receiver: "Platform | DirectAccount") -> "KeysInUse":
    from wxgate.server.overview import keys_in_use

    return await keys_in_use(node, receiver)


def _line(seen: "Seen", now: "datetime") -> str:
    if seen.last_seen_at is None:
        return f"{PLACES[min(seen.place, 1)]}: never seen in use"
    return f"{PLACES[min(seen.place, 1)]}: last seen {duration(now - seen.last_seen_at)} ago"
