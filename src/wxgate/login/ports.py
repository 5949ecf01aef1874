"""What login needs of the store; every step that two could take at once is atomic there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from wxgate.login.records import (
    App,
    Attempt,
    Client,
    Conflict,
    Created,
    Grant,
    GrantKind,
    Identity,
    LoginCode,
    Name,
    Outcome,
    Profile,
    Realm,
    Scan,
    ScanState,
    Session,
    SigningKey,
    Subject,
)


class Realms(Protocol):
    """Realms, their apps and their clients: what operators configure."""

    async def put_realm(self, realm: Realm) -> None:
        """Make a realm or change one."""
        ...

    async def realm(self, name: str) -> Realm | None:
        """Load a realm."""
        ...

    async def realms(self) -> Sequence[Realm]:
        """List realms by name."""
        ...

    async def remove_realm(self, name: str) -> bool:
        """Remove a realm with everything in it; False when there is none."""
        ...

    async def put_app(self, app: App) -> None:
        """Make an app or change one; without a secret the one that is kept stays."""
        ...

    async def app(self, name: str) -> App | None:
        """Load an app."""
        ...

    async def apps(self, realm: str | None = None) -> Sequence[App]:
        """List apps by name."""
        ...

    async def remove_app(self, name: str) -> bool:
        """Remove an app; sessions that came by it stay until they end."""
        ...

    async def put_client(self, client: Client) -> None:
        """Make a client or change one."""
        ...

    async def client(self, client_id: str) -> Client | None:
        """Load a client."""
        ...

    async def clients(self, realm: str | None = None) -> Sequence[Client]:
        """List clients by name."""
        ...

    async def remove_client(self, client_id: str) -> bool:
        """Remove a client; its codes and grants go with it."""
        ...


class Attempts(Protocol):
    """Attempts to log in."""

    async def create(self, attempt: Attempt) -> None:
        """Keep a new attempt."""
        ...

    async def load(self, state_hash: str) -> Attempt | None:
        """Load an attempt, with its outcome while that is kept."""
        ...

    async def claim(
        self,
        state_hash: str,
        *,
        holder: str,
        now: datetime,
        lease_until: datetime,
        code_hash: str | None = None,
        again: bool = False,
    ) -> bool:
        """Take a pending attempt to exchange its code; of any number of callers one gets it, once.

        An attempt whose holder's lease has ended is taken only `again`, where no code of WeChat's is spent.
        """
        ...

    async def reclaim(
        self, state_hash: str, *, holder: str, now: datetime, lease_until: datetime, code_hash: str
    ) -> bool:
        """Take an attempt that is done, to exchange another code; of any callers one gets it, once."""
        ...

    async def succeed(self, state_hash: str, *, most: int) -> bool:
        """Count an attempt that is begun in place of this one; False when there are as many as may be."""
        ...

    async def finish(self, state_hash: str, *, holder: str, outcome: Outcome, now: datetime) -> bool:
        """End an attempt that the holder has; False when it was somebody else's."""
        ...

    async def prune(self, *, expired_before: datetime, outcomes_before: datetime) -> int:
        """Forget attempts that have expired, and the outcomes of those that finished before a moment."""
        ...


class Identities(Protocol):
    """Subjects and what WeChat calls them."""

    async def find(self, realm: str, names: Sequence[Name]) -> Mapping[Name, str]:
        """Find for each known name its subject, aliases followed."""
        ...

    async def resolve(
        self,
        realm: str,
        names: Sequence[Name],
        *,
        new_sub: str,
        profile: Profile,
        now: datetime,
    ) -> tuple[Subject, Sequence[Conflict]]:
        """Give the subject of names that came in one verified answer, made as `new_sub` where none has any.

        In one transaction: the first name that is known decides, unknown names are linked to its subject,
        and a name that stands for another subject stays there and is returned as a (new) conflict. Whatever
        runs at the same time, a name never comes to stand for two. What the profile knows is kept.
        """
        ...

    async def subject(self, realm: str, sub: str) -> Subject | None:
        """Load a subject as it is kept, aliases not followed."""
        ...

    async def subjects(
        self, realm: str, *, search: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Subject]:
        """List subjects by `sub`; `search` is a sub, an openid or a unionid."""
        ...

    async def names(self, realm: str, sub: str) -> Sequence[Identity]:
        """List the names of a subject."""
        ...

    async def merge(self, realm: str, *, kept: str, other: str, now: datetime) -> bool:
        """Make one subject an alias of another and settle their conflicts; names follow.

        Returns False when either is missing or an alias already.
        """
        ...

    async def conflicts(self, realm: str | None = None, *, open_only: bool = True) -> Sequence[Conflict]:
        """List conflicts, oldest first."""
        ...

    async def move_openids(
        self, realm: str, *, from_appid: str, to_appid: str, openids: Mapping[str, str], now: datetime
    ) -> Mapping[str, str]:
        """Link the new openids of a moved account (changeopenid) to the subjects of the old ones.

        Returns per old openid what came of it: linked, known, unknown, conflict. Repeating it does no harm.
        """
        ...

    async def openids(self, realm: str, appid: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """List the openids of an account that stand for somebody, in order; `after` is one to page by."""
        ...

    async def count_openids(self, realm: str, appid: str) -> int:
        """Count the openids of an account that stand for somebody."""
        ...

    async def forget(self, realm: str, sub: str) -> bool:
        """Remove a subject with its names, sessions, codes and grants."""
        ...


class Sessions(Protocol):
    """Sessions of people at browsers."""

    async def create(self, session: Session, *, instead_of: str | None = None) -> Created | None:
        """Keep a new session and return it as it is kept; None when its subject is not there any more.

        `instead_of` (an id_hash) ends in the same transaction as `replaced`; where it was replaced before,
        the last in the row does. When both are of one subject it is the same login to applications: the new
        one takes the old one's `sid`, and the old one the new one's.
        """
        ...

    async def load(self, id_hash: str) -> Session | None:
        """Load a session, ended ones too."""
        ...

    async def by_sid(self, sid: str) -> Session | None:
        """Load a session by the name that applications know."""
        ...

    async def touch(self, id_hash: str, *, seen_at: datetime) -> None:
        """Note that a session is in use; an ended one stays so."""
        ...

    async def prove(
        self,
        id_hash: str,
        *,
        presence_hash: str,
        proved_at: datetime,
        openid: str,
        app: str,
        unionid: str | None = None,
    ) -> bool:
        """Note that WeChat has said again that it is the same person; False when the session has ended.

        A unionid that it does not say this time stays.
        """
        ...

    async def learn_unionid(self, realm: str, sub: str, *, appid: str, openid: str, unionid: str) -> int:
        """Write a unionid to the sessions of an openid that have none and have not ended; count them."""
        ...

    async def end(self, id_hash: str, *, reason: str, now: datetime) -> Session | None:
        """End a session; return it if it had not ended before, so that of two callers one tells others."""
        ...

    async def end_all(
        self,
        *,
        realm: str,
        sub: str | None = None,
        client: str | None = None,
        app: str | None = None,
        reason: str,
        now: datetime,
    ) -> Sequence[Session]:
        """End every live session of a subject, of those with grants of a client, or by an app."""
        ...

    async def live(
        self, realm: str, *, sub: str | None = None, now: datetime, after: str = "", limit: int = 100
    ) -> Sequence[Session]:
        """List live sessions, by `sid`."""
        ...

    async def prune(self, *, ended_before: datetime) -> int:
        """Forget sessions that ended or expired before a moment."""
        ...


class Codes(Protocol):
    """Codes of ours."""

    async def put(self, code: LoginCode) -> None:
        """Keep a new code."""
        ...

    async def take(self, code_hash: str, *, now: datetime) -> tuple[LoginCode, bool] | None:
        """Spend a code: the code, and whether this call is the first; None when there is none.

        Expired codes are returned too: it is for the caller to refuse them. Of any number of callers one is
        the first.
        """
        ...

    async def prune(self, *, expired_before: datetime) -> int:
        """Forget codes that expired before a moment."""
        ...


class Grants(Protocol):
    """Access and refresh tokens of ours."""

    async def put(self, grants: Sequence[Grant]) -> bool:
        """Keep new grants, in one transaction.

        Those of a code that was spent twice meanwhile are revoked at once. So are those of a session that has
        ended; the answer is False then.
        """
        ...

    async def load(self, token_hash: str) -> Grant | None:
        """Load a grant, whatever has become of it."""
        ...

    async def replace(self, token_hash: str, grants: Sequence[Grant], *, now: datetime) -> bool:
        """Replace a live refresh token by new grants; of any number of callers one succeeds.

        False also where the session has ended meanwhile.
        """
        ...

    async def revoke_family(self, family: str, *, now: datetime) -> int:
        """Revoke every grant that came of one code."""
        ...

    async def revoke_session(self, sid: str, *, now: datetime) -> int:
        """Revoke every grant of a session."""
        ...

    async def revoke_client(self, client: str, *, now: datetime) -> int:
        """Revoke every grant of a client."""
        ...

    async def revoke_all(
        self,
        realm: str,
        *,
        sub: str | None = None,
        client: str | None = None,
        app: str | None = None,
        now: datetime,
    ) -> int:
        """Revoke what `Sessions.end_all` would end the sessions of, however long ago these have expired."""
        ...

    async def clients_of(self, sid: str, kind: GrantKind | None = None) -> Sequence[str]:
        """List the clients that have had grants of a session: whom to tell of its end."""
        ...

    async def prune(self, *, expired_before: datetime) -> int:
        """Forget grants that expired before a moment."""
        ...


class SigningKeys(Protocol):
    """Keys that sign ID tokens."""

    async def put(self, key: SigningKey, *, only_if_none: bool = False) -> bool:
        """Keep a key; with `only_if_none` only while the realm has no unretired one of its algorithm."""
        ...

    async def of(self, realm: str) -> Sequence[SigningKey]:
        """List a realm's keys that are not retired, oldest first."""
        ...

    async def retire(self, realm: str, kid: str, *, now: datetime) -> bool:
        """Retire a key: it is no longer published."""
        ...


class Scans(Protocol):
    """Logins by scanning an account's QR code."""

    async def create(self, scan: Scan) -> None:
        """Keep a new scan login."""
        ...

    async def load(self, scan_id: str) -> Scan | None:
        """Load one."""
        ...

    async def by_scene(self, scene_hash: str) -> Scan | None:
        """Load one by what its QR code says."""
        ...

    async def advance(
        self,
        scan_id: str,
        *,
        before: ScanState,
        after: ScanState,
        now: datetime,
        openid: str | None = None,
        unionid: str | None = None,
    ) -> Scan | None:
        """Take one step, if it stands where the caller thinks and has not expired; of many one succeeds."""
        ...

    async def prune(self, *, expired_before: datetime) -> int:
        """Forget what expired before a moment."""
        ...
