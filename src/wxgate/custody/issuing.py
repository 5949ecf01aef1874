"""Makes API keys and ends them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from wxgate.clock import Clock
from wxgate.custody.clients import Client, ClientScope, Networks, Reach, check_rights, new_key
from wxgate.custody.ports import ClientStore
from wxgate.errors import ConfigError, NotFound
from wxgate.secret import ApiKey

log = structlog.get_logger("wxgate.clients")

NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class NewClient:
    """What a key is to be; `everything` says that it is meant to be narrowed by nothing."""

    name: str
    scopes: frozenset[ClientScope]
    reach: Reach = field(default_factory=Reach)
    everything: bool = False
    may_renew: bool = True
    networks: Networks = ()
    valid_for: timedelta | None = None


class Clients:
    """The holders of API keys."""

    def __init__(
        self,
        store: ClientStore,
        clock: Clock,
        *,
        hex_of: Callable[[int], str] = secrets.token_hex,
        text_of: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._hex_of = hex_of
        self._text_of = text_of

    async def add(self, new: NewClient) -> tuple[Client, ApiKey]:
        """Make a client and its key, which is kept nowhere; raise ConfigError for what makes no sense."""
        check_rights(new.reach, new.scopes, everything=new.everything, may_renew=new.may_renew)
        if not new.name.strip() or len(new.name) > NAME_LIMIT:
            raise ConfigError(f"give the key a name of up to {NAME_LIMIT} characters: who is to hold it?")
        if new.valid_for is not None and new.valid_for <= timedelta(0):
            raise ConfigError("a key must be good for some time; leave the expiry out for one without end")
        key, identity, digest = new_key(self._hex_of, self._text_of)
        now = self._clock.now()
        client = Client(
            id=identity,
            name=new.name.strip(),
            digest=digest,
            scopes=new.scopes,
            reach=new.reach,
            may_renew=new.may_renew,
            networks=new.networks,
            created_at=now,
            expires_at=now + new.valid_for if new.valid_for else None,
        )
        await self._store.put(client)
        log.info("client.added", id=client.id, name=client.name)
        return client, key

    async def list(self) -> Sequence[Client]:
        """List all clients, oldest first."""
        return await self._store.list()

    async def require(self, client_id: str) -> Client:
        """Load a client or raise NotFound."""
        client = await self._store.load(client_id)
        if client is None:
            raise NotFound(f"no API key {client_id} here; `wxgate client list` shows them")
        return client

    async def revoke(self, client_id: str) -> bool:
        """End a key for ever; return whether it was not revoked before. Raises NotFound."""
        await self.require(client_id)
        revoked = await self._store.revoke(client_id, now=self._clock.now())
        if revoked:
            log.info("client.revoked", id=client_id)
        return revoked
