"""POST /login/redeem: an application's server learns who came back with a code of ours."""

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from wxgate.errors import ClientRefused, OAuthRefused, TooManyAttempts
from wxgate.login.oidc.clients import judge, read_credentials
from wxgate.login.records import Client
from wxgate.server.asgi import client_ip
from wxgate.server.limits import Limiter, household
from wxgate.server.login.front import LoginFront
from wxgate.server.oidc.answers import as_json, in_json, read_form

FAILURES = 60
FAILURE_SECONDS = 60.0
"""How often an address may fail to be one client before it is told to wait.

A code that is refused does not count: strangers put codes of no worth into an application's addresses, and
the application's server, which all its visitors are behind, asks about each.
"""


class Redeeming:
    """Serves /login/redeem."""

    def __init__(self, front: LoginFront) -> None:
        self._front = front
        self._handover = front.login.handover
        self._failures = Limiter(FAILURES, FAILURE_SECONDS)
        pages = front.node.metrics.login_pages
        self.endpoint = in_json(
            self._redeem, lambda word: pages.labels("redeem", word).inc(), lambda _: front.base
        )

    async def _redeem(self, request: Request) -> Response:
        form = (await read_form(request)).once()
        client = await self._client(request, form)
        code = form.get("code", "")
        if not code:
            raise OAuthRefused("invalid_request", "the code is missing")
        told = await self._handover.redeem(
            code,
            client,
            verifier=form.get("code_verifier", ""),
            return_to=form.get("return_to", ""),
        )
        return as_json(told)

    async def _client(self, request: Request, form: Mapping[str, str]) -> Client:
        """Say which client asks; whoever fails to be it too often is told to wait."""
        credentials = read_credentials(request.headers.get("authorization"), form)
        name = credentials.client_id[:64]
        address = household(client_ip(request.scope, self._front.node.settings.proxies))
        # By client too, for one that is set up wrongly may share an address with one that is not.
        key = f"{address} {name}"
        if wait := self._failures.wait(key, time.monotonic()):
            raise _too_many(wait)
        try:
            client = await self._front.login.store.realms.client(name)
            if client is None:
                raise ClientRefused("client authentication failed", basic=credentials.basic)
            return judge(credentials, client, client.realm)
        except ClientRefused:
            if wait := self._failures.take(key, time.monotonic()):
                raise _too_many(wait) from None
            raise


def _too_many(wait: float) -> TooManyAttempts:
    return TooManyAttempts("client authentication failed too often; wait a minute", retry_after=wait)
