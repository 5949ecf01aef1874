"""Write the generated parts of the reference pages: settings, commands, metrics, events and errors.

`python docs/generate.py` brings the pages up to date; a test compares them with what it would write.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase

from wxgate import errors
from wxgate.cli.main import app
from wxgate.emulator.switches import Switches
from wxgate.protocol.advice import ADVICE
from wxgate.protocol.errcodes import errmsg
from wxgate.protocol.messages import EVENT_TYPES, MESSAGE_TYPES, Event, Message
from wxgate.protocol.pushes import INFO_TYPES, ComponentEvent
from wxgate.protocol.statuses import STATUSES
from wxgate.protocol.wire import paths
from wxgate.server.management.app import openapi
from wxgate.server.metrics import Metrics
from wxgate.settings import settings_table

DOCS = Path(__file__).parent

EXAMPLE = "[dim]Example:[/dim]"
"""What the help of a command puts before its example."""

METAVARS = {str: "TEXT", int: "N", float: "SECONDS", Path: "PATH", list[int]: "N", list[str]: "TEXT"}

PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def settings() -> str:
    """List every setting."""
    rows = (
        (
            f"`{row.variable}`",
            f"`{row.default}`" if str(row.default) else "empty",
            row.help + (" Secret: never shown." if row.secret else ""),
        )
        for row in settings_table()
    )
    return table(("variable", "default", "what it is"), rows)


def commands() -> str:
    """Describe every command with its arguments and options."""
    return "\n\n".join(_describe(path, command) for path, command in walk(typer.main.get_command(app)))


def metrics() -> str:
    """List every metric."""
    collectors = (one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase))
    return table(("metric", "type", "labels", "what it counts"), map(_metric_row, collectors))


def messages() -> str:
    """List the message types."""
    head = ("`MsgType`", "handler name", "class", "fields")
    return table(head, _types(MESSAGE_TYPES, Message))


def events() -> str:
    """List the events of accounts."""
    head = ("`Event`, in any case", "handler name", "class", "fields besides `event` and `key`")
    return table(head, _types(EVENT_TYPES, Event, prefix="event."))


def statuses() -> str:
    """List what the status numbers of events mean."""
    rows = (
        (f"`{event}`", f"`{path}`", str(number), meaning.text, meaning.text_zh)
        for (event, path), known in STATUSES.items()
        for number, meaning in known.items()
    )
    return table(("event", "field", "number", "means", "含义"), rows)


def info_types() -> str:
    """List the events of platforms."""
    head = ("`InfoType`", "handler name", "class", "fields")
    return table(head, _types(INFO_TYPES, ComponentEvent))


def error_classes() -> str:
    """Draw the tree of errors, then describe each class."""
    tree = inspect.getdoc(errors) or ""
    rows = (
        (f"`{kind.__name__}`", f"`{kind.__bases__[0].__name__}`", _first_sentence(kind))
        for kind in error_leaves()
    )
    return f"```text\n{tree.partition(chr(10) * 2)[2]}\n```\n\n" + table(("class", "is a", "means"), rows)


def push_errors() -> str:
    """List how pushes are refused."""
    refusals = [kind for kind in error_leaves() if issubclass(kind, errors.InvalidPush)]
    rows = (
        (
            f"`{kind.__name__}`",
            f"`{kind.reason}`",
            str(kind.status_hint),
            str(kind.code),
            _first_sentence(kind),
        )
        for kind in refusals
    )
    return table(("class", "answer and metric", "HTTP", "WeChat's sample code", "means"), rows)


def errcodes() -> str:
    """List the errcodes that come with advice."""
    rows = (
        (str(code), f"`{errmsg(code)}`" if errmsg(code) else "", advice.cause, advice.action)
        for code, advice in sorted(ADVICE.items())
    )
    return table(("errcode", "WeChat says", "likely cause", "what to do"), rows)


def switches() -> str:
    """List the emulator's switches."""
    rows = (
        (f"`{name}`", f"`{value!r}`", Switches.help()[name]) for name, value in Switches().values().items()
    )
    return table(("switch", "default", "what it says"), rows)


def management() -> str:
    """List the routes of the management API."""
    rows = (
        (f"`{method.upper()} {path}`", route["description"])
        for path, methods in openapi()["paths"].items()
        for method, route in methods.items()
    )
    return table(("request", "what it does"), rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "metrics": metrics,
    "messages": messages,
    "events": events,
    "info_types": info_types,
    "statuses": statuses,
    "error_classes": error_classes,
    "push_errors": push_errors,
    "errcodes": errcodes,
    "switches": switches,
    "management": management,
}
"""What can stand between `generated` marks."""


def error_leaves() -> Iterator[type[errors.GatewayError]]:
    """List every error class, in the order of the file."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError):
            yield kind


def walk(command: Any, path: tuple[str, ...] = ("wxgate",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """List every command that can be run, with its words, in alphabetical order."""
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from walk(command.commands[name], (*path, name))
    elif not command.hidden:
        yield path, command


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def filled(page: str) -> str:
    """Put the generated parts into a page."""
    return PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", page)


def pages() -> list[Path]:
    """List the pages with generated parts."""
    return [page for page in sorted(DOCS.rglob("*.md")) if PART.search(page.read_text("utf-8"))]


def main() -> int:
    """Bring every page up to date and name those that changed."""
    for page in pages():
        before = page.read_text("utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, "utf-8")
            print(f"updated {page.relative_to(DOCS.parent)}")
    return 0


def _describe(path: tuple[str, ...], command: Any) -> str:
    shown = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    usage = " ".join([*path, *map(_usage, arguments), *(["[OPTIONS]"] if options else [])])
    help, _, example = inspect.cleandoc(command.help or "").partition(EXAMPLE)
    blocks = [f"### {' '.join(path)}", help.strip(), f"```text\n{usage}\n```"]
    if shown:
        rows = ((f"`{_signature(one)}`", _default(one), one.help or "") for one in [*arguments, *options])
        blocks.append(table(("argument or option", "default", "what it is"), rows))
    if example:
        blocks.append(f"```sh\n{example.strip()}\n```")
    return "\n\n".join(blocks)


def _usage(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _signature(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name.upper())
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {_metavar(parameter)}"


def _metavar(option: Any) -> str:
    described = option.type_descriptor
    return option.metavar or "|".join(described.choices or ()) or METAVARS[described.annotation]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    told = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    return "" if told is None or told is False else f"`{told}`"


def _metric_row(collector: MetricWrapperBase) -> tuple[str, ...]:
    described = next(iter(collector.describe()))
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in collector._labelnames)
    return f"`{name}`", described.type, labels, described.documentation


def _types(types: Mapping[str, type], base: type, prefix: str = "") -> Iterator[tuple[str, ...]]:
    for name, kind in types.items():
        yield f"`{name}`", f"`{prefix}{name}`", _class(kind), _fields(kind, base)


def _class(kind: type) -> str:
    return f"`{kind.__name__}`: {_first_sentence(kind)}"


def _fields(kind: Any, base: Any) -> str:
    """List a class's fields, each with WeChat's own spelling where that is another."""
    common, wire = {field.name for field in dataclasses.fields(base)}, paths(kind)
    own = [
        _spelled(field.name, wire.get(field.name, ()))
        for field in dataclasses.fields(kind)
        if field.name not in common
    ]
    own += [f"`{name}`" for name, value in vars(kind).items() if isinstance(value, property)]
    return ", ".join(own)


def _spelled(name: str, paths: tuple[str, ...]) -> str:
    theirs = " or ".join(f"`{path}`" for path in paths if path != name)
    return f"`{name}`" + (f" ({theirs})" if theirs else "")


def _first_sentence(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
