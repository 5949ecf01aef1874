"""The storage custody needs; `store` implements it once for SQLite and PostgreSQL.

Every method is one transaction: when it returns, its effect is committed. Times are arguments; nothing here
reads a clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from wxgate.custody.records import (
    AccountInfo,
    Authorization,
    AuthorizationFilter,
    AuthorizationState,
    DirectAccount,
    Exchange,
    FetchedToken,
    Flow,
    Grant,
    Invite,
    KeptTicket,
    KeptToken,
    Lease,
    NewExchange,
    Platform,
    RefreshTokenChange,
)
from wxgate.protocol.tokens import TokenKey
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


class TokenStore(Protocol):
    """Tokens with their leases."""

    async def load(self, key: TokenKey) -> KeptToken | None:
        """Load the current token, or None where there is none (never fetched, or dropped)."""
        ...

    async def claim(self, key: TokenKey, *, holder: str, now: datetime, ttl: timedelta) -> Lease | None:
        """Take the lease unless another holder's is still running; a new lease has a fence one higher.

        Exactly one of any number of concurrent callers gets it. Works for keys never seen before.
        """
        ...

    async def finish(self, lease: Lease, fetched: FetchedToken) -> KeptToken | None:
        """Write the token and end the lease, if the fence is still the lease's; else return None."""
        ...

    async def release(self, lease: Lease) -> None:
        """End the lease without a token, if the fence is still the lease's."""
        ...

    async def drop(self, key: TokenKey, *, only_version: int | None = None) -> bool:
        """Remove the token's value and raise the fence, so that a fetch under way cannot bring it back.

        With `only_version`, do so only if that is still the current version. Returns whether it did.
        """
        ...

    async def drop_account(self, issuer: str, account: str) -> int:
        """Drop every kind of token of one issuer for one account; return how many had a value."""
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

    async def move(
        self,
        platform: str,
        appid: str,
        *,
        to: AuthorizationState,
        event_at: datetime,
        reason: str,
        now: datetime,
    ) -> bool:
        """Change the state unless a newer event was applied; return whether it was changed.

        Moving to REVOKED also clears the refresh token (its history stays) and drops every token of
        (platform, appid) in the same transaction. Without a row, REVOKED makes one, so that a late code
        knows.
        """
        ...

    async def history(self, platform: str, appid: str) -> Sequence[RefreshTokenChange]:
        """List the changes of the refresh token, newest first."""
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
