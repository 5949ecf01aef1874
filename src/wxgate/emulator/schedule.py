"""The ticket schedule: every ten minutes of the emulator's clock, one push for every platform."""

import asyncio

from wxgate.emulator.acts import Actor
from wxgate.emulator.pushes import Pusher
from wxgate.emulator.world import World

# How long to sleep at most: the emulator's clock may run otherwise than the machine's.
LONGEST_SLEEP = 1.0


class TicketSchedule:
    """Pushes due tickets until it is cancelled; `wake` makes it look again at once."""

    def __init__(self, world: World, actor: Actor, pusher: Pusher) -> None:
        self._world, self._actor, self._pusher = world, actor, pusher
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look again now: the clock has moved, or a platform has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Push what is due, for ever; however far the clock jumps, a platform gets one push."""
        self._world.clock.moved.append(self.wake)
        try:
            while True:
                self._woken.clear()
                self._push_due()
                try:
                    async with asyncio.timeout(self._sleep()):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            self._world.clock.moved.remove(self.wake)

    def _push_due(self) -> None:
        now = self._world.clock.now()
        for platform in self._world.platforms.values():
            if platform.pushing and platform.events_url and now >= platform.next_ticket_at:
                # In a task of its own: a slow or broken receiver must not hold up the others.
                self._pusher.start(self._pusher.deliver(self._actor.make_ticket_push(platform)))

    def _sleep(self) -> float:
        now = self._world.clock.now()
        dues = [each.next_ticket_at - now for each in self._world.platforms.values() if each.pushing]
        return min([LONGEST_SLEEP, *(max(due, 0.01) for due in dues)])
