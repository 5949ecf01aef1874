"""What all authorization pages share: the platform of the address, and answers in the visitor's language."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.responses import RedirectResponse, Response

from wxgate.custody.records import Platform
from wxgate.errors import NotFound
from wxgate.server.node import Node
from wxgate.server.pages import Pages, Referrer, private_headers
from wxgate.server.troubles import Trouble
from wxgate.server.visits import Visit, as_id

Outcome: TypeAlias = tuple[str, Response]
"""The word a visit is counted under, and the answer."""

Answer: TypeAlias = Callable[[Visit], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Onward:
    """The signed way to the tenant's own site, and after how many seconds the browser takes it by itself."""

    url: str
    host: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Restart:
    """How a merchant starts again: on one of our pages, or with the invite that only the merchant has."""

    path: str | None = None
    by_invite: bool = False


class Front:
    """Answers visits."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.base = node.settings.public_base_url
        self._pages = Pages()

    async def platform(self, visit: Visit) -> Platform:
        """Load the platform that the address names."""
        return await self.platform_of(visit.path("platform"))

    async def platform_of(self, appid: str) -> Platform:
        """Load a platform; raise NotFound for what is none of ours."""
        if as_id(appid) is None:
            raise NotFound("this cannot be a platform's appid")
        return await self.node.registry.require_platform(appid)

    def page(
        self,
        visit: Visit,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        referrer: Referrer = Referrer.NONE,
    ) -> Response:
        """Render a page; one that was reached by acting offers no other language, which would act again."""
        switch = None if visit.acts else visit.with_query(lang=visit.lang.other)
        context = {**context, "switch": switch}
        return self._pages.render(template, visit.lang, context, status=status, referrer=referrer)

    def trouble(
        self, visit: Visit, trouble: Trouble, restart: Restart, onward: Onward | None = None
    ) -> Outcome:
        """Say what went wrong and how to go on."""
        context = {"trouble": trouble, "onward": onward, **self.restart(restart)}
        return trouble.name, self.page(visit, "trouble.html", context, status=trouble.status)

    def restart(self, restart: Restart) -> dict[str, Any]:
        """Make what templates need to offer a new start."""
        return {"again": restart.path and self.base + restart.path, "by_invite": restart.by_invite}


def redirect(url: str, referrer: Referrer, status: int = 303) -> Response:
    """Send the browser on."""
    return RedirectResponse(url, status_code=status, headers=private_headers(referrer))


def nothing() -> Response:
    """Answer a HEAD to an address that acts: nothing is done for it."""
    return Response(status_code=204, headers=private_headers(Referrer.NONE))
