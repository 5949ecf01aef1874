"""`wxgate migrate`: the database's schema, brought up to date or only looked at."""

import asyncio
from typing import Annotated

import typer

from wxgate.cli.opening import quiet
from wxgate.cli.options import DatabaseUrl, Json
from wxgate.cli.output import emit, stdout
from wxgate.settings import load_settings


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if the schema is behind.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Bring the database's schema up to date. The server does so itself at every start.

    [dim]Example:[/dim] wxgate migrate --check
    """
    settings = load_settings(database_url=database_url)
    quiet(settings)
    before, newest = asyncio.run(_migrate(settings.database_url, check))
    behind = before != newest
    if as_json:
        emit({"up_to_date": not (behind and check), "was": before, "newest": newest})
    elif not behind:
        stdout().print(f"the schema is up to date ({newest})")
    elif check:
        stdout().print(
            f"the schema is at {before or 'nothing'}, the newest is {newest}; run `wxgate migrate`"
        )
    else:
        stdout().print(f"the schema went from {before or 'nothing'} to {newest}")
    if check and behind:
        raise typer.Exit(1)


async def _migrate(database_url: str, check: bool) -> tuple[str | None, str | None]:
    from wxgate.store.database import read_url
    from wxgate.store.schema import revisions, upgrade

    url = read_url(database_url)
    before, newest = await revisions(url)
    if before != newest and not check:
        await upgrade(url)
    return before, newest
