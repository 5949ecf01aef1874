"""Commands that work on the database open a node for the time of one coroutine."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wxgate.logs import configure_logs
from wxgate.settings import Settings, load_settings

if TYPE_CHECKING:
    from wxgate.server.node import Node

T = TypeVar("T")


def with_node(
    work: Callable[["Node"], Awaitable[T]], *, database_url: str | None = None, key_file: Path | None = None
) -> T:
    """Open a node, do the work and close it again."""
    settings = load_settings(database_url=database_url, key_file=key_file)
    quiet(settings)
    return asyncio.run(_work(work, settings))


def quiet(settings: Settings) -> None:
    """Set up logs for a short command: what an operator did not ask for is not said."""
    level = "warning" if settings.log_level == "info" else settings.log_level
    configure_logs(level, settings.log_format)


async def _work(work: Callable[["Node"], Awaitable[T]], settings: Settings) -> T:
    from wxgate.server.node import Node

    async with await Node.open(settings) as node:
        return await work(node)
