"""Under which `sub` a client knows a person, and what is to be told of them."""

from wxgate.login.oidc.claims import pairwise_sub
from wxgate.login.oidc.keys import Keyring
from wxgate.login.ports import Identities
from wxgate.login.records import Client, Subject


class Subjects:
    """Loads subjects and names them to clients."""

    def __init__(self, identities: Identities, keyring: Keyring) -> None:
        self._identities = identities
        self._keyring = keyring

    async def told_to(self, client: Client, sub: str) -> str:
        """Name a subject as the client knows it: by its `sub`, or by one of the client's own."""
        if not client.pairwise:
            return sub
        return pairwise_sub(client, sub, await self._keyring.pairwise_key(client.realm))

    async def load(self, realm: str, sub: str) -> Subject | None:
        """Load who a `sub` stands for today: of one that was merged, the subject that was kept."""
        subject = await self._identities.subject(realm, sub)
        if subject is None or subject.alias_of is None:
            return subject
        return await self._identities.subject(realm, subject.alias_of)
