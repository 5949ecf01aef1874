"""One request to the API, and its answer, without a framework in between."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from wxgate.errors import BadRequest, MalformedPush, PushTooLarge
from wxgate.server.asgi import Receive, Scope, Send, header, read_body

BODY_LIMIT = 16 * 1024

WAIT_MOST = 60
"""The longest ?wait=, in seconds: proxies cut longer silences."""

_APPID = re.compile(r"[A-Za-z0-9_-]{1,64}")

PRIVATE = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(slots=True)
class Asked:
    """A request for one appid; `issuer` is filled in when it is known, for the audit log."""

    scope: Scope
    receive: Receive
    subject: str
    ip: str
    issuer: str = ""
    _query: Mapping[str, str] | None = None

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query; given twice, it is not understood."""
        raw: bytes = self.scope["query_string"]
        if not raw:
            return None
        if self._query is None:
            self._query = read_query(raw)
        return self._query.get(name)

    def issuer_asked(self) -> str | None:
        """Return the issuer that was asked for."""
        asked = self.parameter("issuer")
        return None if asked is None else check_appid(asked, "issuer")

    def wait(self) -> int:
        """Return for how many seconds the caller would wait for a change."""
        text = self.parameter("wait")
        if text is None:
            return 0
        if not text.isascii() or not text.isdigit() or int(text[:4]) > WAIT_MOST:
            raise BadRequest(f"wait is a number of seconds up to {WAIT_MOST}")
        return int(text)

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name."""
        value = header(self.scope, name)
        return None if value is None else value.decode("latin-1")

    def bearer(self) -> str | None:
        """Return what follows `Bearer` in the Authorization header."""
        kind, _, value = (self.header(b"authorization") or "").partition(" ")
        return value.strip() if kind.lower() == "bearer" else None

    async def json(self) -> dict[str, Any]:
        """Read the body as a JSON object."""
        try:
            body = await read_body(self.scope, self.receive, BODY_LIMIT)
        except PushTooLarge as error:
            raise BadRequest(str(error), status=413) from None
        except MalformedPush as error:
            raise BadRequest(str(error)) from None
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise BadRequest("the body must be a JSON object")
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, as JSON; `outcome` is the word it is counted and audited under."""

    body: bytes = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 200
    outcome: str = "ok"

    @classmethod
    def of(
        cls,
        document: Mapping[str, Any],
        headers: list[tuple[bytes, bytes]] | None = None,
        *,
        outcome: str = "ok",
    ) -> Self:
        """Make the answer of a document."""
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(body, headers or [], outcome=outcome)


def check_appid(text: str, name: str = "appid") -> str:
    """Return what can be an appid, or raise BadRequest."""
    if not _APPID.fullmatch(text):
        raise BadRequest(f"this cannot be an {name}")
    return text


async def send_json(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send an answer that nobody on the way may keep."""
    head = [*PRIVATE, *headers]
    if status != 304:
        head.append((b"content-type", b"application/json; charset=utf-8"))
        head.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def read_query(raw: bytes, repeated: frozenset[str] = frozenset()) -> Mapping[str, str]:
    """Read a query; a parameter given twice is not understood, but for those that may be repeated."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise BadRequest("the query is not understood") from None
    query = dict(pairs)
    if len(query) != len([name for name, _ in pairs if name not in repeated]) + len(repeated & query.keys()):
        raise BadRequest("a parameter is given twice")
    return query
