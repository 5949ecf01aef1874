"""What the provider answers to programs: JSON that nobody keeps, and errors in the specifications' words."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import structlog
from starlette.requests import Request
from starlette.responses import Response

from wxgate.errors import (
    BearerRefused,
    ClientRefused,
    GatewayError,
    MalformedPush,
    OAuthRefused,
    PushTooLarge,
    TooManyAttempts,
    told,
)
from wxgate.login.oidc.requests import Parameters
from wxgate.server.asgi import read_body

log = structlog.get_logger("wxgate.login")

FORM_LIMIT = 32 * 1024
MOST_FIELDS = 40

FORM_TYPE = "application/x-www-form-urlencoded"

NO_STORE = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

NOTHING_MORE: Mapping[str, str] = {}

PUBLIC_SECONDS = 300
"""How long others may keep what is the same for everybody; keys are published a day before they sign."""

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate",
}
"""For pages of any site: no cookie counts here, so whoever asks must bring a token or a secret anyhow."""

PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Count: TypeAlias = Callable[[str], None]


def as_json(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] = NOTHING_MORE
) -> Response:
    """Make an answer for this caller only."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, {**NO_STORE, **headers}, "application/json")


def as_public_json(document: Mapping[str, Any]) -> Response:
    """Make an answer that is the same for everybody."""
    answer = as_json(document, headers=CORS)
    answer.headers["cache-control"] = f"public, max-age={PUBLIC_SECONDS}"
    del answer.headers["pragma"]
    return answer


async def preflight(_: Request) -> Response:
    """Answer a browser that asks whether it may ask."""
    return Response(status_code=204, headers=PREFLIGHT)


def in_json(answer: Answer, count: Count, issuer: Callable[[Request], str]) -> Endpoint:
    """Make an endpoint that answers every refusal in JSON, and counts how it went."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await answer(request)
        except OAuthRefused as error:
            count(error.error or "no_token")
            return refusal(error, issuer(request))
        except (PushTooLarge, MalformedPush) as error:
            count("invalid_request")
            status = 413 if isinstance(error, PushTooLarge) else 400
            return as_json({"error": "invalid_request", "error_description": str(error)}, status)
        except TooManyAttempts as error:
            count("too_many")
            wait = {"Retry-After": str(math.ceil(error.retry_after))}
            return as_json({"error": "too_many", "error_description": str(error)}, error.status_hint, wait)
        except GatewayError as error:
            log.warning("oidc.unavailable", path=request.url.path, **told(error))
            count("temporarily_unavailable")
            description = "this cannot be answered at present; try again later"
            return as_json(
                {"error": "temporarily_unavailable", "error_description": description},
                503,
                {"Retry-After": "5"},
            )
        count("ok")
        return response

    return endpoint


def refusal(error: OAuthRefused, issuer: str) -> Response:
    """Answer a refusal the way its specification says (RFC 6749 5.2, RFC 6750 3)."""
    document = {"error": error.error or "invalid_token", "error_description": error.description}
    if isinstance(error, BearerRefused):
        status = 403 if error.error == "insufficient_scope" else error.status_hint
        # Who sent no token at all is told how to, and nothing about errors.
        why = f', error="{error.error}", error_description="{error.description}"' if error.error else ""
        return as_json(document, status, {"WWW-Authenticate": f'Bearer realm="{issuer}"{why}'})
    if isinstance(error, ClientRefused):
        return as_json(document, error.status_hint, {"WWW-Authenticate": f'Basic realm="{issuer}"'})
    return as_json(document, error.status_hint)


async def read_form(request: Request) -> Parameters:
    """Read a form of a POST; anything else that is sent is refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise OAuthRefused("invalid_request", f"send the parameters as {FORM_TYPE}")
    body = await read_body(request.scope, request.receive, FORM_LIMIT)
    return read_pairs(body)


def read_pairs(encoded: bytes) -> Parameters:
    """Read parameters as they are encoded in a form or a query."""
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise OAuthRefused("invalid_request", "the parameters are not understood") from None
    if any("\x00" in name + value for name, value in pairs):
        raise OAuthRefused("invalid_request", "a parameter has a NUL character in it")
    return Parameters.of(pairs)
