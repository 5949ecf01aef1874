"""The emulator as an ASGI application: all of WeChat's hosts on one port, told apart by path."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wxgate.emulator import scenarios
from wxgate.emulator.acts import Actor
from wxgate.emulator.api import desk
from wxgate.emulator.api.call import Call, CallLog
from wxgate.emulator.api.component import START_PUSH_TICKET
from wxgate.emulator.api.desk import Answer
from wxgate.emulator.clock import EmulatorClock
from wxgate.emulator.control import Control
from wxgate.emulator.faults import Action, Fault, Faults, Stage
from wxgate.emulator.oauth_pages import OAuthPages
from wxgate.emulator.pages import Pages
from wxgate.emulator.pushes import Pusher
from wxgate.emulator.qr_pages import QrPages
from wxgate.emulator.rendering import Renderer
from wxgate.emulator.schedule import TicketSchedule
from wxgate.emulator.wire import ShowTransport, cut, cut_in_the_middle
from wxgate.emulator.world import World, refusal


class Emulator:
    """The parts of one running emulator, and the way to begin again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults()
        self.calls = CallLog()
        self.pusher = Pusher(world, self.faults)
        self.actor = Actor(world, self.pusher)
        self.schedule = TicketSchedule(world, self.actor, self.pusher)
        self.forgets: list[Callable[[], None]] = []  # what pages remember of the world before a reset
        self.held: list[Callable[[], None]] = [self.faults.remove]  # what makes callers wait

    def let_go(self) -> None:
        """Let go of every caller that waits, so that the end is not held up."""
        for release in self.held:
            release()

    def reset(self, seed: int | None = None, scenario: str | None = None) -> None:
        """Make everything new: the world, the logs, the faults."""
        self.faults.remove()
        self.pusher.clear()
        self.actor.parties.clear()
        self.calls.clear()
        self.world.reset(seed)
        for forget in self.forgets:
            forget()
        if scenario:
            scenarios.play(self.world, scenario)

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Run the ticket schedule for as long as the application lives."""
        schedule = asyncio.create_task(self.schedule.run())
        try:
            yield
        finally:
            schedule.cancel()
            with suppress(asyncio.CancelledError):
                await schedule
            self.let_go()
            await self.pusher.close()


class EmulatorApp(Starlette):
    """The application, inside the layer that shows the connection's transport."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put the layer outermost, where the server's own `send` can be seen."""
        return ShowTransport(super().build_middleware_stack())

    def stopping(self) -> None:
        """Hear that the server will stop, before it waits for the calls under way."""
        emulator: Emulator = self.state.emulator
        emulator.let_go()


def create_app(
    seed: int = 1,
    scenario: str | None = None,
    clock: EmulatorClock | None = None,
    *,
    world: World | None = None,
    lang: str = "zh",
) -> "EmulatorApp":
    """Make the application; its parts are in `app.state.emulator`."""
    emulator = Emulator(world or World(seed, clock))
    if scenario:
        scenarios.play(emulator.world, scenario)
    render = Renderer(lang)
    oauth = OAuthPages(emulator.world, render)
    qr = QrPages(emulator.world, render)
    emulator.forgets += [oauth.clear, qr.wake]
    emulator.held.append(qr.let_go)
    app = EmulatorApp(
        routes=[
            Mount("/_emulator", routes=Control(emulator).routes()),
            *Pages(emulator.world, emulator.actor, emulator.pusher, render).routes(),
            *oauth.routes(),
            *qr.routes(),
            Route("/{path:path}", Api(emulator)),
        ],
        lifespan=emulator.running,
    )
    app.state.emulator = emulator
    return app


class Api:
    """Serves api.weixin.qq.com and strikes the faults that were ordered."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or do what a fault says instead."""
        request = Request(scope, receive)
        world = self._emulator.world
        call = self._emulator.calls.open(
            at=world.clock.now(),
            method=request.method,
            path=request.url.path,
            query=dict(request.query_params),
            body=await request.body(),
            content_type=request.headers.get("content-type", ""),
            ip=request.client.host if request.client else "",
        )
        try:
            await self._answer(call, scope, receive, send)
        finally:
            call.ended_at = world.clock.now()

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        world = self._emulator.world
        fault = self._emulator.faults.for_call(call.path)
        if fault is None:
            await _send(send, desk.answer(world, call))
            if call.path == START_PUSH_TICKET:
                self._emulator.schedule.wake()
            return
        call.fault = fault.id
        if fault.stage is Stage.BEFORE and fault.action is not Action.DELAY:
            await self._strike(fault, call, None, scope, receive, send)
        else:
            await self._do_and_strike(fault, call, scope, receive, send)

    async def _do_and_strike(
        self, fault: Fault, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if fault.stage is Stage.BEFORE:
            await _pause(fault)
        answer = desk.answer(self._emulator.world, call)
        if fault.stage is Stage.MIDDLE:
            await cut_in_the_middle(scope, receive, send, answer.status, answer.body, answer.content_type)
        elif fault.stage is Stage.BEFORE:
            await _send(send, answer)
        else:
            await self._strike(fault, call, answer, scope, receive, send)

    async def _strike(
        self, fault: Fault, call: Call, answer: Answer | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Do what the fault says; `answer` is the one that is due when the work has been done."""
        match fault.action:
            case Action.CUT:
                await cut(scope, receive, send)
            case Action.HANG:
                await _hang(fault, receive)
                await cut(scope, receive, send)
            case Action.STATUS:
                call.status = fault.status
                await _send(send, Answer(b"<html>emulated fault</html>", "text/html", fault.status))
            case Action.ERRCODE:
                refused = refusal(fault.errcode, errmsg=fault.errmsg)
                await _send(send, desk.refuse(self._emulator.world, call, refused))
            case _:
                await _pause(fault)
                await _send(send, answer or desk.answer(self._emulator.world, call))


async def _pause(fault: Fault) -> None:
    """Wait as long as the fault says, or until it is withdrawn."""
    with suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            await fault.released.wait()


async def _hang(fault: Fault, receive: Receive) -> None:
    """Wait until the fault is withdrawn or the caller gives up."""
    gone = asyncio.ensure_future(_disconnected(receive))
    released = asyncio.ensure_future(fault.released.wait())
    try:
        await asyncio.wait((gone, released), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        released.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
