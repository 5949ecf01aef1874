"""What commands print: one JSON document for machines, or text and tables for people."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wxgate.secret import Secret

if TYPE_CHECKING:
    from wxgate.custody.records import KeptToken

SHOWN_OF_A_SECRET = 4
PIPE_WIDTH = 200


@cache
def stdout() -> Console:
    """Return the console for results; lines are never folded, and a pipe gets wide tables."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)


@cache
def stderr() -> Console:
    """Return the console for failures and notes."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def emit(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print one JSON document on one line, and flush: a reader at the other end of a pipe has it now."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def table(*columns: str) -> Table:
    """Make a table in the house's look."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def facts(pairs: Mapping[str, object]) -> Text:
    """Write names and values (which may hold markup) in two columns; no value is folded: it may be copied."""
    width = max(map(cell_len, pairs), default=0)
    lines = []
    for name, value in pairs.items():
        first, *more = str("" if value is None else value).splitlines() or [""]
        lines.append(f"[dim]{name}[/]{' ' * (width - cell_len(name) + 2)}{first}")
        lines += [" " * (width + 2) + line for line in more]
    return Text.from_markup("\n".join(lines))


def mask(secret: Secret | None, reveal: bool = False) -> str:
    """Write a secret in full, or just enough of its end to tell two apart."""
    if not secret:
        return ""
    value = secret.reveal()
    if reveal:
        return value
    return "…" + value[-SHOWN_OF_A_SECRET:] if len(value) > 4 * SHOWN_OF_A_SECRET else "…"


def moment(at: datetime | None) -> str:
    """Write a moment for people, in their own time zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "never"


def duration(span: timedelta) -> str:
    """Write a span in its two largest units: 1 h 50 min."""
    seconds = round(abs(span.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        if seconds >= size:
            parts.append(f"{seconds // size} {name}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def expiry(kept: "KeptToken | None", now: datetime) -> str:
    """Write how long a token is good for."""
    if kept is None:
        return "none yet"
    left = kept.expires_at - now
    return f"good for {duration(left)}" if left > timedelta(0) else f"expired {duration(left)} ago"


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case frozenset() | set():
            return sorted(value)
        case _:
            return str(value)
