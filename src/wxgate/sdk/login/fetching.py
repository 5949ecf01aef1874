"""Fetch from the gateway with what Python brings along; any other way of fetching can take its place."""

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, TypeAlias
from urllib.parse import urlencode

from wxgate.sdk.login.oidc import Fetch, Fetched

TIMEOUT_SECONDS = 10.0
MOST_BYTES = 1 << 20

Fetcher: TypeAlias = Callable[[Fetch], Fetched]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: a code or a secret goes where it was meant to go, or nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


def fetch(request: Fetch) -> Fetched:
    """Make a request and wait for its answer; whatever goes wrong on the way is an answer of status 0."""
    data = None if request.form is None else urlencode(request.form).encode()
    # Options take http and https addresses only, and discovery none that is less safe.
    asked = urllib.request.Request(request.url, data, dict(request.headers))  # noqa: S310
    try:
        with _OPENER.open(asked, timeout=TIMEOUT_SECONDS) as answer:
            return Fetched(answer.status, answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return Fetched(error.code, error.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return Fetched(0)
