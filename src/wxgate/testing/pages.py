"""What a browser keeps of an answer: where it came from, its text, its forms and links."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit


@dataclass
class Form:
    """A form: where it goes and what it sends, without the button that is pressed."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """One answer that a browser got; `hops` are the addresses that led to it, this one the last."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hops: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        """The query of the page's address."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def forms(self) -> list[Form]:
        """The forms of the page, with absolute addresses."""
        return self._read().forms

    @property
    def form(self) -> Form:
        """The only form of the page."""
        [form] = self.forms
        return form

    @property
    def links(self) -> list[str]:
        """The addresses of the page's links."""
        return self._read().links

    @property
    def words(self) -> str:
        """What can be read on the page, without its scripts and styles."""
        return " ".join("".join(self._read().words).split())

    def came_by(self, path: str) -> bool:
        """Tell whether one of the addresses on the way here has this path."""
        return any(urlsplit(hop).path == path for hop in self.hops)

    def _read(self) -> "_Reader":
        reader = _Reader(urldefrag(self.url).url)
        reader.feed(self.text)
        return reader


class _Reader(HTMLParser):
    """Reads a page as far as a person without scripts can use it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._unseen = 0
        self._select: str | None = None
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._unseen += 1
        elif tag == "a" and "href" in given:
            self.links.append(urljoin(self._url, given["href"]))
        elif tag == "form":
            method = given.get("method", "get").upper()
            self._open = Form(urljoin(self._url, given.get("action", "")), method)
            self.forms.append(self._open)
        elif self._open is not None:
            self._control(self._open, tag, given)

    def _control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, value, kind = given.get("name", ""), given.get("value", ""), given.get("type", "")
        if tag == "button" or kind in ("submit", "image"):
            if tag == "input" or kind in ("", "submit"):
                form.buttons.append((name, value))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            chosen = any(each == self._select for each, _ in form.fields)
            if "selected" in given or not chosen:
                form.fields = [pair for pair in form.fields if pair[0] != self._select]
                form.fields.append((self._select, value))
        elif name and tag in ("input", "textarea") and _sends(kind, given):
            form.fields.append((name, value or ("on" if kind == "checkbox" else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._unseen -= 1
        elif tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(f"{data} ")


def _sends(kind: str, given: Mapping[str, str]) -> bool:
    """Tell whether an input is sent: a box or a choice only when it is ticked."""
    return kind not in ("button", "reset") and (kind not in ("checkbox", "radio") or "checked" in given)
