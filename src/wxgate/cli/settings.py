"""`wxgate settings`: the table of settings, with where each value comes from."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from wxgate.cli.options import Json
from wxgate.cli.output import emit, stdout, table
from wxgate.events.retention import read_retention
from wxgate.settings import SettingRow, Settings, load_settings, settings_table

ENV_FILE = Path(str(Settings.model_config["env_file"]))


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting with its value here and now, secrets hidden."""

    row: SettingRow
    value: str
    origin: str


def settings(
    as_json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table for the documentation.")
    ] = False,
) -> None:
    """Show every setting: name, value, where it comes from, what it is for.

    [dim]Example:[/dim] WXGATE_PORT=9000 wxgate settings
    """
    if markdown:
        typer.echo("\n".join(_markdown()))
        return
    values = load_settings()
    read_retention(values.retention)
    rows = list(_effective(values))
    if as_json:
        emit([_as_dict(row) for row in rows])
        return
    rendered = table("Variable", "Value", "From", "What it is for")
    for one in rows:
        style = "dim" if one.origin == "default" else "cyan"
        rendered.add_row(one.row.variable, f"[{style}]{one.value or '(empty)'}[/]", one.origin, one.row.help)
    stdout().print(rendered)


def _effective(values: Settings) -> Iterator[Effective]:
    environment = {name.upper() for name in os.environ}
    for row in settings_table():
        if row.variable in environment:
            origin = "environment"
        elif row.name in values.model_fields_set:
            origin = str(ENV_FILE)
        else:
            origin = "default"
        yield Effective(row, shown(getattr(values, row.name)), origin)


def shown(value: Any) -> str:
    """Write a setting's value without a secret in it: a database URL may carry a password."""
    if isinstance(value, SecretStr):
        return "****" if value.get_secret_value() else ""
    text = str(value)
    password = urlsplit(text).password if "://" in text else None
    return text.replace(f":{password}@", ":****@") if password else text


def _as_dict(one: Effective) -> dict[str, object]:
    row = one.row
    default = "" if row.default is None else str(row.default)
    return {
        "name": row.name, "variable": row.variable, "default": default, "value": one.value,
        "origin": one.origin, "secret": row.secret, "help": row.help,
    }  # fmt: skip


def _markdown() -> Iterator[str]:
    yield "| variable | default | what it is for |"
    yield "|---|---|---|"
    for row in settings_table():
        default = f"`{row.default}`" if str(row.default) else ""
        yield f"| `{row.variable}` | {default} | {row.help.replace('|', chr(92) + '|')} |"
