"""Errors that teach: whatever nobody handles is logged once, with the handler to paste."""

import re

import structlog

from wxgate.events.handlers import Handlers
from wxgate.events.notices import Notice
from wxgate.protocol.messages import Event, Message, names
from wxgate.protocol.pushes import ComponentEvent, VerifyTicket

log = structlog.get_logger("wxgate.events")

REMEMBERED = 1000
"""How many names are told once; whoever makes names up cannot fill the memory."""


class Teacher:
    """Tells of each name that nobody handles, once."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._told: set[str] = set()

    def unhandled(self, subject: Message | ComponentEvent | Notice, appid: str) -> None:
        """Log the handler to write, unless there is no handler at all or the name was told before."""
        if not self._handlers or isinstance(subject, VerifyTicket):
            return
        name = subject_names(subject)[0]
        if name in self._told or len(self._told) >= REMEMBERED:
            return
        self._told.add(name)
        log.info("event.unhandled", name=name, appid=appid, hint=lesson(subject))


def subject_names(subject: Message | ComponentEvent | Notice) -> tuple[str, ...]:
    """List the handler names that fit, most specific first."""
    if isinstance(subject, Notice):
        return subject.name, "wxgate"
    return names(subject) if isinstance(subject, Message) else (subject.info_type.lower(), "component")


def lesson(subject: Message | ComponentEvent | Notice) -> str:
    """Write the handler that this message or event lacks."""
    kind = type(subject)
    name = subject_names(subject)[0]
    # What WeChat sends becomes Python here, so only what can be a name of either is let through.
    written = re.sub(r"[^\w.]", "_", name)
    function = "on_" + written.rpartition(".")[2]
    replies = isinstance(subject, Message)
    result = 'return reply.text("…")' if replies else "..."
    arguments = f"message: {kind.__name__}, {'reply: ReplyMaker' if replies else 'account: Account'}"
    what = "event" if isinstance(subject, Event) or not replies else "message"
    return (
        f"nobody handles this {what}; to do so:\n\n"
        f"from wxgate import {'ReplyMaker' if replies else 'Account'}\n"
        f"from {kind.__module__} import {kind.__name__}\n\n"
        f'@gateway.on("{written}")\n'
        f"async def {function}({arguments}):\n"
        f"    {result}\n"
    )
