"""Wires that can be cut: small TCP proxies between the nodes and all that they talk to."""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from types import TracebackType
from typing import Self

CHUNK = 65536


class Wire(StrEnum):
    """What a wire does at present."""

    OPEN = "open"
    CUT = "cut"
    """Connections are reset, and new ones too."""
    SILENT = "silent"
    """Nothing passes and nobody is told; on repair the connections of that time are reset."""
    SLOW = "slow"
    """Every piece is late by `DELAY` seconds."""
    HELD = "held"
    """Nothing passes until the wire is open again; then all of it does, and nobody has noticed."""


DELAY = 0.15


class _Pair:
    """One connection through a wire."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.forgotten = False

    def reset(self) -> None:
        for side in (self.near, self.far):
            side.transport.abort()


class Link:
    """A port that leads to another one, as long as the wire holds.

    `source` is the address it connects from, which tells its other end who is calling; `latency` is how
    long each piece is under way even when all is well, in seconds.
    """

    def __init__(self, target: tuple[str, int], *, source: str | None = None, latency: float = 0.0) -> None:
        self.wire = Wire.OPEN
        self._latency = latency
        self._target = target
        self._source = source
        self._pairs: set[_Pair] = set()
        self._forgotten: set[_Pair] = set()
        self._ended = asyncio.Event()
        self._waiting: set[asyncio.StreamWriter] = set()
        self._mended = asyncio.Event()
        self._mended.set()
        self._pieces_held = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._ended.set()
        self._pairs |= self._forgotten
        self.reset()
        self._mended.set()
        # One more turn, so that the connections' own tasks end before the loop does.
        await asyncio.sleep(0.01)

    @property
    def holds(self) -> bool:
        """Whether anything waits for the wire to be open again."""
        return self._pieces_held > 0 or bool(self._waiting)

    def set(self, wire: Wire) -> None:
        """Change the wire's state."""
        before, self.wire = self.wire, wire
        if wire is Wire.CUT or before is Wire.SILENT:
            self.reset()
        if wire in (Wire.SILENT, Wire.HELD):
            self._mended.clear()
        else:
            self._mended.set()

    def forget(self) -> None:
        """Let the connections of now hang for ever, as a firewall does that has lost its state."""
        for pair in self._pairs:
            pair.forgotten = True
        self._forgotten |= self._pairs
        self._pairs.clear()

    def reset(self) -> None:
        """Reset every connection."""
        for pair in self._pairs:
            pair.reset()
        for writer in self._waiting:
            writer.transport.abort()
        self._pairs.clear()

    async def _targets(self) -> Sequence[tuple[str, int]]:
        return [self._target]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._waiting.add(writer)
        try:
            await self._mended.wait()
            if self.wire is Wire.CUT or writer.transport.is_closing():
                writer.transport.abort()
                return
            far = await self._connect()
        finally:
            self._waiting.discard(writer)
        if far is None:
            writer.transport.abort()
            return
        pair = _Pair(writer, far[1])
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pipe(pair, reader, far[1]), self._pipe(pair, far[0], writer))
        finally:
            self._pairs.discard(pair)
            pair.near.close()
            pair.far.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        local = (self._source, 0) if self._source else None
        for host, port in await self._targets():
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, port, local_addr=local)
        return None

    async def _pipe(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                data = await reader.read(CHUNK)
                if pair.forgotten:
                    # Neither data nor the end of it gets through.
                    await self._ended.wait()
                if not data:
                    break
                self._pieces_held += 1
                try:
                    await self._mended.wait()
                finally:
                    self._pieces_held -= 1
                if late := DELAY if self.wire is Wire.SLOW else self._latency:
                    await asyncio.sleep(late)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.transport.abort()


class Front(Link):
    """The load balancer: each connection goes to the next node, a dead one's to the one after it.

    `blind` takes that courtesy away, so that the caller meets the dead; `only` leads all to one node.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]]) -> None:
        super().__init__(nodes[0])
        self._nodes = nodes
        self._turns = count()
        self.blind = False
        self.only: int | None = None

    async def _targets(self) -> Sequence[tuple[str, int]]:
        if self.only is not None:
            return [self._nodes[self.only]]
        first = next(self._turns) % len(self._nodes)
        every = [*self._nodes[first:], *self._nodes[:first]]
        return every[:1] if self.blind else every
