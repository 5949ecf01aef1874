"""Under which `sub` a client knows a person, and what is to be told of them."""

from wxgate.login.addresses import origin_of
from wxgate.login.oidc.claims import pairwise_sid, pairwise_sub
from wxgate.login.oidc.keys import Keyring
from wxgate.login.ports import Identities, Realms
from wxgate.login.records import Client, Subject


class Subjects:
    """Loads subjects and names them to clients."""

    def __init__(self, identities: Identities, realms: Realms, keyring: Keyring) -> None:
        self._identities = identities
        self._realms = realms
        self._keyring = keyring

    async def told_to(self, client: Client, sub: str) -> str:
        """Name a subject as the client knows it: by its `sub`, or by one of the client's own."""
        if not client.pairwise:
            return sub
        return pairwise_sub(client, sub, await self._keyring.pairwise_key(client.realm))

    async def sid_told_to(self, client: Client, sid: str) -> str:
        """Name a session as the client knows it."""
        if not client.pairwise:
            return sid
        return pairwise_sid(client, sid, await self._keyring.pairwise_key(client.realm))

    async def told_at(self, realm: str, origin: str, sub: str, *, named: str = "") -> str:
        """Name a subject to the pages of an origin.

        Where a pairwise client has its addresses there, by the client's own name, whatever client is
        `named`: what it must not know of people is not to be had beside it.
        """
        site = origin_of(origin)
        pairwise = [client for client in await self._realms.clients(realm) if client.pairwise]
        there = [client for client in pairwise if site and site in map(origin_of, client.redirect_uris)]
        meant = [client for client in there or pairwise if client.id == named]
        found = [*meant, *there]
        return await self.told_to(found[0], sub) if found else sub

    async def load(self, realm: str, sub: str) -> Subject | None:
        """Load who a `sub` stands for today: of one that was merged, the subject that was kept."""
        subject = await self._identities.subject(realm, sub)
        if subject is None or subject.alias_of is None:
            return subject
        return await self._identities.subject(realm, subject.alias_of)
