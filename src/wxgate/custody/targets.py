"""Who may act for an account, and whose token a client gets."""

from datetime import timedelta

from wxgate.clock import Clock
from wxgate.custody.clients import Client, ClientScope, Target
from wxgate.custody.memory import Memory
from wxgate.custody.ports import AuthorizationStore, LabelStore
from wxgate.custody.records import AuthorizationFilter
from wxgate.custody.registry import Registry
from wxgate.errors import NotAuthorized, NotFound, ScopeMissing, SeveralIssuers
from wxgate.protocol.tokens import DIRECT_ISSUER

TRUSTED = timedelta(seconds=2)
"""How long an account's issuers and labels are believed, so that a token read costs no query."""


class Targets:
    """Finds accounts with everything a request needs to know of them."""

    def __init__(
        self, authorizations: AuthorizationStore, registry: Registry, labels: LabelStore, clock: Clock
    ) -> None:
        self._authorizations = authorizations
        self._registry = registry
        self._labels = labels
        self._platforms: Memory[str, bool] = Memory(self._is_platform, clock, trusted=TRUSTED)
        self._memory: Memory[str, Target] = Memory(self._load, clock, trusted=TRUSTED)

    async def require_platform(self, appid: str) -> None:
        """Raise NotFound where there is no such platform."""
        if not await self._platforms.get(appid):
            await self._registry.require_platform(appid)

    async def find(self, appid: str) -> Target:
        """Find an account; one nobody knows has no issuers."""
        return await self._memory.get(appid)

    async def tags(self, appid: str) -> frozenset[str]:
        """Return the tags of an account; a platform's own events are of none."""
        return (await self.find(appid)).tags if appid else frozenset()

    def forget(self, appid: str) -> None:
        """Look an account up again the next time."""
        self._memory.forget(appid)

    async def _is_platform(self, appid: str) -> bool:
        return await self._registry.platform(appid) is not None

    async def _load(self, appid: str) -> Target:
        found = await self._authorizations.find(AuthorizationFilter(appid=appid))
        labels = await self._labels.load(appid)
        return Target(
            appid,
            tuple(
                [
                    (one.platform, one.state)
                    for one in found
                    if await self._registry.platform(one.platform) is not None
                ]
            ),
            await self._registry.direct(appid) is not None,
            labels.tags,
            labels.hosts,
        )


def kind_scope(issuer: str) -> ClientScope:
    """Name the scope that an account's token of this issuer needs."""
    return ClientScope.DIRECT if issuer == DIRECT_ISSUER else ClientScope.AUTHORIZER


def require(
    client: Client, scope: ClientScope, target: Target | None = None, *, issuer: str | None = None
) -> None:
    """Raise ScopeMissing that names the first thing the client's key lacks."""
    if target is not None:
        _require_account(client, target)
    if issuer is not None:
        _require_issuer(client, issuer)
    _require_scope(client, scope)


def require_platform(client: Client, scope: ClientScope, platform: str) -> None:
    """Raise ScopeMissing where the client may not act as a whole platform: some accounts are not enough."""
    _require_issuer(client, platform)
    if client.reach.names_accounts:
        raise ScopeMissing(
            f"this key is for some accounts, not for the platform {platform}", missing=f"platform:{platform}"
        )
    _require_scope(client, scope)


def choose_issuer(client: Client, target: Target, asked: str | None, scope: ClientScope | None = None) -> str:
    """Choose whose token a client gets for an account; without `scope`, each issuer's own kind is needed.

    Raises ScopeMissing where the key is not for it, NotFound, NotAuthorized after a withdrawal, and
    SeveralIssuers where the request must say which.
    """
    # An account out of reach and one that does not exist must look alike, so this comes first.
    _require_account(client, target)
    if asked is not None:
        _require_issuer(client, asked)
    if scope is not None:
        _require_scope(client, scope)
    elif client.scopes.isdisjoint((ClientScope.AUTHORIZER, ClientScope.DIRECT)):
        _require_scope(client, ClientScope.AUTHORIZER)
    within = _within_reach(client, target, asked)
    usable = [one for one in within if (scope or kind_scope(one)) in client.scopes]
    if not usable:
        _require_scope(client, kind_scope(within[0]))
    live = [one for one in usable if one in target.live]
    if not live:
        raise NotAuthorized(
            f"{target.appid} took back its authorization of platform {usable[0]}", platform=usable[0]
        )
    if len(live) > 1:
        raise SeveralIssuers(
            f"several may act for {target.appid}: {', '.join(live)}; say which one with ?issuer=",
            issuers=tuple(live),
        )
    return live[0]


def _within_reach(client: Client, target: Target, asked: str | None) -> list[str]:
    within = [one for one in target.issuers if client.reach.has_issuer(one) and asked in (None, one)]
    if within:
        return within
    if asked is None and client.reach.platforms:
        raise ScopeMissing(
            f"{target.appid} has authorised none of the platforms this key is for", missing="platform"
        )
    if asked is None:
        raise NotFound(
            f"no account {target.appid} here: it has authorised no platform, and is no direct account"
        )
    if asked == DIRECT_ISSUER:
        raise NotFound(f"{target.appid} is no direct account here")
    raise NotFound(f"{target.appid} has not authorised a platform {asked} here")


def _require_scope(client: Client, scope: ClientScope) -> None:
    if scope not in client.scopes:
        raise ScopeMissing(f"this key lacks the scope {scope}", missing=f"kind:{scope}")


def _require_account(client: Client, target: Target) -> None:
    if not client.reach.has_account(target.appid, target.tags):
        raise ScopeMissing(
            f"this key is not for the account {target.appid}", missing=f"account:{target.appid}"
        )


def _require_issuer(client: Client, issuer: str) -> None:
    if not client.reach.has_issuer(issuer):
        what = "direct accounts" if issuer == DIRECT_ISSUER else f"the platform {issuer}"
        raise ScopeMissing(f"this key is not for {what}", missing=f"platform:{issuer}")
