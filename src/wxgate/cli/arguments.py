"""Values given as text, as @file, as - for standard input, in a secret's own file, or at a hidden prompt."""

import sys
from pathlib import Path

import typer

from wxgate.errors import ConfigError


def read_text(value: str) -> str:
    """Read `-` from standard input and `@path` from a file; anything else is the text itself."""
    if value == "-":
        return sys.stdin.read()
    return read_file(Path(value[1:])) if value.startswith("@") else value


def read_secret(name: str, given: str | None, file: Path | None) -> str | None:
    """Read a secret from its option or its file; None when neither was given."""
    if given is not None and file is not None:
        raise ConfigError(f"give either --{name} or --{name}-file, not both")
    if file is not None:
        return read_file(file).strip()
    return read_text(given).strip() if given is not None else None


def ask_secret(name: str, what: str) -> str:
    """Ask for a secret at the terminal without showing it; without a terminal say how to give it."""
    if not sys.stdin.isatty():
        raise ConfigError(
            f"the {what} is missing; give --{name}-file PATH, or --{name} - and the value on standard input"
        )
    return str(typer.prompt(what, hide_input=True)).strip()


def read_file(path: Path) -> str:
    """Read a file of text."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8") from None
