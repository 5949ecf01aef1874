"""A clock for development: runs with the emulator's, so that moving its clock moves ours."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import structlog

from wxgate.client.transport import HttpTransport, Request
from wxgate.clock import ShiftedClock, SystemClock
from wxgate.errors import UpstreamError

log = structlog.get_logger("wxgate.clock")

LOOK_EVERY_SECONDS = 0.2


class FollowedClock(ShiftedClock):
    """The system clock, moved by what the emulator says."""

    def __init__(self, transport: HttpTransport, emulator_url: str) -> None:
        super().__init__()
        self._transport = transport
        self._url = emulator_url.rstrip("/") + "/_emulator/clock"

    async def look(self) -> None:
        """Read the emulator's clock once."""
        with contextlib.suppress(UpstreamError, ValueError, KeyError):
            response = await self._transport.send(Request("GET", self._url, timeout=2.0))
            now = datetime.fromtimestamp(float(json.loads(response.body)["now"]), UTC)
            offset = now - SystemClock().now()
            if abs(offset - self.offset) > timedelta(seconds=1):
                log.info("clock.moved", offset_seconds=round(offset.total_seconds()))
            self.offset = offset

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
