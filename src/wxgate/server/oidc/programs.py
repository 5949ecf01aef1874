"""The endpoints that programs call: discovery, keys, tokens, userinfo and revocation."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wxgate.errors import OAuthRefused
from wxgate.login.oidc.discovery import describe
from wxgate.login.oidc.requests import Parameters
from wxgate.login.oidc.terms import GrantType, issuer_of
from wxgate.login.oidc.userinfo import read_bearer
from wxgate.login.records import Client
from wxgate.server.login.visits import as_name
from wxgate.server.metrics import Metrics
from wxgate.server.oidc.answers import (
    CORS,
    FORM_TYPE,
    Answer,
    as_json,
    as_public_json,
    in_json,
    preflight,
    read_form,
)
from wxgate.server.oidc.parts import Oidc


class Programs:
    """Answers programs."""

    def __init__(self, oidc: Oidc, metrics: Metrics) -> None:
        self._oidc = oidc
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            *self._route("/.well-known/openid-configuration", "discovery", self._discovery, "GET"),
            *self._route("/jwks.json", "jwks", self._jwks, "GET"),
            *self._route("/token", "token", self._token, "POST"),
            *self._route("/userinfo", "userinfo", self._userinfo, "GET", "POST"),
            *self._route("/revoke", "revoke", self._revoke, "POST"),
        ]

    def _route(self, path: str, name: str, answer: Answer, *methods: str) -> list[Route]:
        def count(result: str) -> None:
            self._metrics.oidc.labels(name, result).inc()

        endpoint = in_json(answer, count, lambda request: issuer_of(self._oidc.base, _realm(request)))
        where = "/oidc/{realm}" + path
        return [
            Route(where, preflight, methods=["OPTIONS"], name=f"oidc_{name}_preflight"),
            Route(where, endpoint, methods=[*methods], name=f"oidc_{name}"),
        ]

    async def _discovery(self, request: Request) -> Response:
        realm = await self._require_realm(request)
        return as_public_json(describe(self._oidc.base, realm))

    async def _jwks(self, request: Request) -> Response:
        realm = await self._require_realm(request)
        return as_public_json(await self._oidc.keyring.published(realm))

    async def _token(self, request: Request) -> Response:
        realm = await self._require_realm(request)
        form = (await read_form(request)).once()
        client = await self._oidc.authentication.require(realm, request.headers.get("authorization"), form)
        redeem = {
            GrantType.AUTHORIZATION_CODE: self._oidc.tokens.redeem,
            GrantType.REFRESH_TOKEN: self._oidc.tokens.refresh,
            GrantType.TOKEN_EXCHANGE: self._oidc.exchange.exchange,
        }
        asked = form.get("grant_type")
        if asked is None:
            raise OAuthRefused("invalid_request", "grant_type is missing")
        if asked not in frozenset(redeem):
            raise OAuthRefused("unsupported_grant_type", f"grant_type is one of {', '.join(redeem)}")
        if asked not in client.grants:
            raise OAuthRefused("unauthorized_client", "this client may not use that grant_type")
        document = await redeem[GrantType(asked)](client, form)
        return _shared(request, client, as_json(document))

    async def _userinfo(self, request: Request) -> Response:
        realm = await self._require_realm(request)
        has_form = request.method == "POST" and FORM_TYPE in request.headers.get("content-type", "")
        form = await read_form(request) if has_form else Parameters.of(())
        token = read_bearer(request.headers.get("authorization"), form.once())
        document = await self._oidc.userinfo.tell(realm, token)
        answer = as_json(document)
        answer.headers.update(CORS)
        return answer

    async def _revoke(self, request: Request) -> Response:
        realm = await self._require_realm(request)
        form = (await read_form(request)).once()
        client = await self._oidc.authentication.require(realm, request.headers.get("authorization"), form)
        await self._oidc.tokens.revoke(client, form)
        return _shared(request, client, as_json({}))

    async def _require_realm(self, request: Request) -> str:
        name = _realm(request)
        if not name or await self._oidc.store.realms.realm(name) is None:
            raise OAuthRefused("invalid_request", "there is no such issuer here", status=404)
        return name


def _realm(request: Request) -> str:
    return as_name(str(request.path_params["realm"]))


def _shared(request: Request, client: Client, answer: Response) -> Response:
    """Let pages of a public client read the answer: those on the origins that its codes are sent to."""
    origin = request.headers.get("origin")
    if origin is None or not client.is_public:
        return answer
    answer.headers["vary"] = "Origin"
    if origin in {origin_of(uri) for uri in client.redirect_uris}:
        answer.headers["access-control-allow-origin"] = origin
    return answer


def origin_of(uri: str) -> str:
    """Write scheme, host and port of an address as browsers do."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}".lower()
