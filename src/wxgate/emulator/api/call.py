"""One call to the API, as it arrives and as the log keeps it."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from wxgate.emulator.world import refusal
from wxgate.emulator.world.tokens import IssuedToken

Json = dict[str, Any]

_MASKED = ("access_token", "component_access_token", "secret", "appsecret", "refresh_token")
_KEPT = 10_000


@dataclass(slots=True)
class Call:
    """A request, who made it, and what was answered."""

    n: int
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    content_type: str
    ip: str
    log: "CallLog"
    data: Json = field(default_factory=dict)
    token: IssuedToken | None = None
    platform: str | None = None
    appid: str | None = None
    status: int | None = None
    answer: Json | None = None
    rid: str | None = None
    fault: str | None = None
    ended_at: float | None = None

    @property
    def issued(self) -> IssuedToken:
        """Return the token, on paths where the gate has checked one."""
        assert self.token is not None
        return self.token

    def read_body(self) -> None:
        """Read the JSON of a POST; raises 44002 for nothing at all and 47001 for anything but an object."""
        if not self.body:
            raise refusal(44002)
        if self.content_type.startswith("multipart/"):
            return
        try:
            data = json.loads(self.body.decode("utf-8"), strict=False)
        except (ValueError, RecursionError):
            raise refusal(47001) from None
        if not isinstance(data, dict):
            raise refusal(47001)
        self.data = data

    def text(self, name: str) -> str:
        """Return a field of the body as text, "" when it is absent or something else."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def as_json(self) -> Json:
        """Return the call as the control plane shows it; of a secret only its end."""
        return {
            "n": self.n,
            "at": self.at,
            "ended_at": self.ended_at,
            "method": self.method,
            "path": self.path,
            "query": {name: _mask(value) if name in _MASKED else value for name, value in self.query.items()},
            "body": self.data or self.body.decode("utf-8", "replace")[:4096],
            "token_kind": self.token.origin if self.token else None,
            "platform": self.platform,
            "appid": self.appid,
            "ip": self.ip,
            "status": self.status,
            "answer": self.answer,
            "errcode": (self.answer or {}).get("errcode", 0),
            "rid": self.rid,
            "fault": self.fault,
        }


class CallLog:
    """The latest calls; `kept` says how many, None for all of them."""

    def __init__(self, kept: int | None = _KEPT) -> None:
        self._kept = kept
        self.clear()

    def clear(self) -> None:
        """Begin a new log."""
        self._calls: deque[Call] = deque(maxlen=self._kept)
        self._numbers = count(1)

    def keep(self, kept: int | None) -> None:
        """Keep so many calls from now on, None for all of them."""
        self._kept = kept
        self._calls = deque(self._calls, maxlen=kept)

    def open(
        self, *, at: float, method: str, path: str, query: Mapping[str, str], body: bytes, **more: str
    ) -> Call:
        """Enter a call that has just arrived."""
        call = Call(
            next(self._numbers),
            at,
            method,
            path,
            query,
            body,
            more.get("content_type", ""),
            more.get("ip", ""),
            self,
        )
        self._calls.append(call)
        return call

    @property
    def newest(self) -> int:
        """Return the number of the latest call, 0 while there is none."""
        return self._calls[-1].n if self._calls else 0

    def find(self, *, path: str | None = None, since: int = 0) -> list[Call]:
        """Return the calls after a number, to paths that begin like this one."""
        return [each for each in self._calls if each.n > since and each.path.startswith(path or "")]

    def by_rid(self, rid: str) -> Call | None:
        """Return the call that was answered with a rid."""
        return next((each for each in self._calls if each.rid == rid), None)


def _mask(value: str) -> str:
    return f"****{value[-6:]}"
