"""Pages of Starlette and FastAPI that need somebody: a decorator and a dependency, beside the middleware.

app.add_middleware(WeChatLogin, issuer=..., client_id=..., client_secret=..., secret_key=..., base_url=...)
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from wxgate.sdk.login.asgi import WeChatLogin
from wxgate.sdk.login.core import Policy
from wxgate.sdk.login.session import Person
from wxgate.sdk.login.visit import Visit

__all__ = ["WeChatLogin", "login_required", "required"]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def login_required(
    mode: str = "silent", *, acr: str | None = None, max_age: float | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Decorate an endpoint that takes the request: it runs only for somebody who is logged in.

    With `mode="consent"` they must have agreed to it, and there is a nickname; `acr` demands a strength of
    proof, and `max_age` that it is no older than so many seconds.
    """
    require = required(mode, acr=acr, max_age=max_age)

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            request = next(one for one in (*args, *kwargs.values()) if isinstance(one, HTTPConnection))
            try:
                await require(request)
            except HTTPException as refused:
                return Response(status_code=refused.status_code)
            if iscoroutinefunction(endpoint):
                return await endpoint(*args, **kwargs)
            return await run_in_threadpool(endpoint, *args, **kwargs)

        return guarded  # type: ignore[return-value] # an endpoint may be async where it was not

    return decorate


def required(
    mode: str = "silent", *, acr: str | None = None, max_age: float | None = None
) -> Callable[[HTTPConnection], Awaitable[Person]]:
    """Make a dependency of FastAPI that is the person who is logged in: `Depends(required())`."""
    policy = Policy.demanding(mode, acr, max_age)

    async def person(request: HTTPConnection) -> Person:
        visit: Visit = request.state.wechat
        visit.instead = await visit.login.run_async(visit.login.demand(visit, policy))
        if visit.instead is not None or visit.person is None:
            # The middleware answers in place of whatever is made of this.
            raise HTTPException(visit.instead.status if visit.instead else 401)
        return visit.person

    return person
