"""What the checker judges by: WeChat's own log, the rows of the database, and what was done to the nodes.

Secrets appear as fingerprints. A key is (issuer, account): a platform acting for an account, the platform
itself (twice the same appid), or an account by its own secret ("direct").
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from wxgate.custody.vault import KeyRing, Vault
from wxgate.emulator.api.call import Call
from wxgate.emulator.app import Emulator
from wxgate.emulator.pushes import Push
from wxgate.emulator.world.tokens import IssuedToken, Origin

Key: TypeAlias = tuple[str, str]

COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"
QUERY_AUTH = "/cgi-bin/component/api_query_auth"
DIRECT_TOKENS = ("/cgi-bin/stable_token", "/cgi-bin/token")

_TOKEN_FIELDS = ("component_access_token", "authorizer_access_token", "access_token")


def fingerprint(value: str) -> str:
    """Name a secret without keeping it."""
    return sha256(value.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that WeChat gave out in an answer."""

    key: Key
    token: str
    lifetime: float


@dataclass(frozen=True, slots=True)
class CallSeen:
    """One call as WeChat saw it; times are the emulator's."""

    n: int
    at: float
    ended_at: float
    node: str
    path: str
    errcode: int = 0
    struck: bool = False
    used: str | None = None
    owner: Key | None = None
    meant: Key | None = None
    issued: Issued | None = None
    refresh_used: tuple[Key, str] | None = None
    refresh_given: tuple[Key, str] | None = None


@dataclass(frozen=True, slots=True)
class PushSeen:
    """One push as WeChat sent it; `tried` are the moments of its attempts."""

    id: str
    kind: str
    issuer: str
    appid: str
    tried: Sequence[float]
    acknowledged: bool
    plain: str

    def element(self, name: str) -> str:
        """Return the text of an element of the plaintext, "" when there is none."""
        found = re.search(rf"<{name}>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</{name}>", self.plain, re.DOTALL)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something done to one node, or to all (None), from one moment to another."""

    kind: str
    node: str | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """One recorded push."""

    dedup_key: str
    issuer: str
    appid: str
    name: str
    openid: str
    msg_id: str | None
    event_key: str
    state: str


@dataclass(frozen=True, slots=True)
class AuthorizationRow:
    """How an authorization stands with us."""

    state: str
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class Probe:
    """A call on behalf of an account through one node after the faults had stopped."""

    node: str
    key: Key
    worked: bool
    seen: str = ""


@dataclass(slots=True)
class Evidence:
    """Everything there is to judge by."""

    calls: list[CallSeen] = field(default_factory=list)
    pushes: list[PushSeen] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    live: dict[Key, str] = field(default_factory=dict)
    """WeChat's authorizations at the end, with the refresh token that is valid there."""
    tickets: list[tuple[str, str, str]] = field(default_factory=list)
    """Rows: platform, the name the row carries, and the fingerprint of what opens from it."""
    events: list[EventRow] = field(default_factory=list)
    authorizations: dict[Key, AuthorizationRow] = field(default_factory=dict)
    refresh_history: list[tuple[Key, str]] = field(default_factory=list)
    tokens: list[tuple[Key, str]] = field(default_factory=list)
    owners: dict[str, Key] = field(default_factory=dict)
    """Whose each access token is that WeChat ever issued."""
    refresh_owners: dict[str, set[Key]] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What went wrong with the run itself: a node that does not come back, work that does not end."""


def owner_of(token: IssuedToken) -> Key:
    """Say whose token it is in WeChat's books."""
    if token.origin in (Origin.DIRECT, Origin.STABLE):
        return "direct", token.appid
    return str(token.platform), token.appid


def read_log(emulator: Emulator, nodes: Mapping[str, str], evidence: Evidence) -> None:
    """Read WeChat's side: calls, pushes, authorizations.

    `nodes` names the nodes by the address that they call from.
    """
    calls = emulator.calls.find()
    if calls and calls[0].n != 1:
        raise RuntimeError("the emulator's log has lost its beginning; keep(None) before the run")
    now = emulator.world.clock.now()
    for call in calls:
        seen = _seen(call, emulator, nodes, now)
        evidence.calls.append(seen)
        if seen.issued:
            evidence.owners[seen.issued.token] = seen.issued.key
        if seen.refresh_given:
            key, token = seen.refresh_given
            evidence.refresh_owners.setdefault(token, set()).add(key)
    evidence.pushes.extend(map(_pushed, emulator.pusher.log))
    for authorization in emulator.world.authorizations.all():
        key = authorization.platform, authorization.appid
        evidence.live[key] = fingerprint(authorization.refresh_token)
        for value in (authorization.refresh_token, *authorization.retired):
            evidence.refresh_owners.setdefault(fingerprint(value), set()).add(key)


def _seen(call: Call, emulator: Emulator, nodes: Mapping[str, str], now: float) -> CallSeen:
    value = call.query.get("component_access_token") or call.query.get("access_token")
    known = emulator.world.tokens.get(value) if value else None
    answer = call.answer or {}
    pair = _pair(call)
    given, sent = answer.get("authorizer_refresh_token"), call.text("authorizer_refresh_token")
    given = given or answer.get("authorization_info", {}).get("authorizer_refresh_token")
    meant = call.query.get("meant", "").split("/")
    return CallSeen(
        n=call.n,
        at=call.at,
        ended_at=now if call.ended_at is None else call.ended_at,
        node=nodes.get(call.ip, call.ip),
        path=call.path,
        errcode=answer.get("errcode", 0),
        struck=call.fault is not None,
        used=fingerprint(value) if value else None,
        owner=owner_of(known) if known else None,
        meant=(meant[0], meant[1]) if len(meant) == 2 else None,
        issued=_issued(call, answer, pair),
        refresh_used=(_named(call), fingerprint(sent)) if sent else None,
        refresh_given=(pair, fingerprint(given)) if given else None,
    )


def _pair(call: Call) -> Key:
    if call.path == COMPONENT_TOKEN:
        return str(call.platform), str(call.platform)
    if call.path in DIRECT_TOKENS:
        return "direct", str(call.appid)
    return str(call.platform), str(call.appid)


def _named(call: Call) -> Key:
    """Return the pair that a body names; a call that was refused has no other."""
    return call.text("component_appid"), call.text("authorizer_appid")


def _issued(call: Call, answer: Mapping[str, Any], pair: Key) -> Issued | None:
    if call.path not in (COMPONENT_TOKEN, AUTHORIZER_TOKEN, QUERY_AUTH, *DIRECT_TOKENS):
        return None
    body = answer.get("authorization_info", answer)
    value = next((body[name] for name in _TOKEN_FIELDS if name in body), None)
    return Issued(pair, fingerprint(value), float(body["expires_in"])) if value else None


def _pushed(push: Push) -> PushSeen:
    return PushSeen(
        id=push.id,
        kind=push.kind,
        issuer=push.receiver.sender,
        appid=push.appid or "",
        tried=[attempt.at for attempt in push.attempts],
        acknowledged=any(attempt.outcome.well for attempt in push.attempts),
        plain=push.plain,
    )


class Rows:
    """Reads the database by SQL alone, and opens sealed columns with the key file."""

    def __init__(self, url: str, key_file: Path) -> None:
        url = url.replace("sqlite://", "sqlite+aiosqlite://", 1)
        # No pool: the database is stopped under it, over and over.
        self._engine = create_async_engine(url, poolclass=NullPool)
        self._key_file = key_file

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def count(self, table: str, where: str) -> int:
        """Count rows."""
        async with self._engine.connect() as connection:
            found = await connection.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}"))
        return int(found or 0)

    async def read(self, evidence: Evidence) -> None:
        """Read our side."""
        vault = Vault(KeyRing.parse(self._key_file.read_text().strip()))

        def opened(sealed: bytes | None, *place: str) -> str | None:
            return None if sealed is None else fingerprint(vault.open(bytes(sealed), "/".join(place)))

        async with self._engine.connect() as connection:
            for platform, name, sealed in await _all(
                connection, "SELECT platform, fingerprint, ticket FROM tickets"
            ):
                value = opened(sealed, "tickets", "ticket", platform, name)
                evidence.tickets.append((platform, name, value or ""))
            for platform, appid, state, sealed in await _all(
                connection, "SELECT platform, appid, state, refresh_token FROM authorizations"
            ):
                value = opened(sealed, "authorizations", "refresh_token", platform, appid)
                evidence.authorizations[platform, appid] = AuthorizationRow(state, value)
            for platform, appid, name in await _all(
                connection, "SELECT platform, appid, fingerprint FROM refresh_token_changes"
            ):
                evidence.refresh_history.append(((platform, appid), name))
            for issuer, account, kind, sealed in await _all(
                connection, "SELECT issuer, account, kind, token FROM tokens WHERE token IS NOT NULL"
            ):
                value = opened(sealed, "tokens", "token", issuer, account, kind)
                if kind in ("component", "authorizer", "direct"):
                    evidence.tokens.append(((issuer, account), value or ""))
            await _read_events(connection, evidence)


async def _read_events(connection: AsyncConnection, evidence: Evidence) -> None:
    columns = "dedup_key, issuer, appid, name, openid, msg_id, CAST(fields AS VARCHAR), state"
    for row in await _all(connection, f"SELECT {columns} FROM events"):
        key = re.search(r'"EventKey": ?"(.*?)"', row[6])
        name, issuer, appid, kind, openid, msg_id, _, state = row
        evidence.events.append(
            EventRow(name, issuer, appid, kind, openid, msg_id, key[1] if key else "", state)
        )


async def _all(connection: AsyncConnection, sql: str) -> Sequence[Any]:
    return (await connection.execute(text(sql))).all()
