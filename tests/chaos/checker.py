"""The independent checker: from WeChat's log and the database's rows it says what was violated.

It knows nothing of how the gateway works, only what it promises:

1. nothing acknowledged is lost: tickets, events, refresh tokens;
2. a token that is good and known is not fetched anew;
3. a token of one issuer is never used for another;
4. when the faults stop, every account can be used again through every node.

For the second: WeChat gave out token i, and later token r of the same key by a renewal. That is justified
when i was due, when WeChat refused i, when the merchant's doing ended i, or when i may never have been
written: its call was struck by a fault, or its node, network, database or clock was disturbed between the
moment it was asked for and `WRITTEN_WITHIN` after it was given.

While i is still under way its node holds the lease. Death and a lost database do not end a lease before its
time, so there only what tells the node that its call has failed, or moves a clock, is an excuse.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from tests.chaos.evidence import QUERY_AUTH, CallSeen, Disturbance, EventRow, Evidence, Key, PushSeen

REFUSED = {40001, 40014, 42001, 42006}

DUE_PART = 0.25
"""Renewal may begin in the last quarter of a token's life."""

WRITTEN_WITHIN = 4.0
"""Seconds in which an answer that was received is committed, on a busy machine."""

LEASE_SECONDS = 15.0
"""How long a lease lasts at most, unless it is given back."""

UNDER_WAY = 0.08
"""Seconds from WeChat's answer until anybody else can have learned of it and be heard by WeChat: the way
there and back, see WECHAT_LATENCY."""

FREES_LEASE = ("clock", "pause", "wechat")
"""Disturbances after which another may begin while the first call is under way."""

MERCHANT_PUSHES = {"authorized", "updateauthorized", "unauthorized"}

MERCHANT_WITHIN = 90.0
"""How long after its push a change by the merchant may still drop a token: exchanges are retried."""

KEPT_SECONDS = 86_400
"""Tickets are pruned after a day."""


@dataclass(slots=True)
class Verdict:
    """What was violated, and how much was looked at."""

    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def check(evidence: Evidence) -> Verdict:
    """Judge."""
    verdict = Verdict()
    parts = (_tickets, _events, _refresh_tokens, _renewals, _issuers, _usable)
    for part in parts:
        verdict.violations.extend(part(evidence, verdict.counts))
    verdict.counts["calls"] = len(evidence.calls)
    verdict.counts["pushes"] = len(evidence.pushes)
    verdict.counts["pushes acknowledged"] = sum(push.acknowledged for push in evidence.pushes)
    verdict.violations.extend(evidence.troubles)
    return verdict


# 1. Nothing acknowledged is lost


def _tickets(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    rows = {(platform, value) for platform, name, value in evidence.tickets if name == value}
    newest: dict[str, PushSeen] = {}
    for push in _acknowledged(evidence, {"ticket"}):
        counts["tickets acknowledged"] += 1
        known = newest.get(push.issuer)
        if known is None or _created(push) >= _created(known):
            newest[push.issuer] = push
    horizon = max(map(_created, newest.values()), default=0) - KEPT_SECONDS
    for push in _acknowledged(evidence, {"ticket"}):
        value = push.element("ComponentVerifyTicket")
        kept = (push.issuer, sha256(value.encode()).hexdigest()) in rows
        if not kept and (_created(push) > horizon or push is newest[push.issuer]):
            yield f"the ticket of {push.id} to {push.issuer} was acknowledged and is not in the database"


def _events(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    components = {row.dedup_key for row in evidence.events}
    messages = {_name(row) for row in evidence.events}
    for push in evidence.pushes:
        if not push.acknowledged:
            continue
        counts["events acknowledged"] += 1
        if push.kind in ("message", "event"):
            mark = push.element("MsgId") or push.element("EventKey")
            kept = (push.issuer, push.appid, push.element("FromUserName"), mark) in messages
        else:
            plain = b"component\0" + push.issuer.encode() + b"\0" + push.plain.encode()
            kept = sha256(plain).hexdigest() in components
        if not kept:
            yield f"{push.kind} {push.id} to {push.issuer} was acknowledged and is not in the database"
    for row in evidence.events:
        if row.state == "handling":
            yield f"event {row.name} of {row.appid} to {row.issuer} was recorded and never seen through"


def _name(row: EventRow) -> tuple[str, str, str, str]:
    return row.issuer, row.appid, row.openid, row.msg_id or row.event_key


def _refresh_tokens(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    for key, current in evidence.live.items():
        counts["authorizations compared"] += 1
        row = evidence.authorizations.get(key)
        if row is None or row.refresh_token is None:
            yield f"{_pair(key)} is authorised, and the database holds no refresh token"
        elif row.refresh_token != current:
            yield f"{_pair(key)}: the refresh token in the database is not the one that WeChat honours"
        elif row.state != "active":
            yield f"{_pair(key)} is authorised, and the database says {row.state}"
    for key, row in evidence.authorizations.items():
        last = max(_of(evidence, key), key=_created, default=None)
        gone = key not in evidence.live and last and last.kind == "unauthorized" and last.acknowledged
        if gone and (row.state != "revoked" or row.refresh_token is not None):
            yield f"{_pair(key)} took its authorization back, and the database says {row.state}"


# 2. A token that is good and known is not fetched anew


def _renewals(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    by_key: defaultdict[Key, list[CallSeen]] = defaultdict(list)
    refused = defaultdict(list)
    for call in evidence.calls:
        if call.issued is not None:
            by_key[call.issued.key].append(call)
        if call.errcode in REFUSED and call.used is not None:
            refused[call.used].append(call)
    for key, calls in by_key.items():
        calls.sort(key=lambda call: call.at)
        for before, call in zip([None, *calls], calls, strict=False):
            if call.path == QUERY_AUTH:
                counts["exchanges"] += 1
                continue
            counts["renewals"] += 1
            if before is None:
                counts["renewals: first"] += 1
                continue
            if (why := _justification(evidence, before, call, refused)) is None:
                yield (
                    f"{_pair(key)} was renewed by {call.node} at {call.at:.3f} (call {call.n}), though the "
                    f"token given to {before.node} at {before.at:.3f} (call {before.n}) was good and known"
                )
            else:
                counts[f"renewals: {why}"] += 1


def _justification(
    evidence: Evidence, before: CallSeen, call: CallSeen, refused: dict[str, list[CallSeen]]
) -> str | None:
    assert before.issued is not None
    assert call.issued is not None
    if before.issued.token == call.issued.token:
        return "same token again"
    if call.at >= before.at + before.issued.lifetime * (1 - DUE_PART):
        return "due"
    overlaps = call.at < min(before.ended_at + UNDER_WAY, before.at + LEASE_SECONDS)
    if any(before.at <= other.at <= call.ended_at for other in refused[before.issued.token]):
        return "refused by WeChat"
    if any(
        before.at - MERCHANT_WITHIN <= moment <= call.ended_at
        for push in _of(evidence, before.issued.key)
        for moment in push.tried
    ):
        return "changed by the merchant"
    if before.struck or _disturbed(evidence.disturbances, before, FREES_LEASE if overlaps else ("",)):
        return "answer lost"
    return None


def _disturbed(disturbances: Sequence[Disturbance], call: CallSeen, kinds: tuple[str, ...]) -> bool:
    return any(
        each.node in (None, call.node)
        and each.kind.startswith(kinds)
        and each.began <= call.ended_at + WRITTEN_WITHIN
        and each.ended >= call.at - 1
        for each in disturbances
    )


# 3. A token of one issuer is never used for another


def _issuers(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    for call in evidence.calls:
        if call.meant is not None and call.owner is not None:
            counts["calls on behalf"] += 1
            if call.owner != call.meant:
                yield f"call {call.n} for {_pair(call.meant)} was made with the token of {_pair(call.owner)}"
        if call.refresh_used is not None:
            key, token = call.refresh_used
            if key not in evidence.refresh_owners.get(token, {key}):
                yield f"call {call.n} for {_pair(key)} was made with the refresh token of another"
    for key, token in evidence.tokens:
        counts["token rows"] += 1
        if (owner := evidence.owners.get(token)) not in (None, key):
            assert owner is not None
            yield f"the token kept for {_pair(key)} is the one of {_pair(owner)}"
    for key, row in evidence.authorizations.items():
        if row.refresh_token and key not in evidence.refresh_owners.get(row.refresh_token, set()):
            yield f"the refresh token kept for {_pair(key)} was never given to it"
    for key, name in evidence.refresh_history:
        owners = {
            pair for token, keys in evidence.refresh_owners.items() if token.startswith(name) for pair in keys
        }
        if key not in owners:
            yield f"the history of {_pair(key)} has a refresh token that was never given to it"


# 4. Every account can be used again


def _usable(evidence: Evidence, counts: Counter[str]) -> Iterator[str]:
    for probe in evidence.probes:
        counts["probes"] += 1
        if not probe.worked:
            yield f"{_pair(probe.key)} cannot be used through {probe.node} after the faults: {probe.seen}"
    probed = {(probe.node, probe.key) for probe in evidence.probes}
    for node in {probe.node for probe in evidence.probes}:
        for key in evidence.live:
            if (node, key) not in probed:
                yield f"{_pair(key)} was not tried through {node}"


def _acknowledged(evidence: Evidence, kinds: set[str]) -> Iterator[PushSeen]:
    return (push for push in evidence.pushes if push.acknowledged and push.kind in kinds)


def _of(evidence: Evidence, key: Key) -> list[PushSeen]:
    """Return the pushes that tell of the merchant's doing with one authorization."""
    return [
        push for push in evidence.pushes if push.kind in MERCHANT_PUSHES and (push.issuer, push.appid) == key
    ]


def _created(push: PushSeen) -> int:
    return int(push.element("CreateTime") or 0)


def _pair(key: Key) -> str:
    return f"{key[1]} for {key[0]}" if key[0] != key[1] else f"platform {key[0]}"
