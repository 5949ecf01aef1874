"""Puts the cause in this configuration, and what to do, on what WeChat refuses."""

from collections.abc import Mapping
from typing import Any

import structlog

from wxgate.client.api import WeChatApi
from wxgate.client.transport import DEFAULT_TIMEOUT, Transport
from wxgate.custody.explain import RULES, explain
from wxgate.custody.records import FetchedToken
from wxgate.custody.renewing import TokenSource
from wxgate.custody.situations import Situations
from wxgate.errors import GatewayError, WeChatError
from wxgate.protocol import errcodes
from wxgate.protocol.advice import ADVICE
from wxgate.protocol.answers import Answer
from wxgate.protocol.tokens import DIRECT_ISSUER, TokenKey

log = structlog.get_logger("wxgate.explainer")


class Explainer:
    """Explains errors once each; an explanation that cannot be had in full is given in general words."""

    def __init__(self, situations: Situations) -> None:
        self._situations = situations

    async def explain(self, error: WeChatError, issuer: str = "", account: str = "") -> None:
        """Put an explanation on an error, unless it has one."""
        if error.explanation is not None:
            return
        # For most codes the configuration does not matter, and nothing needs to be looked up.
        if issuer and error.errcode in RULES:
            try:
                situation = await self._situations.gather(issuer, account, path=error.path)
                error.explanation = explain(error, situation)
                return
            except (TimeoutError, GatewayError) as trouble:
                log.warning("explanation.without_facts", errcode=error.errcode, error=str(trouble))
        # Of a code without advice there is nothing to say that WeChat's own text does not.
        if error.errcode in ADVICE:
            error.explanation = errcodes.explain(error)


class ExplainingApi(WeChatApi):
    """The API as platforms and direct accounts call it for themselves, with refusals explained."""

    def __init__(self, transport: Transport, base_url: str, explainer: Explainer) -> None:
        super().__init__(transport, base_url)
        self._explainer = explainer

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes = b"",
        content_type: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        once: bool = False,
    ) -> Answer:
        """Call one path; the body names who calls, and for whom."""
        try:
            return await super().call(
                method,
                path,
                query=query,
                json=json,
                body=body,
                content_type=content_type,
                timeout=timeout,
                once=once,
            )
        except WeChatError as error:
            await self._explainer.explain(error, *_parties(json))
            raise


class ExplainedTokens:
    """A source of tokens whose refusals are explained, whichever API they come from."""

    def __init__(self, source: TokenSource, explainer: Explainer) -> None:
        self._source = source
        self._explainer = explainer

    async def fetch(self, key: TokenKey, *, rejected: str = "") -> FetchedToken:
        """Fetch a new token."""
        try:
            return await self._source.fetch(key, rejected=rejected)
        except WeChatError as error:
            await self._explainer.explain(error, key.issuer, key.account)
            raise


def _parties(json: Any) -> tuple[str, str]:
    """Read the issuer and the account out of a body."""
    named = json if isinstance(json, dict) else {}
    if platform := str(named.get("component_appid", "")):
        return platform, str(named.get("authorizer_appid", ""))
    account = str(named.get("appid", "")) if "secret" in named else ""
    return (DIRECT_ISSUER, account) if account else ("", "")
