"""The emulator's own clock: the machine's time plus an offset, or a time that only moves by hand."""

import time
from collections.abc import Callable


class EmulatorClock:
    """A clock in epoch seconds that can be moved.

    `base` tells the time that runs underneath; everyone in `moved` is called after each move.
    """

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self.offset = 0.0
        self.moved: list[Callable[[], None]] = []

    @classmethod
    def standing(cls, at: float) -> "EmulatorClock":
        """Make a clock that stands still until it is moved."""
        return cls(lambda: at)

    def now(self) -> float:
        """Return the emulator's time."""
        return self._base() + self.offset

    def seconds(self) -> int:
        """Return the emulator's time in whole seconds, as it appears on the wire."""
        return int(self.now())

    def advance(self, seconds: float) -> float:
        """Move forward, or back with a negative number, and return the new time."""
        return self._move(self.offset + seconds)

    def set(self, epoch: float) -> float:
        """Move to a moment and return it."""
        return self._move(epoch - self._base())

    def put_back(self) -> float:
        """Undo every move and return the time that runs underneath."""
        return self._move(0.0)

    def _move(self, offset: float) -> float:
        self.offset = offset
        for tell in self.moved:
            tell()
        return self.now()
