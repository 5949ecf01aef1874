"""The sealing keys as an operator handles them: added, made current, and retired, in an order that is safe.

    add       a new key at the end of the ring: it opens                     until every node has it
    lead      it becomes the first: what is written from now on is under it  until everything is sealed anew
    retire    the old one is taken out, once nothing is under it and no node seals with it

What a running node has it tells every few seconds, so that nobody has to guess.
"""

import platform as machine
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wxgate.clock import Clock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError
from wxgate.store.keyfile import change_key_file
from wxgate.store.rotation import NodeKeys, Progress, SqlRotation


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key: how many values are under it, and which running nodes lack it.

    `in_ring` is false for a key that values name and the ring has not.
    """

    name: str
    current: bool
    in_ring: bool
    values: int
    lacked_by: tuple[str, ...]


class Keys:
    """The ring of one gateway; `key_file` is None where the keys come from a setting."""

    def __init__(
        self, vault: Vault, rotation: SqlRotation, clock: Clock, *, holder: str, key_file: Path | None
    ) -> None:
        self._vault = vault
        self._rotation = rotation
        self._clock = clock
        self._holder = holder
        self._key_file = key_file

    async def status(self) -> Sequence[KeyStatus]:
        """List the keys of the ring, current first, then keys that only values name."""
        counts, nodes = await self._rotation.counts(), await self._nodes()
        ring = self._vault.ring.names
        return [
            KeyStatus(
                name,
                current=name == ring[0],
                in_ring=name in ring,
                values=counts.get(name, 0),
                lacked_by=tuple(_called(node) for node in nodes if name not in node.names),
            )
            for name in (*ring, *sorted(counts.keys() - set(ring)))
        ]

    def add(self) -> str:
        """Make a new key, which opens and does not seal yet; return its id."""
        return self._change("add", KeyRing.with_new).keys[-1].name

    async def lead(self, name: str) -> None:
        """Make a key the current one; refused while a running node lacks it."""
        key = self._vault.ring.find(name)
        if lacking := [_called(node) for node in await self._nodes() if key.name not in node.names]:
            raise ConfigError(
                f"key {key.name} is not known yet to {', '.join(lacking)}, which could not read what is "
                "sealed with it; copy the key file there (it is taken up within seconds), or restart it"
            )
        self._change("lead", lambda ring: ring.led_by(name))

    def reseal(self) -> AsyncIterator[Progress]:
        """Seal everything anew under the current key; can be stopped and begun again."""
        return self._rotation.reseal()

    async def retire(self, name: str) -> None:
        """Take a key out of the ring; refused while a value is under it or a node seals with it."""
        key = self._vault.ring.find(name)
        self._vault.ring.without(name)
        if sealing := [_called(node) for node in await self._nodes() if node.names[:1] == (key.name,)]:
            raise ConfigError(
                f"{', '.join(sealing)} still seals with key {key.name}; copy the key file there, "
                "or restart it"
            )
        if left := (await self._rotation.counts()).get(key.name, 0):
            raise ConfigError(f"{left} values are still under key {key.name}; run `wxgate keys rotate` first")
        self._change("retire", lambda ring: ring.without(name))

    async def tell(self) -> None:
        """Tell the other nodes which keys this one has."""
        ring = self._vault.ring
        await self._rotation.tell(NodeKeys(self._holder, machine.node(), ring.names, self._clock.now()))

    async def leave(self) -> None:
        """Tell them that this node ends."""
        await self._rotation.leave(self._holder)

    async def _nodes(self) -> Sequence[NodeKeys]:
        nodes = await self._rotation.nodes(now=self._clock.now())
        return [node for node in nodes if node.holder != self._holder]

    def _change(self, what: str, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
        if self._key_file is None:
            raise ConfigError(
                f"the keys come from WXGATE_KEYS, which a command cannot change ({what}); change the setting "
                "on every node in the order that the operations page gives, and restart"
            )
        change_key_file(self._key_file, change)
        return self._vault.ring


def _called(node: NodeKeys) -> str:
    return f"{node.host} (node {node.holder[:8]})"
