"""The small XML of WeChat's pushes and replies: a hardened reader and a safe writer.

The reader is expat with everything refused that a push never has. lxml would be a microsecond faster, but
keeps every element name it ever saw in one global table, and this reader faces unauthenticated senders.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias, Union
from xml.parsers import expat

from wxgate.errors import MalformedPush

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 5_000

Value: TypeAlias = Union[str, "Fields", list["Value"]]
Fields: TypeAlias = dict[str, Value]
Renderable: TypeAlias = str | int | float | Mapping[str, "Renderable"] | Sequence["Renderable"]

_NAME = re.compile(r"[^\W\d][\w.-]*", re.UNICODE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse(
    body: bytes | str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> Fields:
    """Read the contents of the root `<xml>`: text becomes str, nesting a dict, repeated siblings a list.

    Attributes and text beside child elements are dropped, an empty element is "". DTDs, entities, processing
    instructions, encodings other than UTF-8 and anything over the limits raise MalformedPush, the only error.
    """
    raw = _encode(body) if isinstance(body, str) else body
    if len(raw) > max_bytes:
        raise MalformedPush(f"The XML has {len(raw)} bytes, more than the {max_bytes} allowed.")
    if b"\x00" in raw:
        # Expat turns to UTF-16 on a byte order mark, whatever it was told; such text has zero bytes.
        raise MalformedPush("The XML has zero bytes; it is not UTF-8.")
    parser = expat.ParserCreate("utf-8")
    tree = _Tree(max_depth, max_nodes)
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text.append
    parser.XmlDeclHandler = _check_declaration
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise MalformedPush(f"Not well-formed XML: {reason} at line {error.lineno}.") from None
    root = tree.fields.get("xml")
    if root is None:
        raise MalformedPush("The XML's root element is not <xml>.")
    return root if isinstance(root, dict) else {}


def _encode(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise MalformedPush("The XML holds half of a surrogate pair.") from None


class _Tree:
    """Collect expat's calls into nested dicts."""

    __slots__ = ("_max_depth", "_nodes_left", "_parents", "fields", "text")

    def __init__(self, max_depth: int, max_nodes: int) -> None:
        self.fields: Fields = {}
        self.text: list[str] = []
        self._parents: list[Fields] = []
        self._max_depth = max_depth
        self._nodes_left = max_nodes

    def start(self, name: str, attributes: object) -> None:
        self._parents.append(self.fields)
        self._nodes_left -= 1
        if self._nodes_left < 0 or len(self._parents) > self._max_depth:
            raise MalformedPush("The XML has too many or too deeply nested elements.")
        self.fields = {}
        self.text.clear()

    def end(self, name: str) -> None:
        value: Value = self.fields or "".join(self.text)
        self.text.clear()
        fields = self.fields = self._parents.pop()
        if name not in fields:
            fields[name] = value
            return
        siblings = fields[name]
        if isinstance(siblings, list):
            siblings.append(value)
        else:
            fields[name] = [siblings, value]


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding and encoding.lower() not in ("utf-8", "utf8"):
        raise MalformedPush("The XML declares an encoding that is not UTF-8.")


def _refuse_doctype(*_: object) -> NoReturn:
    raise MalformedPush("The XML has a DOCTYPE; WeChat never sends one.")


def _refuse_instruction(*_: object) -> NoReturn:
    raise MalformedPush("The XML has a processing instruction; WeChat never sends one.")


def render(fields: Mapping[str, Renderable]) -> str:
    """Write `<xml>`: strings in CDATA, numbers bare, a list as repeated elements.

    Characters that XML 1.0 cannot carry (most control characters, half surrogates) are left out: WeChat would
    call the whole document broken, and the user would see a fault for a character that nobody can see.
    """
    return "<xml>" + "".join(_element(name, value) for name, value in fields.items()) + "</xml>"


def is_name(text: str) -> bool:
    """Tell whether a text can name an element."""
    return _NAME.fullmatch(text) is not None


def clean(text: str) -> str:
    """Drop the characters that XML 1.0 cannot carry."""
    return _FORBIDDEN.sub("", text)


def cdata(text: str) -> str:
    """Wrap text in CDATA so that no text can end it."""
    return "<![CDATA[" + clean(text).replace("]]>", "]]]]><![CDATA[>") + "]]>"


def _element(name: str, value: Renderable) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_element(name, item) for item in value)
    if not is_name(name):
        raise ValueError(f"{name!r} is not an element name")
    if isinstance(value, str):
        content = cdata(value)
    elif isinstance(value, Mapping):
        content = "".join(_element(child, item) for child, item in value.items())
    else:
        content = str(value)
    return f"<{name}>{content}</{name}>"
