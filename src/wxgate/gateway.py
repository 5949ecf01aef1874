"""The library's face: a gateway inside your own application, with handlers by decorator."""

from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from wxgate.clock import Clock
from wxgate.errors import ConfigError
from wxgate.events.handlers import Handler, Handlers
from wxgate.server.app import create_app
from wxgate.server.asgi import ASGIApp
from wxgate.server.calls import Account, Caller
from wxgate.server.node import Node
from wxgate.settings import Settings, load_settings

F = TypeVar("F", bound=Handler)


class Gateway:
    """Receives pushes, answers messages and calls WeChat on behalf of accounts.

    Settings come from the environment (WXGATE_...) and wxgate.env; keyword arguments win. Handlers are
    registered with `on`, the application is `asgi()`; `async with gateway:` opens it without a server, to
    make calls.
    """

    def __init__(
        self, database_url: str | None = None, *, clock: Clock | None = None, **settings: Any
    ) -> None:
        self._overrides = {"database_url": database_url, **settings}
        self._clock = clock
        self._handlers = Handlers()
        self._node: Node | None = None

    def on(self, *names: str | type, accounts: str | Iterable[str] = ()) -> Callable[[F], F]:
        """Register a handler for messages ("text"), events ("event.subscribe"), InfoTypes ("authorized").

        A class such as TextMessage names what it stands for, `event.weapp_audit_*` whatever begins like that,
        and "*", or nothing, everything that has no other handler. The handler asks for what it needs by
        parameter name: message, account, gateway, event, reply. What it returns is the passive reply: a str,
        one of `wxgate.reply`, or None for silence. With `accounts` it is limited to these appids.
        """
        limited = frozenset([accounts] if isinstance(accounts, str) else accounts)

        def register(handler: F) -> F:
            self._handlers.add(names, handler, limited)
            return handler

        return register

    def settings(self, **flags: Any) -> Settings:
        """Load the settings: flags win over what the code said, that over environment and file."""
        given = {name: value for name, value in flags.items() if value is not None}
        return load_settings(**{**self._overrides, **given})

    def asgi(self, settings: Settings | None = None) -> ASGIApp:
        """Make the ASGI application; its lifespan opens the gateway, unless it is open, and closes it."""

        async def open_node() -> Node:
            return self._node or await self._open(settings)

        return create_app(open_node, lambda _: self._close())

    def account(self, appid: str, *, issuer: str | None = None) -> Account:
        """Name an account to act for; `issuer` chooses where several platforms may."""
        return self.node.calls.account(appid, issuer=issuer)

    def platform(self, appid: str) -> Caller:
        """Call WeChat as a platform, with its component token."""
        return self.node.calls.platform(appid)

    @property
    def node(self) -> Node:
        """The open node; raises ConfigError before the gateway is open."""
        if self._node is None:
            raise ConfigError("the gateway is not open; serve gateway.asgi(), or use `async with gateway:`")
        return self._node

    @property
    def is_open(self) -> bool:
        """Whether the gateway is open, so that calls can be made."""
        return self._node is not None

    async def _open(self, settings: Settings | None = None, clock: Clock | None = None) -> Node:
        self._node = await Node.open(
            settings or self.settings(),
            handlers=self._handlers,
            context={"gateway": self},
            clock=clock or self._clock,
        )
        return self._node

    async def _close(self) -> None:
        if (node := self._node) is not None:
            self._node = None
            await node.close()

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
