"""Probes: is the process alive, is it ready for pushes, how old are the tickets."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wxgate import __version__
from wxgate.custody.circuit import CircuitState
from wxgate.server.metrics import CONTENT_TYPE
from wxgate.server.node import Node

BACKLOG_SECONDS = 10.0
"""How old the numbers about deliveries may be."""


class Health:
    """The endpoints machines ask."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counted_at: float | None = None

    async def healthz(self, _: Request) -> Response:
        """Answer that the process runs."""
        now = self._node.clock.now()
        return JSONResponse({"status": "ok", "version": __version__, "now": now.timestamp()})

    async def readyz(self, _: Request) -> Response:
        """Answer whether pushes can be taken, with the age of every platform's ticket.

        A platform whose secrets do not open is named, and takes nobody else out of service.
        """
        if not await self._node.store.ping():
            return JSONResponse({"status": "database_unreachable"}, status_code=503)
        tickets = {}
        for platform in await self._node.store.platforms.list_platforms():
            age = await self._node.tickets.age(platform.appid)
            seconds = None if age.age is None else round(age.age.total_seconds())
            tickets[platform.appid] = {"health": age.health, "age_seconds": seconds}
        stopped = self._stopped()
        if shut := await self._node.store.platforms.list_shut():
            return JSONResponse({"status": "degraded", "degraded": shut, "tickets": tickets, **stopped})
        return JSONResponse({"status": "ready", "tickets": tickets, **stopped})

    def _stopped(self) -> dict[str, object]:
        """List whose tokens are not fetched at present, where there are any."""
        stopped = [
            {
                "issuer": one.scope.issuer,
                "account": one.scope.account,
                "kind": one.scope.kind,
                "until": one.until.isoformat() if one.until else None,
            }
            for one in self._node.guarded.standings()
            if one.state is not CircuitState.CLOSED
        ]
        return {"fetches_stopped": stopped} if stopped else {}

    async def metrics(self, _: Request) -> Response:
        """Answer Prometheus."""
        for platform in await self._node.store.platforms.list_platforms():
            age = await self._node.tickets.age(platform.appid)
            seconds = -1.0 if age.age is None else age.age.total_seconds()
            self._node.metrics.ticket_age.labels(platform.appid).set(seconds)
        self._node.metrics.note_fetches(self._node.guarded.standings())
        await self._count_backlog()
        return Response(self._node.metrics.render(), media_type=CONTENT_TYPE)

    async def _count_backlog(self) -> None:
        """Count what waits for subscribers, not oftener than is useful: a long backlog takes a while."""
        now = time.monotonic()
        if self._counted_at is None or now >= self._counted_at + BACKLOG_SECONDS:
            self._counted_at = now
            backlog = await self._node.store.deliveries.backlog()
            self._node.metrics.note_backlog(backlog, self._node.clock.now())
