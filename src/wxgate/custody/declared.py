"""A configuration file, read: what it says of platforms, direct accounts and labels, each with its place.

    platforms:
      - appid: wx0123456789abcdef
        name: Acme
        secret: ${ACME_SECRET}
        tokens: [current, previous]
        aes_keys: [file:acme.key]

Every mistake in it is told with line and column, all of them at once. What a secret refers to (`${NAME}`,
`file:path`) is looked up by whoever reads the file.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from wxgate.custody.clients import Labels
from wxgate.custody.credentials import (
    KEPT,
    check_aes_key,
    check_appid,
    check_host,
    check_secret,
    check_tag,
    check_token,
)
from wxgate.errors import BadFile, ConfigError, Mistake
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PushToken

T = TypeVar("T")

Resolve = Callable[[str], str]
"""Looks up what a reference like `${NAME}` or `file:path` stands for; raises ConfigError if it cannot."""

REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+", re.DOTALL)


MOST_ENTRIES = 5000
"""How many entries a file may have: they are changed in one transaction, which others wait for."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says of a platform or a direct account; None and empty mean that it says nothing."""

    appid: str
    line: int
    name: str | None = None
    secret: AppSecret | None = None
    tokens: tuple[PushToken, ...] = ()
    aes_keys: tuple[EncodingAESKey, ...] = ()
    mode: Mode | None = None
    format: Format | None = None
    user_name: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredLabels:
    """What a file says of an account's labels; None means that it says nothing."""

    appid: str
    line: int
    tags: frozenset[str] | None = None
    hosts: frozenset[str] | None = None

    def over(self, before: Labels) -> Labels:
        """Return the labels an account has after this."""
        return Labels(
            before.tags if self.tags is None else self.tags,
            before.hosts if self.hosts is None else self.hosts,
        )


@dataclass(frozen=True, slots=True)
class Declaration:
    """A whole file."""

    name: str
    platforms: tuple[Declared, ...] = ()
    accounts: tuple[Declared, ...] = ()
    labels: tuple[DeclaredLabels, ...] = ()


def read_declaration(text: str, resolve: Resolve, *, name: str = "file") -> Declaration:
    """Read a file; raises BadFile with every mistake in it."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise BadFile(name, [_malformed(error, text)]) from None
    except RecursionError:
        raise BadFile(name, [Mistake(1, 1, "this is nested too deeply")]) from None
    reader = _Reader(resolve)
    sections = dict(reader.mapping(root, SECTIONS)) if root is not None else {}
    found = {
        section: tuple(reader.entries(node, SECTIONS[section], section)) for section, node in sections.items()
    }
    if root is not None and not reader.mistakes and not any(found.values()):
        reader.note(root, f"nothing is declared; there are {', '.join(SECTIONS)}")
    if root is None:
        reader.mistakes.append(Mistake(1, 1, f"the file is empty; there are {', '.join(SECTIONS)}"))
    if reader.mistakes:
        raise BadFile(name, sorted(reader.mistakes, key=lambda each: (each.line, each.column)))
    return Declaration(
        name,
        tuple(Declared(**fields) for fields in found.get("platforms", ())),
        tuple(Declared(**fields) for fields in found.get("accounts", ())),
        tuple(DeclaredLabels(**fields) for fields in found.get("labels", ())),
    )


@dataclass(slots=True)
class _Reader:
    """Walks the nodes of a file and gathers its mistakes."""

    resolve: Resolve
    mistakes: list[Mistake] = field(default_factory=list)
    read: int = 0

    def note(self, node: yaml.Node, message: str) -> None:
        """Note a mistake at a node."""
        self.mistakes.append(Mistake(node.start_mark.line + 1, node.start_mark.column + 1, message))

    def mapping(self, node: yaml.Node, known: Mapping[str, Any]) -> Iterator[tuple[str, yaml.Node]]:
        """Walk the known fields of a mapping."""
        if not isinstance(node, yaml.MappingNode):
            self.note(node, f"a mapping of {', '.join(known)} is expected here")
            return
        seen = set()
        for key, value in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else ""
            if word not in known:
                self.note(key, f"{word or 'this'!r} is not known here; there are {', '.join(known)}")
            elif word in seen:
                self.note(key, f"{word} is given twice")
            else:
                seen.add(word)
                yield word, value

    def entries(
        self, node: yaml.Node, fields: Mapping[str, "_Field"], section: str
    ) -> Iterator[dict[str, Any]]:
        """Walk the entries of a section, each with the values of its fields."""
        if not isinstance(node, yaml.SequenceNode):
            self.note(node, f"{section} is a list; begin each entry with `- appid:`")
            return
        seen: dict[str, int] = {}
        for entry in node.value:
            if self.read == MOST_ENTRIES:
                self.note(entry, f"a file has {MOST_ENTRIES} entries at most; put the rest into another one")
                return
            self.read += 1
            values = {word: fields[word](self, value) for word, value in self.mapping(entry, fields)}
            line = entry.start_mark.line + 1
            appid = values.get("appid")
            if "appid" not in values and isinstance(entry, yaml.MappingNode):
                self.note(entry, "the appid is missing")
            elif appid is not None and appid in seen:
                self.note(entry, f"{appid} was declared in line {seen[appid]} already")
            elif appid is not None:
                seen[appid] = line
                yield {**values, "line": line}

    def text(self, node: yaml.Node) -> str | None:
        """Read one value as it is written."""
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            self.note(node, "one value is expected here")
            return None
        return str(node.value)

    def checked(self, node: yaml.Node, check: Callable[[str], T], *, secret: bool = False) -> T | None:
        """Read one value and check it; a secret may be a reference."""
        text = self.text(node)
        if text is None:
            return None
        try:
            return check(self.resolve(text).strip() if secret and REFERENCE.fullmatch(text) else text)
        except ConfigError as error:
            self.note(node, str(error))
            return None

    def several(
        self, node: yaml.Node, check: Callable[[str], T], *, secret: bool = False, most: int | None = None
    ) -> tuple[T, ...]:
        """Read one value or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if most is not None and not 1 <= len(nodes) <= most:
            self.note(node, f"one or {most} values are expected here, the current one first")
        values = [self.checked(each, check, secret=secret) for each in nodes]
        if len(set(values)) < len(values) and None not in values:
            self.note(node, "the same value stands here twice")
        return tuple(value for value in values if value is not None)


_Field = Callable[[_Reader, yaml.Node], Any]


def _one_of(choices: type[Mode] | type[Format]) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        try:
            return choices(text)
        except ValueError:
            raise ConfigError(f"{text!r} is none of {', '.join(choices)}") from None

    return check


PLATFORM_FIELDS: Mapping[str, _Field] = {
    "appid": lambda reader, node: reader.checked(node, check_appid),
    "name": lambda reader, node: reader.text(node),
    "secret": lambda reader, node: reader.checked(node, check_secret, secret=True),
    "tokens": lambda reader, node: reader.several(node, check_token, secret=True, most=KEPT),
    "aes_keys": lambda reader, node: reader.several(node, check_aes_key, secret=True, most=KEPT),
}

ACCOUNT_FIELDS: Mapping[str, _Field] = {
    **PLATFORM_FIELDS,
    "mode": lambda reader, node: reader.checked(node, _one_of(Mode)),
    "format": lambda reader, node: reader.checked(node, _one_of(Format)),
    "user_name": lambda reader, node: reader.text(node),
}

LABEL_FIELDS: Mapping[str, _Field] = {
    "appid": lambda reader, node: reader.checked(node, check_appid),
    "tags": lambda reader, node: frozenset(reader.several(node, check_tag)),
    "hosts": lambda reader, node: frozenset(reader.several(node, check_host)),
}

SECTIONS: Mapping[str, Mapping[str, _Field]] = {
    "platforms": PLATFORM_FIELDS,
    "accounts": ACCOUNT_FIELDS,
    "labels": LABEL_FIELDS,
}


def _malformed(error: yaml.YAMLError, text: str) -> Mistake:
    """Say where and why a text is no YAML, without quoting it: it may hold secrets."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return Mistake(mark.line + 1, mark.column + 1, f"this is no YAML: {getattr(error, 'problem', '')}")
    before = text[: getattr(error, "position", 0) or 0]
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Mistake(before.count("\n") + 1, column, "this is no YAML: a character that it does not allow")
