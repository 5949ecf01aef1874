"""Everything under /v1: token reads and streams on raw ASGI, ahead of all middleware; all else goes on."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from wxgate.custody.links import reauthorization_link
from wxgate.errors import GatewayError, NotAuthorized, RequestRefused
from wxgate.protocol.tokens import DIRECT_ISSUER
from wxgate.secret import trace_of
from wxgate.server.asgi import ASGIApp, Receive, Scope, Send, client_ip
from wxgate.server.node import Node
from wxgate.server.refusals import NO_SUCH_ROUTE, NOT_ALLOWED, UNEXPECTED, Refusal, refuse
from wxgate.server.requests import Asked, check_appid, send_json
from wxgate.server.signatures import SignatureApi
from wxgate.server.streams import PATH, EventStreams
from wxgate.server.tokens import Endpoint, Gone, TokenApi

log = structlog.get_logger("wxgate.api")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of one appid: the word it is counted under, and who answers which method."""

    name: str
    endpoints: Mapping[str, Endpoint]


class Api:
    """Routes requests under /v1; what is no hot path goes to the fallback."""

    def __init__(self, node: Node, fallback: ASGIApp | None = None) -> None:
        self._node = node
        self._fallback = fallback or self._no_such_route
        self._proxies = node.settings.proxies
        self._counters: dict[tuple[str, str], Counter] = {}
        self._streams = EventStreams(node)
        tokens = TokenApi(node)
        signatures = SignatureApi(node, tokens)
        self._routes = {
            ("accounts", "access-token"): Route("access_token", {"GET": tokens.read_account}),
            ("accounts", "report-invalid"): Route("report_invalid", {"POST": tokens.report_account}),
            ("accounts", "jsapi-ticket"): Route("jsapi_ticket", {"GET": tokens.read_jsapi_ticket}),
            ("accounts", "jsapi-signature"): Route("jsapi_signature", {"GET": signatures.sign_page}),
            ("accounts", "wx-card-ticket"): Route("card_ticket", {"GET": tokens.read_card_ticket}),
            ("accounts", "wx-card-signature"): Route("card_signature", {"GET": signatures.sign_card}),
            ("platforms", "access-token"): Route("component_token", {"GET": tokens.read_platform}),
            ("platforms", "report-invalid"): Route("report_component", {"POST": tokens.report_platform}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == PATH:
            await self._streams(scope, receive, send)
            return
        parts = scope["path"].split("/")
        route = self._routes.get((parts[2], parts[4])) if len(parts) == 5 else None
        if route is None:
            await self._fallback(scope, receive, send)
            return
        asked = Asked(scope, receive, parts[3], client_ip(scope, self._proxies))
        try:
            await self._answer(route, asked, send)
        except Gone:
            self._count(route.name, "gone")

    async def _answer(self, route: Route, asked: Asked, send: Send) -> None:
        endpoint = route.endpoints.get(asked.scope["method"])
        if endpoint is None:
            allowed = ", ".join(route.endpoints).encode()
            await self._refuse(route, NOT_ALLOWED, send, [(b"allow", allowed)])
            return
        client_id, narrow = "", True
        try:
            check_appid(asked.subject)
            client = await self._node.admission.admit(asked.bearer(), asked.ip)
            client_id, narrow = client.id, not client.reach.is_everything
            answer = await endpoint(client, asked)
        except GatewayError as error:
            refusal = refuse(error, self._link(asked, error), narrow=narrow)
            if refusal is UNEXPECTED or not isinstance(error, RequestRefused):
                log.warning("api.refused", route=route.name, account=asked.subject, error=str(error))
            await self._note(client_id, route, asked, refusal.code)
            await self._refuse(route, refusal, send)
        except Gone:
            raise
        except Exception as error:
            log.exception("api.failed", route=route.name, exc_info=False, exception=trace_of(error))
            await self._note(client_id, route, asked, UNEXPECTED.code)
            await self._refuse(route, UNEXPECTED, send)
        else:
            await self._note(client_id, route, asked, answer.outcome)
            self._count(route.name, answer.outcome)
            await send_json(send, answer.status, answer.body, answer.headers)

    async def _note(self, client_id: str, route: Route, asked: Asked, outcome: str) -> None:
        """Write to the audit log what a client did; who was not admitted has been noted there."""
        if client_id:
            await self._node.audit.note(
                client_id,
                route.name,
                issuer=asked.issuer,
                account=asked.subject,
                ip=asked.ip,
                outcome=outcome,
            )

    async def _refuse(
        self, route: Route, refusal: Refusal, send: Send, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        self._count(route.name, refusal.code)
        await send_json(send, refusal.status, refusal.body(), [*refusal.headers(), *(headers or ())])

    def _link(self, asked: Asked, error: GatewayError) -> str:
        """Make the address where the merchant authorises again, if it is known which platform."""
        if isinstance(error, NotAuthorized) and error.link:
            return error.link
        platform = error.platform if isinstance(error, NotAuthorized) else ""
        platform = platform or asked.issuer
        if not platform or platform in (DIRECT_ISSUER, asked.subject):
            return ""
        return reauthorization_link(self._node.settings.public_base_url, platform, asked.subject)

    def _count(self, route: str, outcome: str) -> None:
        counter = self._counters.get((route, outcome))
        if counter is None:
            counter = self._counters[route, outcome] = self._node.metrics.api.labels(route, outcome)
        counter.inc()

    async def _no_such_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count("unknown", NO_SUCH_ROUTE.code)
        await send_json(send, NO_SUCH_ROUTE.status, NO_SUCH_ROUTE.body(), NO_SUCH_ROUTE.headers())
