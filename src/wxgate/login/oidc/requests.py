"""The authorization request, read and judged (OpenID Connect Core 3.1.2, RFC 7636, RFC 9700).

Who asks and where the answer goes is judged first: until both are known to belong together, nothing is sent
anywhere, and the person at the browser reads what is wrong.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from wxgate.errors import AuthorizationRefused, OAuthRefused
from wxgate.login.oidc.terms import ScopeName, read_scope, write_scope
from wxgate.login.records import Acr, Client

LONGEST_CLIENT_ID = 64
LONGEST_STATE = 2048
LONGEST_NONCE = 512

PROMPTS = frozenset({"none", "login", "consent", "select_account"})

NOT_SERVED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
"""Parameters of the specification that change the request in ways we do not follow; none is overlooked."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_APP_HINT = re.compile(r"app:([A-Za-z0-9_.-]{1,64})")

_Refuse: TypeAlias = Callable[[str, str], AuthorizationRefused]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters as they were sent; those without a value count as absent (RFC 6749, 3.1)."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Parameters":
        """Read pairs; of a repeated name no value is believed."""
        given = [(name, value) for name, value in pairs if value]
        names = [name for name, _ in given]
        repeated = frozenset(name for name in names if names.count(name) > 1)
        return cls({name: value for name, value in given if name not in repeated}, repeated)

    def get(self, name: str) -> str | None:
        """Return a parameter's value."""
        return self.values.get(name)

    def once(self) -> Mapping[str, str]:
        """Return all values, or refuse a request that repeats a parameter."""
        if self.repeated:
            raise OAuthRefused("invalid_request", f"given more than once: {', '.join(sorted(self.repeated))}")
        return self.values


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asks of us for the person at the browser."""

    client: str
    redirect_uri: str
    scope: frozenset[str]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    acr: Acr | None = None
    app: str | None = None
    ui_locales: str | None = None
    id_token_hint: str | None = None

    def data(self) -> dict[str, str]:
        """Write what has to be known after the login."""
        values = {
            "client": self.client,
            "redirect_uri": self.redirect_uri,
            "scope": write_scope(self.scope),
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.code_challenge,
        }
        return {name: value for name, value in values.items() if value is not None}


def check_addressee(parameters: Parameters, client: Client | None, realm: str) -> tuple[Client, str]:
    """Return the client and where its answer goes; raise OAuthRefused for what must not be answered there.

    Addresses are compared character by character: anything cleverer has been the way in elsewhere.
    """
    if parameters.repeated & {"client_id", "redirect_uri"}:
        raise OAuthRefused("invalid_request", "client_id and redirect_uri may be given only once")
    if client is None or client.realm != realm or client.disabled_at is not None:
        raise OAuthRefused("unauthorized_client", "there is no such client here")
    redirect_uri = parameters.get("redirect_uri")
    if redirect_uri is None:
        raise OAuthRefused("invalid_redirect_uri", "redirect_uri is missing")
    if redirect_uri not in client.redirect_uris:
        raise OAuthRefused("invalid_redirect_uri", "redirect_uri is not registered for this client")
    return client, redirect_uri


def read_authorization(parameters: Parameters, client: Client, redirect_uri: str) -> AuthorizationRequest:
    """Read a request whose addressee is known; raise AuthorizationRefused, which goes back to the client."""
    state = parameters.get("state")

    def refuse(error: str, description: str) -> AuthorizationRefused:
        kept = state if state is None or len(state) <= LONGEST_STATE else None
        return AuthorizationRefused(error, description, redirect_uri=redirect_uri, state=kept)

    if parameters.repeated:
        raise refuse("invalid_request", f"given more than once: {', '.join(sorted(parameters.repeated))}")
    for name, error in NOT_SERVED.items():
        if name in parameters.values:
            raise refuse(error, f"the parameter {name} is not supported")
    if (response_type := parameters.get("response_type")) != "code":
        error = "invalid_request" if response_type is None else "unsupported_response_type"
        raise refuse(error, "response_type must be code")
    if parameters.get("response_mode") not in (None, "query"):
        raise refuse("invalid_request", "response_mode must be query")
    if "authorization_code" not in client.grants:
        raise refuse("unauthorized_client", "this client may not use authorization codes")
    asked = read_scope(parameters.get("scope") or "")
    if ScopeName.OPENID not in asked:
        raise refuse("invalid_scope", "scope must contain openid")
    for name, longest in (("state", LONGEST_STATE), ("nonce", LONGEST_NONCE)):
        if len(parameters.get(name) or "") > longest:
            raise refuse("invalid_request", f"{name} is longer than {longest} characters")
    prompt = read_scope(parameters.get("prompt") or "")
    if not prompt <= PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise refuse("invalid_request", "prompt is none, or some of login, consent, select_account")
    max_age = parameters.get("max_age")
    if max_age is not None and not re.fullmatch(r"[0-9]{1,9}", max_age):
        raise refuse("invalid_request", "max_age is a number of seconds")
    hint = _APP_HINT.fullmatch(parameters.get("login_hint") or "")
    return AuthorizationRequest(
        client=client.id,
        redirect_uri=redirect_uri,
        scope=asked & (client.scopes | {ScopeName.OPENID}) & frozenset(ScopeName),
        state=state,
        nonce=parameters.get("nonce"),
        code_challenge=_read_challenge(parameters, client, refuse),
        prompt=prompt,
        max_age=None if max_age is None else int(max_age),
        acr=_read_acr(parameters.get("acr_values")),
        app=hint[1] if hint else None,
        ui_locales=parameters.get("ui_locales"),
        id_token_hint=parameters.get("id_token_hint"),
    )


def answer_url(redirect_uri: str, issuer: str, state: str | None, **values: str) -> str:
    """Make the address that an answer is sent to, with the issuer in it (RFC 9207); its own query stays."""
    answer = {**values, **({} if state is None else {"state": state}), "iss": issuer}
    joint = "&" if "?" in redirect_uri else "?"
    return redirect_uri + joint + urlencode(answer)


def _read_challenge(parameters: Parameters, client: Client, refuse: _Refuse) -> str | None:
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None:
            raise refuse("invalid_request", "code_challenge_method comes without code_challenge")
        if client.require_pkce or client.is_public:
            raise refuse("invalid_request", "this client must use PKCE: code_challenge is missing")
        return None
    if method != "S256":
        raise refuse("invalid_request", "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise refuse("invalid_request", "code_challenge is not the base64url of a SHA-256")
    return challenge


def _read_acr(text: str | None) -> Acr | None:
    """Take the first strength that we know: they are in the client's order of preference."""
    known = [Acr(value) for value in (text or "").split() if value in frozenset(Acr)]
    return known[0] if known else None
