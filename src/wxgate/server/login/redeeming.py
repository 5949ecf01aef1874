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

FAILURES_PER_ADDRESS = 60
FAILURE_SECONDS = 60.0
"""How many refused requests an address has before it is told to wait: codes are not found by trying."""


class Redeeming:
    """Serves /login/redeem."""

    def __init__(self, front: LoginFront) -> None:
        self._front = front
        self._handover = front.login.handover
        self._failures = Limiter(FAILURES_PER_ADDRESS, FAILURE_SECONDS)
        pages = front.node.metrics.login_pages
        self.endpoint = in_json(
            self._redeem, lambda word: pages.labels("redeem", word).inc(), lambda _: front.base
        )

    async def _redeem(self, request: Request) -> Response:
        address = household(client_ip(request.scope, self._front.node.settings.proxies))
        if wait := self._failures.wait(address, time.monotonic()):
            raise TooManyAttempts("too many requests were refused; wait a minute", retry_after=wait)
        try:
            form = (await read_form(request)).once()
            client = await self._client(request.headers.get("authorization"), form)
            code = form.get("code", "")
            if not code:
                raise OAuthRefused("invalid_request", "the code is missing")
            told = await self._handover.redeem(
                code,
                client,
                verifier=form.get("code_verifier", ""),
                return_to=form.get("return_to", ""),
            )
        except OAuthRefused:
            self._failures.take(address, time.monotonic())
            raise
        return as_json(told)

    async def _client(self, authorization: str | None, form: Mapping[str, str]) -> Client:
        credentials = read_credentials(authorization, form)
        client = await self._front.login.store.realms.client(credentials.client_id[:64])
        if client is None:
            raise ClientRefused("client authentication failed", basic=credentials.basic)
        return judge(credentials, client, client.realm)
