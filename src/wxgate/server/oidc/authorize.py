"""The authorization endpoint: a client's wish becomes a demand at the door.

Until client and address are known to belong together, what is wrong is told on a page; afterwards to the
client, by a redirect with `iss` in it. A POST is turned into a GET first: WeChat, the pages and the session's
cookie all need an address that is opened.
"""

from wxgate.clock import Clock
from wxgate.errors import AuthorizationRefused
from wxgate.login.oidc.requests import (
    LONGEST_CLIENT_ID,
    AuthorizationRequest,
    Parameters,
    answer_url,
    check_addressee,
    read_authorization,
)
from wxgate.login.oidc.terms import ScopeName, issuer_of
from wxgate.login.proofs import keep_terms
from wxgate.login.records import Client, Goal, Purpose
from wxgate.login.visits import Demand, Prompt
from wxgate.server.oidc.parts import Oidc
from wxgate.server.texts import Lang


class AuthorizationRequests:
    """Reads authorization requests into demands."""

    def __init__(self, oidc: Oidc, clock: Clock) -> None:
        self._oidc = oidc
        self._clock = clock

    async def demand(self, realm: str, parameters: Parameters, lang: Lang) -> Demand:
        """Say what a client wants of the door; raise OAuthRefused.

        `lang` is that of the visit: the one the client asks for if it is one of ours, else the browser's.
        """
        client, redirect_uri = check_addressee(parameters, await self._client(parameters), realm)
        asked = read_authorization(parameters, client, redirect_uri)
        data = {"realm": realm, **asked.data()}
        if asked.id_token_hint is not None:
            data["expected_sub"] = await self._expected(realm, client, asked)
        demand = Demand(
            realm=realm,
            goal=Goal(Purpose.OIDC, data),
            app=asked.app,
            prompt=frozenset(Prompt(name) for name in asked.prompt),
            max_age=asked.max_age,
            acr=asked.acr,
            profile=ScopeName.PROFILE in asked.scope,
            lang=lang.value,
            limits=client.limits,
        )
        return keep_terms(demand, self._clock.now())

    def answer(self, realm: str, error: AuthorizationRefused) -> str:
        """Make the address that tells a client of a refusal."""
        issuer = issuer_of(self._oidc.base, realm)
        described = {"error": error.error, "error_description": error.description}
        return answer_url(error.redirect_uri, issuer, error.state, **described)

    async def _client(self, parameters: Parameters) -> Client | None:
        client_id = parameters.get("client_id") or ""
        fit = 0 < len(client_id) <= LONGEST_CLIENT_ID and client_id.isprintable()
        return await self._oidc.store.realms.client(client_id) if fit else None

    async def _expected(self, realm: str, client: Client, asked: AuthorizationRequest) -> str:
        """Read whom the client expects; a hint that is none of our ID tokens for it is refused."""
        claims = await self._oidc.keyring.verify(realm, asked.id_token_hint or "")
        if claims is None or claims.get("aud") != client.id or "sub" not in claims:
            raise AuthorizationRefused(
                "invalid_request",
                "id_token_hint is not an ID token of this issuer for this client",
                redirect_uri=asked.redirect_uri,
                state=asked.state,
            )
        return str(claims["sub"])
