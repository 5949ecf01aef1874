"""The storage custody needs; `store` implements it once for SQLite and PostgreSQL.

Every method is one transaction: when it returns, its effect is committed. Times are arguments; nothing here
reads a clock.

It is long because it is one list: whoever writes another store finds all of it here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from wxgate.custody.clients import AuditLine, Client, Labels
from wxgate.custody.edits import Change
from wxgate.custody.planner import Plan
from wxgate.custody.records import (
    AccountInfo,
    Authorization,
    AuthorizationFilter,
    Brought,
    Clear,
    ClearWay,
    DirectAccount,
    DueToken,
    Duty,
    Evidence,
    Exchange,
    FetchCount,
    FetchedToken,
    Flow,
    Grant,
    Invite,
    KeptTicket,
    KeptToken,
    KeyUse,
    Lease,
    NewExchange,
    Platform,
    RefreshTokenChange,
    Rejection,
    StateChange,
    TicketRequests,
    TokenRow,
)
from wxgate.custody.states import Trigger
from wxgate.protocol.tokens import REJECTIONS_MOST, TokenKey
from wxgate.secret import RefreshToken


class PlatformStore(Protocol):
    """Platforms and direct accounts with their sealed secrets."""

    async def put_platform(self, platform: Platform) -> None:
        """Insert or replace a platform by appid; `created_at` of an existing one stays."""
        ...

    async def load_platform(self, appid: str) -> Platform | None:
        """Load one platform."""
        ...

    async def list_platforms(self) -> Sequence[Platform]:
        """List all platforms by appid."""
        ...

    async def put_direct(self, account: DirectAccount) -> None:
        """Insert or replace a direct account by appid."""
        ...

    async def load_direct(self, appid: str) -> DirectAccount | None:
        """Load one direct account."""
        ...

    async def list_directs(self) -> Sequence[DirectAccount]:
        """List all direct accounts by appid."""
        ...


class ConfigurationStore(Protocol):
    """Changes of what an operator configured."""

    async def change(self, changes: Sequence[Change]) -> bool:
        """Make all changes in one transaction, if every record is still as it was before; else none.

        Returns whether they were made. A platform or direct account that is removed loses its tickets and
        every token it issued; its authorizations, their history and its events stay.
        """
        ...


class TicketStore(Protocol):
    """Tickets, the newest first by WeChat's own time."""

    async def keep(self, ticket: KeptTicket, *, prune_before: datetime) -> None:
        """Keep a ticket; the same value again moves its times forward, never back.

        In the same transaction drop tickets of this platform pushed before `prune_before`, but never the
        newest two.
        """
        ...

    async def newest(self, platform: str, count: int = 2) -> Sequence[KeptTicket]:
        """Load the newest tickets by `pushed_at`, newest first."""
        ...

    async def requests(self, platform: str) -> TicketRequests:
        """Tell how often WeChat was asked to push tickets to a platform."""
        ...

    async def note_request(self, platform: str, seen: TicketRequests, *, not_before: datetime) -> bool:
        """Count one request more, unless somebody did since `seen`; return whether it is the caller's."""
        ...

    async def end_requests(self, platform: str) -> None:
        """Start counting anew."""
        ...


class TokenStore(Protocol):
    """Tokens with their leases."""

    async def load(self, key: TokenKey) -> KeptToken | None:
        """Load the current token, or None where there is none (never fetched, or dropped)."""
        ...

    async def look(self, key: TokenKey) -> TokenRow:
        """Load the current token together with its lease and its back-off."""
        ...

    async def claim(self, key: TokenKey, *, holder: str, now: datetime, ttl: timedelta) -> Lease | None:
        """Take the lease unless another holder's is still running; a new lease has a fence one higher.

        Exactly one of any number of concurrent callers gets it. Works for keys never seen before. A lease
        that ends later than any genuine one could (a clock was set back) counts as ended.
        """
        ...

    async def extend(self, lease: Lease, until: datetime) -> bool:
        """Move the lease's end, if the fence is still the lease's; return whether it was."""
        ...

    async def finish(self, lease: Lease, fetched: FetchedToken) -> KeptToken | None:
        """Write the token and end the lease, if the fence is still the lease's; else return None.

        What was noted of failures is forgotten.
        """
        ...

    async def fail(self, lease: Lease, *, not_before: datetime, held_until: datetime | None = None) -> bool:
        """End the lease, count the failure and note when to try again, if the fence is still the lease's.

        Renewals that somebody waits for heed only `held_until`. A rejection by proof, a new refresh token,
        authorization or AppSecret forgets what was noted.
        Returns whether it was: the failure of one who was overtaken is nobody's concern.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """End the lease without a token, if the fence is still the lease's."""
        ...

    async def drop(self, key: TokenKey, *, only_version: int | None = None) -> bool:
        """Remove the token's value and raise the fence, so that a fetch under way cannot bring it back.

        With `only_version`, do so only if that is still the current version. Returns whether it did.
        """
        ...

    async def reject(
        self, key: TokenKey, *, version: int, now: datetime, most: int = REJECTIONS_MOST
    ) -> Rejection:
        """Drop a version that WeChat rejected, as `drop` does, unless `most` or more were rejected lately.

        The fingerprint of what was rejected stays, for the next lease to know.
        """
        ...

    async def drop_account(self, issuer: str, account: str) -> int:
        """Drop every kind of token of one issuer for one account; return how many had a value."""
        ...

    async def take_due(
        self, decide: Callable[[Sequence[DueToken]], Plan], *, now: datetime, limit: int, until: datetime
    ) -> Plan:
        """Load tokens that are due, the longest due first, and settle them as decided.

        What is to be renewed is due again at `until` unless it is renewed before; what is parked is not due
        any more. Rows that another node is settling at the same time are passed over.
        """
        ...

    async def note_used(self, keys: Collection[TokenKey], now: datetime) -> None:
        """Note that tokens are in use."""
        ...


class AuthorizationStore(Protocol):
    """Authorizations with their refresh tokens and the history of these."""

    async def load(self, platform: str, appid: str) -> Authorization | None:
        """Load one authorization."""
        ...

    async def find(self, where: AuthorizationFilter) -> Sequence[Authorization]:
        """List authorizations that match, by platform and appid."""
        ...

    async def keep_refresh_token(
        self,
        platform: str,
        appid: str,
        token: RefreshToken,
        *,
        replacing: RefreshToken | None,
        reason: str,
        now: datetime,
    ) -> bool:
        """Replace the refresh token if it differs and add a line to its history; return whether it changed.

        With `replacing`, do so only if that is still the current one: the answer to an old refresh token
        must not overwrite what a newer authorization brought. A revoked authorization never gets one this
        way.
        """
        ...

    async def apply(
        self,
        platform: str,
        appid: str,
        *,
        trigger: Trigger,
        event_at: datetime,
        reason: str,
        now: datetime,
    ) -> StateChange | None:
        """Apply a piece of news unless a newer one was applied; return what it did, or None.

        News of an unknown account makes its row, so that what comes later and is older knows. Where the
        state becomes REVOKED, the refresh token is cleared (its history stays) and every token of
        (platform, appid) is dropped in the same transaction.
        """
        ...

    async def observe(self, evidence: Evidence, *triggers: Trigger, now: datetime) -> StateChange | None:
        """Apply evidence to the authorization it is about; return what it did, or None if it is out of date.

        Keeps the refresh token and permission sets that were found. When the state is another one
        afterwards, an event `wxgate.<state>` is recorded in the same transaction, for handlers to receive.
        Without `event_at` the evidence is about an account unknown here: FOUND makes its row.
        """
        ...

    async def put_off_repair(
        self, platform: str, appid: str, *, held: RefreshToken | None, until: datetime, now: datetime
    ) -> bool:
        """Reserve one look at WeChat for the current refresh token; return whether it is the caller's.

        It is, if the authorization still holds `held` and no earlier look put this one off beyond `now`.
        """
        ...

    async def history(self, platform: str, appid: str) -> Sequence[RefreshTokenChange]:
        """List the changes of the refresh token, newest first."""
        ...


class TransferStore(Protocol):
    """Authorizations in bulk, to and from elsewhere."""

    async def count(self) -> int:
        """Count the authorizations."""
        ...

    async def page(
        self, after: tuple[str, str] | None, limit: int
    ) -> tuple[Sequence[Authorization], Sequence[str], tuple[str, str] | None]:
        """Load authorizations by platform and appid from beyond a pair on.

        Returns those that open, the names of those that do not, and the last pair; None when there is none.
        """
        ...

    async def bring(
        self,
        authorizations: Sequence[Authorization],
        *,
        replace: bool,
        reason: str,
        now: datetime,
        dry_run: bool = False,
    ) -> Sequence[Brought]:
        """Add authorizations, in one transaction; tell for each what became of it.

        One that is there already is replaced only with `replace`, and never by an older one: of two of the
        same event, one whose refresh token changed here after `updated_at` is the newer. What replaces
        another drops the tokens of its pair. A dry run changes nothing.
        """
        ...


class ExchangeStore(Protocol):
    """The jobs that turn codes into authorizations."""

    async def open(self, new: NewExchange, *, now: datetime) -> Exchange:
        """Insert a PENDING job for (platform, code), or load the one that is there.

        A later arrival fills in `appid` and `flow` where they were unknown; of a flow that comes when the job
        is DONE, the reference is still bound to an authorization that has none. A push that follows a
        redirect puts WeChat's time in place of ours. A FAILED job that learns its `appid` is PENDING again,
        as it can now be read back.
        """
        ...

    async def load(self, exchange_id: str) -> Exchange | None:
        """Load one job."""
        ...

    async def find_by_flow(self, flow: str) -> Sequence[Exchange]:
        """List the jobs of one flow, newest first."""
        ...

    async def claim(self, exchange_id: str, *, now: datetime, ttl: timedelta) -> Exchange | None:
        """Move PENDING, or EXCHANGING with an ended lease, to EXCHANGING with a higher fence; else None.

        Taken over from an ended lease, the job is `maybe_spent`; one put off is left alone until its time.
        """
        ...

    async def finish(
        self, exchange: Exchange, grant: Grant, *, now: datetime, bind_flow: bool = True
    ) -> Authorization | None:
        """Commit the result of a code in one transaction, if the fence is still the job's; else return None.

        Writes the authorization ACTIVE (unless it was revoked by an event newer than the exchange's
        `event_at`), its refresh token with history (reason = the source), func_ids, the access token (fence
        raised, version + 1; removed where the grant brings none), and the job DONE with its appid. Counts the
        flow as one use of its invite, once, and binds its reference, unless others have used the invite up.
        With `bind_flow` false the job loses its flow: what it brought is kept, but shown and credited to
        nobody.
        """
        ...

    async def fail(self, exchange: Exchange, *, errcode: int | None, error: str, now: datetime) -> bool:
        """Move the job to FAILED, if the fence is still the job's."""
        ...

    async def postpone(
        self, exchange: Exchange, *, error: str, not_before: datetime, maybe_spent: bool = False
    ) -> None:
        """Put the job back to PENDING for an attempt at a later time, if the fence is still the job's.

        `maybe_spent` is remembered for ever.
        """
        ...

    async def is_open(self, platform: str, appid: str) -> bool:
        """Tell whether a job of this platform for this account is PENDING or EXCHANGING."""
        ...

    async def unfinished(self, *, now: datetime, limit: int = 100) -> Sequence[Exchange]:
        """List jobs that may be claimed: those a push vouches for first, then oldest first."""
        ...


class AccountStore(Protocol):
    """What WeChat told of accounts."""

    async def put(self, info: AccountInfo) -> None:
        """Insert or replace."""
        ...

    async def load(self, appid: str) -> AccountInfo | None:
        """Load one."""
        ...

    async def list(self) -> Sequence[AccountInfo]:
        """List all by appid."""
        ...

    async def unknown(self, *, since: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Name (platform, appid) of active authorizations changed since then whose account nobody knows."""
        ...


class LinkStore(Protocol):
    """Invites and the flows that begin with a click."""

    async def put_invite(self, invite: Invite) -> None:
        """Insert an invite."""
        ...

    async def load_invite(self, invite_id: str) -> Invite | None:
        """Load one invite."""
        ...

    async def put_flow(self, flow: Flow) -> None:
        """Insert a flow."""
        ...

    async def load_flow(self, flow_id: str) -> Flow | None:
        """Load one flow."""
        ...

    async def find_flow(self, platform: str, pre_auth_fingerprint: str) -> Flow | None:
        """Find the flow that a pre_auth_code started."""
        ...


class ClientStore(Protocol):
    """The holders of API keys; of a key only a digest is kept."""

    async def put(self, client: Client) -> None:
        """Insert a client."""
        ...

    async def load(self, client_id: str) -> Client | None:
        """Load one client, revoked or not."""
        ...

    async def list(self) -> Sequence[Client]:
        """List all clients, oldest first."""
        ...

    async def revoke(self, client_id: str, *, now: datetime) -> bool:
        """Revoke a client for ever; return whether it was good until now."""
        ...


class AuditStore(Protocol):
    """The audit log of what clients did."""

    async def write(self, lines: Sequence[AuditLine]) -> None:
        """Append lines, and move `last_used_at` of the clients they name forward."""
        ...

    async def read(
        self, *, client: str | None = None, account: str | None = None, limit: int = 100
    ) -> Sequence[AuditLine]:
        """List the newest lines, newest first."""
        ...

    async def prune(self, *, before: datetime, most: int) -> int:
        """Drop at most that many lines from before a moment; return how many."""
        ...


class LabelStore(Protocol):
    """What operators wrote on accounts; an account need not be known to have labels."""

    async def load(self, appid: str) -> Labels:
        """Load the labels of one account."""
        ...

    async def load_many(self, appids: Sequence[str]) -> Mapping[str, Labels]:
        """Load the labels of those of some thousand accounts that have any."""
        ...

    async def change(self, appid: str, *, add: Labels, remove: Labels) -> Labels:
        """Take labels away, then add some; return what the account has then."""
        ...

    async def list(self) -> Mapping[str, Labels]:
        """List the labels of every account that has any."""
        ...


class QuotaStore(Protocol):
    """How often quotas were cleared this month, and tokens fetched today."""

    async def reserve_clear(
        self, appid: str, month: str, *, most: int, way: ClearWay, at: datetime
    ) -> Clear | None:
        """Note a clearing that is about to be asked for; None when `most` of the month are noted already.

        Of any number of concurrent callers never more than `most` get one.
        """
        ...

    async def settle_clear(self, clear: Clear, *, accepted: bool) -> None:
        """Note that WeChat took a clearing, or take it off the count again."""
        ...

    async def clears(self, appid: str, month: str) -> Sequence[Clear]:
        """List the clearings of a month, in the order they were noted."""
        ...

    async def count_fetches(self, key: TokenKey, *, day: str, by: int) -> FetchCount:
        """Add to the count of a day, which begins anew on another day; return how it stands for all nodes.

        A node whose clock is behind adds to the later day, unless that lies further ahead than tomorrow.
        """
        ...

    async def open_circuit(self, key: TokenKey, *, day: str, until: datetime, reason: str) -> None:
        """Let all nodes know that nobody should fetch this before a moment."""
        ...

    async def close_circuit(self, key: TokenKey) -> None:
        """Let all nodes know that this may be fetched again; the count stays."""
        ...

    async def reset_fetches(self, issuer: str, account: str | None = None, *, day: str) -> int:
        """Begin a day anew and close the circuits, of an issuer or one account; return how many counts."""
        ...

    async def fetch_counts(self) -> Sequence[FetchCount]:
        """List all counts."""
        ...


class DutyStore(Protocol):
    """Work that one node at a time does for all, by name."""

    async def load(self, name: str) -> Duty:
        """Load how a duty stands; one never taken is as it is at first."""
        ...

    async def claim(
        self, name: str, *, holder: str, now: datetime, ttl: timedelta, every: timedelta | None
    ) -> Duty | None:
        """Take a duty that is due and that nobody does at the moment; else return None.

        It is due when it never was done, at its `due_at`, and when that is further away than `every` (the
        interval was made shorter, or a clock was set back). Without `every` it is due now. Exactly one of
        any number of concurrent callers gets it, with a fence one higher.
        """
        ...

    async def extend(self, duty: Duty, until: datetime) -> bool:
        """Move the end of the lease, if the fence is still the duty's; return whether it was."""
        ...

    async def finish(
        self, duty: Duty, result: Mapping[str, Any], *, now: datetime, due_at: datetime | None
    ) -> bool:
        """Write the result, when it is due again, and end the lease, if the fence is still the duty's.

        Without `due_at` it is due again when it was. Returns whether the fence was the duty's.
        """
        ...

    async def postpone(self, duty: Duty, *, due_at: datetime | None) -> bool:
        """End the lease without a result, to be done at `due_at`, if the fence is still the duty's.

        Without `due_at` it is due again when it was.
        """
        ...


class KeyUseStore(Protocol):
    """When push tokens and AES keys were last seen in use."""

    async def note(self, uses: Sequence[KeyUse]) -> None:
        """Write down uses; an older one never replaces a newer one, whichever node it comes from."""
        ...

    async def load(self, receiver: str) -> Sequence[KeyUse]:
        """List what was ever seen of a receiver, of values that were retired too."""
        ...

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget what was last seen before; return how many."""
        ...
