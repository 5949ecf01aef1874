"""The storage events need; `store` implements it once for SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from wxgate.events.audit_records import AuditState, CodeAudit
from wxgate.events.policies import ReplyPolicy
from wxgate.events.records import (
    Backlog,
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    EventQuery,
    EventState,
    Fanout,
    NewEvent,
    PushLine,
    Recorded,
    ReplyState,
    Sent,
    Subscriber,
)
from wxgate.events.release_remarks import Remark
from wxgate.events.release_test import ReleaseLine
from wxgate.events.replying import Turn
from wxgate.secret import AuthorizationCode


class Inbox(Protocol):
    """The durable, deduplicated record of pushes. Every method returns after its commit."""

    async def record(
        self,
        event: NewEvent,
        *,
        holder: str,
        lease_until: datetime,
        fanout: Sequence[Fanout] = (),
        replier: str = "",
        remark: str = "",
    ) -> Recorded:
        """Insert as HANDLING by `holder` with its deliveries, or count one more arrival.

        With a remark it is inserted as DONE, for the reason it gives: nobody ever handles it.
        Concurrent calls share one transaction and one sync (group commit).
        """
        ...

    async def load(self, event_id: int) -> Event | None:
        """Load one event."""
        ...

    async def claim(
        self, event_id: int, *, holder: str, now: datetime, lease_until: datetime
    ) -> Event | None:
        """Take over an event that is HANDLING under an ended lease; exactly one caller gets it."""
        ...

    async def extend(self, event_id: int, *, holder: str, lease_until: datetime) -> bool:
        """Move the end of the lease, if `holder` still holds the event."""
        ...

    async def finish(
        self,
        event_id: int,
        *,
        holder: str,
        state: EventState,
        reply: str | None,
        error: str,
        now: datetime,
        turn: Turn = Turn.NOTHING,
        fallback: bool = False,
    ) -> ReplyState | None:
        """Write how it ended and take the reply one turn on, if `holder` still holds it (group commit).

        HANDLING commits the reply and leaves the event open. Returns what became of the reply: DROPPED
        where another event of the message has the reply, or this one had one before; None when not held.
        """
        ...

    async def abandoned(self, *, now: datetime, limit: int = 100) -> Sequence[Event]:
        """List events that are HANDLING under an ended lease, oldest first."""
        ...

    async def find(
        self, *, appid: str | None = None, issuer: str | None = None, limit: int = 50
    ) -> Sequence[Event]:
        """List the newest events first."""
        ...


class Answers(Protocol):
    """What becomes of replies besides the end of their events; each step is a compare-and-set."""

    async def advance(
        self,
        event_id: int,
        turn: Turn,
        *,
        now: datetime,
        fallback: bool = True,
        reply: str | None = None,
        remark: str = "",
        lease_until: datetime | None = None,
        found_until: datetime | None = None,
    ) -> ReplyState | None:
        """Take one turn, if it can still happen; return what became of the reply, None if it cannot.

        With `found_until` it happens only while the lease of the event still ends then.

        The step by which a message comes to have a reply claims it, and is DROPPED where another event of
        the message was first.
        """
        ...

    async def unsent(self, *, now: datetime, received_before: datetime, limit: int = 100) -> Sequence[Event]:
        """List what is READY since before, and CUSTOM or SENDING under an ended lease; oldest first."""
        ...

    async def forget_claims(self, *, before: datetime) -> int:
        """Forget claims older than WeChat brings a message; return how many."""
        ...


class ReplyPolicies(Protocol):
    """Who replies for which account."""

    async def load_policies(self, appids: Sequence[str]) -> Mapping[str, ReplyPolicy]:
        """Load the policies that were set for these accounts, by appid; `*` is the default for all."""
        ...

    async def list_policies(self) -> Sequence[ReplyPolicy]:
        """List every policy that was set, by appid."""
        ...

    async def put_policy(self, policy: ReplyPolicy) -> None:
        """Set a policy."""
        ...

    async def remove_policy(self, appid: str) -> bool:
        """Let the default hold for an account again; tell whether there was a policy."""
        ...

    async def has_subscriber(self, subscriber_id: str) -> bool:
        """Tell whether there is a subscriber of this id, who could be made the replier."""
        ...


class Subscribers(Protocol):
    """Who gets events."""

    async def list_subscribers(self) -> Sequence[Subscriber]:
        """List all, by name."""
        ...

    async def load(self, subscriber_id: str) -> Subscriber | None:
        """Load one."""
        ...

    async def add(self, subscriber: Subscriber) -> bool:
        """Add one; False when the name is taken."""
        ...

    async def change(self, subscriber: Subscriber, *, was: datetime) -> bool:
        """Replace what an operator decides, and the secrets; the record of successes and failures stays.

        `was` is `updated_at` as it was read. False, and nothing is changed, when somebody changed it since,
        when it is gone, or when its name is another's.
        """
        ...

    async def remove(self, subscriber_id: str) -> bool:
        """Remove one with its deliveries."""
        ...

    async def drop_orphans(self, *, limit: int) -> int:
        """Delete at most `limit` deliveries to subscribers that are gone; return how many."""
        ...

    async def pause(self, subscriber_id: str, *, reason: str, now: datetime) -> bool:
        """Stop sending to one; what comes meanwhile waits."""
        ...

    async def resume(self, subscriber_id: str, *, now: datetime) -> bool:
        """Send to one again, at once, whatever the circuit breaker thought."""
        ...

    async def note_success(self, subscriber_id: str, *, now: datetime) -> None:
        """Forget the failures in a row."""
        ...

    async def note_failure(
        self, subscriber_id: str, *, error: str, failures: int, open_until: datetime | None, now: datetime
    ) -> None:
        """Write how many failures there are in a row now, and until when nothing is sent."""
        ...


class Deliveries(Protocol):
    """The queue of what is still to be handed over; any node may take from it."""

    async def due(self, *, now: datetime) -> Sequence[str]:
        """List the subscribers, neither paused nor cut off, for whom something is due."""
        ...

    async def claim(
        self, subscriber_id: str, *, holder: str, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[Delivery]:
        """Take what is due, oldest first, skipping what others hold; ended leases count as due.

        Of an ordered account only the first that is not over is taken.
        """
        ...

    async def extend(self, delivery: Delivery, *, lease_until: datetime) -> bool:
        """Move the end of a claim's lease, unless somebody claimed it since."""
        ...

    async def finish(self, delivery: Delivery, sent: Sent, *, now: datetime) -> bool:
        """Write what came of a claimed delivery, unless somebody claimed it since."""
        ...

    async def held(self, event_id: int, subscriber_id: str) -> Delivery | None:
        """Load the delivery of an event to a subscriber."""
        ...

    async def replay(
        self, subscriber_id: str, event_ids: Sequence[int], *, now: datetime, only_dead: bool = False
    ) -> int:
        """Queue events (again) for a subscriber, from the first attempt; return how many."""
        ...

    async def of_event(self, event_id: int) -> Sequence[Delivery]:
        """List the deliveries of an event."""
        ...

    async def find(
        self,
        *,
        subscriber_id: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Delivery]:
        """List deliveries, newest first."""
        ...

    async def backlog(self) -> Sequence[Backlog]:
        """Count what waits for each subscriber."""
        ...


class EventLog(Protocol):
    """Reading, replaying, forgetting what was recorded."""

    async def find_events(self, query: EventQuery) -> Sequence[Event]:
        """List events, newest first."""
        ...

    async def load_many(self, event_ids: Sequence[int]) -> Sequence[Event]:
        """Load events by id, in the order of their ids."""
        ...

    async def after(self, position: int, *, limit: int = 100) -> Sequence[Event]:
        """List events behind a position in the stream, in the order of their positions.

        Gives positions to what has been committed since; so nothing that commits late is ever skipped.
        """
        ...

    async def newest_position(self) -> int:
        """Return the position of the newest event, 0 when there is none."""
        ...

    async def forget(self, openid: str, *, appid: str | None = None) -> int:
        """Delete all events of a person, their deliveries, replies and push-log lines; return how many."""
        ...

    async def prune(
        self, kind: EventKind, *, now: datetime, before: datetime, most_bytes: int | None, limit: int
    ) -> int:
        """Delete events that are older than `before`, or the oldest beyond so many bytes.

        What is being handled, still on its way to a subscriber, has a reply that is still to be sent, or
        has only just come is left. At most `limit` in one transaction; returns how many.
        """
        ...

    async def redact(self, *, now: datetime, before: datetime, limit: int) -> int:
        """Take the text out of messages received before, but for those still needed; return how many."""
        ...


class PushLog(Protocol):
    """The record of every push as it arrived, was judged and answered."""

    async def add(self, lines: Sequence[PushLine]) -> None:
        """Write lines."""
        ...

    async def find_pushes(
        self,
        *,
        appid: str | None = None,
        event_id: int | None = None,
        verdict: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[tuple[int, PushLine]]:
        """List lines with their ids, newest first."""
        ...

    async def prune_pushes(self, *, before: datetime, most_rows: int | None, limit: int) -> int:
        """Delete old lines; return how many."""
        ...


class ReleaseTests(Protocol):
    """The record of WeChat's release tests, and the one job in them that may outlive its node."""

    async def begin(self, line: ReleaseLine) -> ReleaseLine | None:
        """Insert a line and return it with its id; None when the same push has one of this step already."""
        ...

    async def due_lines(self, *, now: datetime) -> Sequence[int]:
        """List the lines under way that somebody may take over, by id."""
        ...

    async def claim(self, line_id: int, *, now: datetime, due_at: datetime) -> ReleaseLine | None:
        """Take a line over until `due_at`; exactly one caller gets it."""
        ...

    async def finish(self, line: ReleaseLine, *, ok: bool, answered: str, remarks: Sequence[Remark]) -> bool:
        """Write how it ended and forget its code, unless somebody has taken it over since."""
        ...

    async def newest_code(self, platform: str, appid: str, *, since: datetime) -> AuthorizationCode | None:
        """Load the code of an account's newest `authorized` push."""
        ...

    async def drop_codes(self, platform: str, appid: str) -> None:
        """Forget the codes of an account's `authorized` pushes."""
        ...

    async def find_lines(self, platform: str | None = None, *, limit: int = 200) -> Sequence[ReleaseLine]:
        """List lines without their codes, newest first."""
        ...

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete old lines, but none under way; return how many."""
        ...


class CodeAuditStore(Protocol):
    """Audits of mini programs' code."""

    async def note(self, audit: CodeAudit) -> bool:
        """Insert an audit unless it is there; return whether it was new."""
        ...

    async def load(self, appid: str, audit_id: str) -> CodeAudit | None:
        """Load one audit."""
        ...

    async def find(
        self,
        *,
        appid: str | None = None,
        platform: str | None = None,
        state: AuditState | None = None,
        open_only: bool = False,
        before: CodeAudit | None = None,
        limit: int = 20,
    ) -> Sequence[CodeAudit]:
        """List audits, newest first; `open_only` those without a result, `before` those listed after it."""
        ...

    async def claim(self, *, now: datetime, until: datetime, limit: int) -> Sequence[CodeAudit]:
        """Take what is due, oldest first, and have it due again at `until`; each goes to one caller."""
        ...

    async def change(self, audit: CodeAudit, *, before: AuditState) -> bool:
        """Replace an audit, if its state is still `before`; return whether it was."""
        ...

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete what was submitted before and is settled and told; return how many."""
        ...
