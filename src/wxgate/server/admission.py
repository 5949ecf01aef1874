"""Who may come in: API keys, looked up from memory, with an end to guessing."""

import asyncio
from datetime import timedelta
from typing import NoReturn

import structlog

from wxgate.clock import Clock
from wxgate.custody.audit import Audit
from wxgate.custody.clients import Client, ClientScope, Target, read_key
from wxgate.custody.memory import Memory
from wxgate.custody.ports import ClientStore
from wxgate.custody.targets import require
from wxgate.errors import AddressRefused, KeyRefused, TooManyAttempts
from wxgate.server.limits import Limiter, household

log = structlog.get_logger("wxgate.api")

TRUSTED = timedelta(seconds=2)
"""How long a key is believed: after that a revocation has taken effect on every node."""

MOST_KEYS = 10_000
"""Keys that are remembered, those nobody has among them."""

WRONG_KEYS = 30
WRONG_KEYS_SECONDS = 60.0
"""How many wrong keys one address may show in how long; keys are too long to be guessed, lookups cost."""


class Admission:
    """Admits the holders of API keys."""

    def __init__(self, clients: ClientStore, audit: Audit, clock: Clock) -> None:
        self._clients: Memory[str, Client | None] = Memory(
            clients.load, clock, trusted=TRUSTED, most=MOST_KEYS
        )
        self._wrong = Limiter(WRONG_KEYS, WRONG_KEYS_SECONDS)
        self._audit = audit
        self._clock = clock

    async def admit(self, bearer: str | None, ip: str) -> Client:
        """Return the client whose key this is.

        Raises KeyRefused, AddressRefused, or TooManyAttempts where an address has shown too many wrong keys.
        """
        if not bearer:
            raise KeyRefused("send an API key: `Authorization: Bearer wxg_…`", reason="no_key")
        found = read_key(bearer)
        if found is None:
            raise KeyRefused("this is no API key; one looks like wxg_<id>_<secret>", reason="wrong_key")
        identity, secret = found
        if not self._clients.holds(identity):
            # Whoever guesses has used up his tries; a key that was good a moment ago is not made to wait.
            self._check_guesses(ip)
        client = await self._clients.get(identity)
        if client is None or not client.opens_with(secret):
            await self._refuse_guess(identity, ip)
        if ended := client.ended(self._clock.now()):
            await self._audit.note(client.id, "admission", ip=ip, outcome=f"{ended}_key")
            raise KeyRefused(f"this API key ({client.id}) is {ended}", reason=f"{ended}_key")
        if not client.may_come_from(ip):
            await self._audit.note(client.id, "admission", ip=ip, outcome="address_refused")
            raise AddressRefused(f"this API key ({client.id}) may not be used from {ip or 'this address'}")
        return client

    def require(
        self,
        client: Client,
        scope: ClientScope,
        target: Target | None = None,
        *,
        issuer: str | None = None,
    ) -> None:
        """Raise ScopeMissing that names the first thing the client's key lacks."""
        require(client, scope, target, issuer=issuer)

    def _check_guesses(self, ip: str) -> None:
        if wait := self._wrong.wait(household(ip), asyncio.get_running_loop().time()):
            raise TooManyAttempts("too many wrong API keys from this address", retry_after=wait)

    async def _refuse_guess(self, identity: str, ip: str) -> NoReturn:
        if wait := self._wrong.take(household(ip), asyncio.get_running_loop().time()):
            raise TooManyAttempts("too many wrong API keys from this address", retry_after=wait)
        log.warning("client.wrong_key", id=identity, ip=ip)
        await self._audit.note("", "admission", ip=ip, outcome="wrong_key")
        raise KeyRefused("this API key is wrong", reason="wrong_key")
