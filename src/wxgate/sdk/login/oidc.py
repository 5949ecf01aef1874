"""OpenID Connect as a client speaks it: requests that are made and answers that are read, without I/O.

Authorization code flow with PKCE (S256), state, nonce and the issuer in the response (RFC 9207); ID tokens
and logout tokens are verified with the keys that the gateway publishes, by algorithms that both of us know.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha384, sha512
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from wxgate.errors import GatewayError
from wxgate.sdk.login.core import Acr, satisfies
from wxgate.sdk.login.options import Options
from wxgate.sdk.login.session import LONGEST_ID, milliseconds, moment
from wxgate.secret import equal

ALGORITHMS = ("RS256", "ES256")
"""What we verify; a gateway that offers others as well does no harm, and `none` or HS256 are never taken."""

LEEWAY = timedelta(seconds=60)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST_LOGOUT = timedelta(minutes=10)
_HASHES = {"RS256": sha256, "ES256": sha256, "RS384": sha384, "RS512": sha512}


class ProviderFailed(GatewayError):
    """The gateway could not be reached, or what it said is not OpenID Connect; nobody was logged in."""


class TokenInvalid(GatewayError):
    """A token that was not made by our gateway, for us, now and for this login."""


class KeyUnknown(TokenInvalid):
    """The token names a key that we have not seen; the gateway may have published it since."""


class CodeRefused(GatewayError):
    """The gateway did not take the code: it was spent before, or is too old."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request to be made; whoever runs the steps makes it."""

    url: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back; status 0 when nothing did."""

    status: int
    body: bytes = field(default=b"", repr=False)

    def document(self) -> dict[str, Any]:
        """Read the body as a JSON object; anything else is an empty one."""
        try:
            found = json.loads(self.body.decode("utf-8"), strict=False)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the gateway publishes of itself (OpenID Connect Discovery, RFC 8414)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    sends_iss: bool = False

    @classmethod
    def read(cls, answer: Fetched, issuer: str) -> Self:
        """Read a discovery document, which must be of the issuer we asked."""
        found = answer.document()
        if answer.status != 200 or found.get("issuer") != issuer:
            raise ProviderFailed(f"{issuer} does not answer as an OpenID provider of that name")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        addresses = {name: _address(found, name, issuer) for name in needed}
        if not all(addresses.values()):
            raise ProviderFailed(f"{issuer} does not name its endpoints, or not by https")
        offered = _texts(found, "id_token_signing_alg_values_supported", ALGORITHMS)
        return cls(
            issuer,
            **addresses,
            userinfo_endpoint=_address(found, "userinfo_endpoint", issuer),
            end_session_endpoint=_address(found, "end_session_endpoint", issuer),
            algorithms=tuple(one for one in ALGORITHMS if one in offered),
            auth_methods=_texts(found, "token_endpoint_auth_methods_supported", ("client_secret_basic",)),
            sends_iss=found.get("authorization_response_iss_parameter_supported") is True,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login under way: what the browser keeps, sealed, until it comes back.

    `checked` is the subject whose session is only being checked. `done` stays when it has come to an end, so
    that a browser that goes back to the callback is not asked to log in again.
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    return_to: str
    began_at: datetime
    silent: bool = False
    acr: str = ""
    max_age: int | None = None
    profile: bool = False
    restarts: int = 0
    done: bool = False

    @property
    def mark(self) -> str:
        """What the attempt's cookie is named by."""
        return self.state[:8]

    def written(self) -> dict[str, Any]:
        """Write the attempt as JSON has it."""
        return {
            "s": self.state,
            "n": self.nonce,
            "v": self.verifier,
            "r": self.return_to,
            "t": milliseconds(self.began_at),
            "q": self.silent,
            "a": self.acr,
            "m": self.max_age,
            "p": self.profile,
            "x": self.restarts,
            "d": self.done,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Read what was written."""
        return cls(
            state=fields["s"],
            nonce=fields["n"],
            verifier=fields["v"],
            return_to=fields["r"],
            began_at=moment(fields["t"]),
            silent=fields["q"],
            acr=fields["a"],
            max_age=fields["m"],
            profile=fields["p"],
            restarts=fields["x"],
            done=fields["d"],
        )


def authorization_url(metadata: Metadata, options: Options, attempt: Attempt, *, fresh: bool = False) -> str:
    """Make the address that begins a login; `fresh` asks for a new proof even of somebody known."""
    scopes = ["openid", *(["profile"] if attempt.profile else []), *options.scopes]
    challenge = sha256(attempt.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": options.client_id,
        "redirect_uri": options.redirect_uri,
        "scope": " ".join(dict.fromkeys(scopes)),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": _base64url(challenge),
        "code_challenge_method": "S256",
        "prompt": "none" if attempt.silent else "login" if fresh else "",
        "acr_values": attempt.acr,
        "max_age": "" if attempt.max_age is None else str(attempt.max_age),
        "login_hint": f"app:{options.app}" if options.app else "",
    }
    return _with_query(metadata.authorization_endpoint, query)


def logout_url(metadata: Metadata, options: Options, id_token: str) -> str:
    """Make the address where the gateway's session ends too (RP-initiated logout); empty if it has none."""
    if not metadata.end_session_endpoint:
        return ""
    query = {
        "id_token_hint": id_token,
        "client_id": options.client_id,
        "post_logout_redirect_uri": f"{options.origin}{options.root}{options.after_logout}",
    }
    return _with_query(metadata.end_session_endpoint, query)


def token_request(metadata: Metadata, options: Options, code: str, verifier: str) -> Fetch:
    """Make the request that exchanges a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": options.redirect_uri,
        "code_verifier": verifier,
    }
    headers = {"accept": "application/json"}
    if not options.client_secret:
        form["client_id"] = options.client_id
    elif "client_secret_basic" in metadata.auth_methods:
        pair = f"{quote(options.client_id, safe='')}:{quote(options.client_secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": options.client_id, "client_secret": options.client_secret}
    return Fetch(metadata.token_endpoint, form, headers)


def read_tokens(answer: Fetched) -> tuple[str, str]:
    """Read the ID token and the access token that came for a code."""
    document = answer.document()
    id_token, access_token = document.get("id_token"), document.get("access_token")
    if answer.status == 200 and isinstance(id_token, str) and isinstance(access_token, str):
        return id_token, access_token
    error = document.get("error")
    if error == "invalid_grant":
        raise CodeRefused("the gateway refused the code as spent or expired")
    if error == "invalid_client":
        raise ProviderFailed("the gateway refuses client_id and client_secret; compare them with its client")
    raise ProviderFailed(f"the token endpoint answered {answer.status} {word(error)}".rstrip())


def userinfo_request(metadata: Metadata, access_token: str) -> Fetch:
    """Make the request for what the gateway knows of a person."""
    headers = {"accept": "application/json", "authorization": f"Bearer {access_token}"}
    return Fetch(metadata.userinfo_endpoint, headers=headers)


def read_keys(answer: Fetched) -> KeySet:
    """Read the gateway's public keys; those that are not for signatures, or not public, are left out."""
    found = answer.document().get("keys")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    usable = [one for one in listed if one.get("kty") in ("RSA", "EC") and one.get("use", "sig") == "sig"]
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError) as error:
        raise ProviderFailed("the gateway's keys (jwks_uri) cannot be read") from error


def verify_id_token(
    token: str,
    keys: KeySet,
    metadata: Metadata,
    options: Options,
    attempt: Attempt,
    *,
    access_token: str,
    now: datetime,
) -> dict[str, Any]:
    """Verify the ID token of a login and return its claims."""
    header, claims = _verified(token, keys, metadata, options, now)
    sub, nonce = claims.get("sub"), claims.get("nonce")
    if not isinstance(sub, str) or not 0 < len(sub) <= LONGEST_ID:
        raise TokenInvalid("the ID token names nobody (sub)")
    if not isinstance(nonce, str) or not equal(nonce, attempt.nonce):
        raise TokenInvalid("the ID token is of another login (nonce)")
    at_hash = claims.get("at_hash")
    if at_hash is not None and not _is_hash(at_hash, access_token, header["alg"]):
        raise TokenInvalid("the access token is not the one of the ID token (at_hash)")
    if attempt.max_age is not None:
        oldest = now - timedelta(seconds=attempt.max_age) - LEEWAY
        if _moment(claims, "auth_time") < oldest:
            raise TokenInvalid("the proof is older than was asked for (auth_time)")
    if attempt.acr and not satisfies(str(claims.get("acr", "")), Acr(attempt.acr)):
        raise TokenInvalid("the proof is weaker than was asked for (acr)")
    return claims


def verify_logout_token(
    token: str, keys: KeySet, metadata: Metadata, options: Options, now: datetime
) -> dict[str, Any]:
    """Verify a logout token (OpenID Connect Back-Channel Logout) and return its claims."""
    header, claims = _verified(token, keys, metadata, options, now)
    if str(header.get("typ", "logout+jwt")).lower().removeprefix("application/") not in ("logout+jwt", "jwt"):
        raise TokenInvalid("that is no logout token (typ)")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenInvalid("that is no logout token (events)")
    if "nonce" in claims:
        raise TokenInvalid("a logout token has no nonce; this is an ID token")
    if not any(isinstance(claims.get(name), str) and claims[name] for name in ("sid", "sub")):
        raise TokenInvalid("the logout token names neither a session nor a person")
    if _moment(claims, "iat") < now - OLDEST_LOGOUT:
        raise TokenInvalid("the logout token is too old (iat)")
    return claims


def _verified(
    token: str, keys: KeySet, metadata: Metadata, options: Options, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check what all tokens have in common: the signature, and who made them for whom and when."""
    try:
        unverified = jws.extract_compact(token.encode()).headers()
        if unverified.get("alg") not in metadata.algorithms:
            raise TokenInvalid("the token is signed in a way that is not allowed (alg)")
        read = jwt.decode(token, keys, algorithms=list(metadata.algorithms))
    except InvalidKeyIdError as error:
        raise KeyUnknown("the token names an unknown key (kid)") from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenInvalid("the token's signature does not hold") from error
    claims = read.claims
    if claims.get("iss") != metadata.issuer:
        raise TokenInvalid("the token is of another issuer (iss)")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if options.client_id not in audiences:
        raise TokenInvalid("the token is for another client (aud)")
    azp = claims.get("azp", None if len(audiences) > 1 else options.client_id)
    if azp != options.client_id:
        raise TokenInvalid("the token was made for another client (azp)")
    if _moment(claims, "exp") <= now - LEEWAY:
        raise TokenInvalid("the token has expired (exp)")
    if _moment(claims, "iat") > now + LEEWAY:
        raise TokenInvalid("the token is of the future (iat); compare the clocks")
    return dict(read.header), claims


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenInvalid(f"the token does not say when ({name})")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise TokenInvalid(f"the token names no moment ({name})") from error


def _is_hash(at_hash: object, access_token: str, algorithm: str) -> bool:
    digest = _HASHES[algorithm](access_token.encode()).digest()
    return isinstance(at_hash, str) and equal(at_hash, _base64url(digest[: len(digest) // 2]))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _with_query(url: str, query: Mapping[str, str]) -> str:
    written = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
    return f"{url}{'&' if '?' in url else '?'}{written}"


def _address(found: Mapping[str, Any], name: str, issuer: str) -> str:
    """Read an endpoint; one that is less safe than the issuer's own address does not count."""
    url = found.get(name)
    if not isinstance(url, str):
        return ""
    scheme = urlsplit(url).scheme
    return url if scheme == "https" or (scheme == "http" and issuer.startswith("http://")) else ""


def _texts(found: Mapping[str, Any], name: str, otherwise: Sequence[str]) -> tuple[str, ...]:
    listed = found.get(name)
    return tuple(map(str, listed)) if isinstance(listed, list) and listed else tuple(otherwise)


def word(error: object) -> str:
    """Show an error word of somebody else's, if it looks like one."""
    return error if isinstance(error, str) and error.replace("_", "").isalnum() and len(error) < 60 else ""
