"""One of WeChat's attempts to bring a push: how long it waits, and whether WeChat has hung up.

arrives ──deadline──> answered `success`            the last attempt, or nobody holds retries
             └──────> held ──the reply is there──> answered with it
                        └────WeChat hangs up────> not answered; the next attempt comes
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

ATTEMPTS = 3
"""How often WeChat brings a push."""

Gone: TypeAlias = Callable[[], Awaitable[object]]
"""Returns when the one who sent the push has hung up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: `deadline` by us, `push_timeout` by WeChat."""

    deadline: float = 4.5
    push_timeout: float = 5.0

    @property
    def hold(self) -> float:
        """How long an attempt is kept at most; WeChat has gone before."""
        return 1.2 * self.push_timeout

    @property
    def last_after(self) -> timedelta:
        """How old a push is when the attempt that arrives must be the last one."""
        return timedelta(seconds=1.8 * self.push_timeout)

    @property
    def settled(self) -> timedelta:
        """How old a push is when WeChat's three attempts are over, so that nobody will bring it again."""
        return timedelta(seconds=4 * self.push_timeout)

    def is_last(self, arrivals: int, age: timedelta) -> bool:
        """Tell whether WeChat will not come again after this attempt.

        `arrivals` is its number, as far as was noticed, and `age` how old the push was when it arrived: the
        second comes when the first was given up, the third when the second was.
        """
        return arrivals >= ATTEMPTS or age >= self.last_after


class Attempt:
    """One attempt, from its arrival at `at` on; close it at the end.

    `default` says that the default text is what it carries.
    """

    def __init__(self, patience: Patience, at: datetime, gone: Gone | None = None) -> None:
        self.at = at
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._until = self._began + patience.deadline
        self._hold = patience.hold
        self._hear = gone
        self._gone: asyncio.Task[Any] | None = None
        self.held = False
        self.default = False

    @property
    def over(self) -> bool:
        """Whether there is no time left, or nobody who waits."""
        return self._loop.time() >= self._until or (self._gone is not None and self._gone.done())

    def hold(self) -> None:
        """Keep WeChat waiting past the deadline, until it hangs up."""
        self.held = True
        self._until = self._began + self._hold
        if self._hear is not None:
            self._gone = asyncio.ensure_future(_wait_for(self._hear))

    async def wait(self, event: "asyncio.Future[Any] | None" = None, *, most: float | None = None) -> None:
        """Wait for something until the attempt is over, or for `most` seconds."""
        left = max(0.0, self._until - self._loop.time())
        timeout = left if most is None else min(left, most)
        awaited = [each for each in (event, self._gone) if each is not None]
        if awaited:
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(timeout)

    def close(self) -> None:
        """Stop listening for the hanging up."""
        if self._gone is not None:
            self._gone.cancel()


async def _wait_for(hear: Gone) -> None:
    await hear()
