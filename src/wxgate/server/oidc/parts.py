"""The provider's services, each built once for a node."""

from dataclasses import dataclass
from typing import Any, Self

from wxgate.clock import Clock
from wxgate.login.miniprogram import MiniPrograms
from wxgate.login.oidc.arrivals import Arrivals
from wxgate.login.oidc.backchannel import Backchannel
from wxgate.login.oidc.clients import Authentication
from wxgate.login.oidc.exchange import TokenExchange
from wxgate.login.oidc.keys import Keyring
from wxgate.login.oidc.subjects import Subjects
from wxgate.login.oidc.terms import ALGORITHMS, issuer_of
from wxgate.login.oidc.tokens import TokenIssuer
from wxgate.login.oidc.userinfo import UserInfo
from wxgate.login.values import Random
from wxgate.server.metrics import Metrics
from wxgate.server.oidc.messenger import Messenger
from wxgate.server.outgoing import Outgoing
from wxgate.store.login import LoginStore


@dataclass(frozen=True, slots=True)
class Oidc:
    """Everything behind the endpoints of the provider."""

    base: str
    store: LoginStore
    keyring: Keyring
    subjects: Subjects
    authentication: Authentication
    arrivals: Arrivals
    tokens: TokenIssuer
    exchange: TokenExchange
    userinfo: UserInfo
    backchannel: Backchannel

    @classmethod
    def make(
        cls,
        store: LoginStore,
        clock: Clock,
        *,
        public_base_url: str,
        outgoing: Outgoing,
        metrics: Metrics,
        mini_programs: MiniPrograms,
        random: Random,
    ) -> Self:
        """Build the services on a store."""
        keyring = Keyring(store.keys, clock)
        subjects = Subjects(store.identities, store.realms, keyring)
        tokens = TokenIssuer(
            codes=store.codes,
            grants=store.grants,
            sessions=store.sessions,
            subjects=subjects,
            keyring=keyring,
            clock=clock,
            public_base_url=public_base_url,
        )
        return cls(
            public_base_url,
            store,
            keyring,
            subjects,
            Authentication(store.realms),
            Arrivals(
                realms=store.realms,
                codes=store.codes,
                subjects=subjects,
                clock=clock,
                public_base_url=public_base_url,
            ),
            tokens,
            TokenExchange(
                mini_programs=mini_programs,
                sessions=store.sessions,
                tokens=tokens,
                clock=clock,
                random=random,
            ),
            UserInfo(
                realms=store.realms,
                grants=store.grants,
                sessions=store.sessions,
                subjects=subjects,
                clock=clock,
            ),
            Backchannel(
                realms=store.realms,
                grants=store.grants,
                subjects=subjects,
                keyring=keyring,
                messenger=Messenger(outgoing),
                clock=clock,
                public_base_url=public_base_url,
                on_result=lambda result: metrics.oidc.labels("backchannel", result).inc(),
            ),
        )

    async def sign(self, realm: str, claims: dict[str, Any], *, typ: str) -> str:
        """Sign something else than an ID token as the realm; `iss` is put in."""
        told = {"iss": issuer_of(self.base, realm), **claims}
        return await self.keyring.sign(realm, ALGORITHMS[0], told, typ=typ)

    async def tend(self) -> None:
        """Turn the keys of every realm over, where it is time to."""
        for realm in await self.store.realms.realms():
            await self.keyring.tend(realm.name)
