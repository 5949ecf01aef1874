"""Logs: event names with fields; secrets are hidden, and no text is too odd to be written."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from wxgate.secret import HIDDEN, encodable, hide

SECRET_FIELDS = re.compile(
    r"(?:^|_)(?:secret|token|ticket|password|auth_?code|pre_?auth_?code|code|aes_?key|encoding_?aes_?key|session_key)$",
    re.IGNORECASE,
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secret fields by name and secret values by form."""
    for name, value in event.items():
        if SECRET_FIELDS.search(name) and isinstance(value, str):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = hide(value)
    return event


def unfold(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show a hint of several lines below its line, as it is to be pasted."""
    if "\n" in str(event.get("hint", "")):
        event["stack"] = event.pop("hint")
    return event


def write_safely(_logger: Any, _method: str, line: Any) -> str:
    """Let no rendered line fail at the stream."""
    return encodable(line)


class _RedactingFormatter(logging.Formatter):
    """Plain log records of libraries pass the same filter."""

    def format(self, record: logging.LogRecord) -> str:
        return hide(super().format(record))


def configure_logs(level: str = "info", form: Literal["text", "json"] = "text") -> None:
    """Set up logging for a server or a command; a library's user keeps their own set-up."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            *([unfold] if form == "text" else []),
            renderer,
            write_safely,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Migrations tell of every plugin they load; only their troubles are news.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # At debug it writes every statement with its values: what people wrote, and what applications keep here.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
