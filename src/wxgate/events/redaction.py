"""Taking people's words out of recorded messages: the fields keep their shape, the words become `****`."""

import re
from collections.abc import Mapping
from typing import Any

from wxgate.secret import HIDDEN

WORDS = frozenset({"Content", "Recognition", "Title", "Description", "Label"})
"""The fields of messages and replies that hold what somebody wrote, said, or where they are in words."""

# An element's text is CDATA sections, which nothing but their own end can end, and text without tags.
_WORDS_IN_XML = re.compile(rf"<({'|'.join(sorted(WORDS))})>(?:<!\[CDATA\[.*?\]\]>|[^<]++)*+</\1>", re.DOTALL)
_WORDS_IN_JSON = re.compile(rf'"({"|".join(sorted(w.lower() for w in WORDS))})"(\s*:\s*)"(?:[^"\\]|\\.)*+"')


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Hide the words in a message's fields, at any depth."""
    return {name: _hidden(value) if name in WORDS else _inside(value) for name, value in fields.items()}


def redact_reply(reply: str | None) -> str | None:
    """Hide the words in a reply as XML or JSON."""
    if reply is None:
        return None
    shown = _WORDS_IN_XML.sub(rf"<\1><![CDATA[{HIDDEN}]]></\1>", reply)
    return _WORDS_IN_JSON.sub(rf'"\1"\2"{HIDDEN}"', shown)


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact_fields(value)
    return [_inside(one) for one in value] if isinstance(value, list) else value


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _hidden(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    return HIDDEN if value not in (None, "") else value
