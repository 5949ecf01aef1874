"""What the commands of `wxgate login` share: options, spans of time, and how a realm is found."""

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from wxgate.errors import ConfigError
from wxgate.login.records import SessionLimits

if TYPE_CHECKING:
    from wxgate.server.node import Node

TELLING_SECONDS = 15.0
"""How long a command waits for applications that do not answer."""

NOT_TOLD = "an application did not answer and was not told; it hears of it when it next uses a token"

_SPAN = re.compile(r"([0-9]{1,6})\s*(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do it although it cannot be undone.")]

RealmOption: TypeAlias = Annotated[
    str | None, typer.Option("--realm", help="The realm.", show_default="the only one")
]

Idle: TypeAlias = Annotated[
    str | None,
    typer.Option("--idle", metavar="SPAN", help="How long a session lives unused, such as 7d or 12h."),
]
Absolute: TypeAlias = Annotated[
    str | None,
    typer.Option("--absolute", metavar="SPAN", help="How long it lives at most, such as 30d."),
]
Recheck: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--recheck", metavar="SPAN", help="In WeChat: after how long it is silently asked again, such as 4h."
    ),
]


def read_span(option: str, text: str) -> timedelta:
    """Read a span of time."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{option} {text}: write a span of time such as 30min, 12h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read_limits(
    before: SessionLimits, idle: str | None, absolute: str | None, recheck: str | None
) -> SessionLimits | None:
    """Put what is given over what there is; None where nothing is given."""
    if idle is None and absolute is None and recheck is None:
        return None
    return SessionLimits(
        idle=before.idle if idle is None else read_span("--idle", idle),
        absolute=before.absolute if absolute is None else read_span("--absolute", absolute),
        recheck_after=before.recheck_after if recheck is None else read_span("--recheck", recheck),
    )


async def tell_applications(node: "Node") -> bool:
    """Tell applications of the sessions that this command has ended; False where one did not answer."""
    try:
        async with asyncio.timeout(TELLING_SECONDS):
            await node.login.settle()
    except TimeoutError:
        return False
    return True


async def realm_or_only(node: "Node", name: str | None) -> str:
    """Return the realm that was named, or the only one there is."""
    if name is not None:
        return (await node.login.configuration.require_realm(name)).name
    match await node.login.configuration.realms():
        case [only]:
            return only.name
        case []:
            raise ConfigError("no realm yet; `wxgate login app add` makes one with its first app")
        case several:
            raise ConfigError(f"say which realm with --realm: {', '.join(one.name for one in several)}")
