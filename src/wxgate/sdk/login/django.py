"""Log in with WeChat in a Django project.

MIDDLEWARE = [..., "wxgate.sdk.login.django.WeChatLoginMiddleware"]
WXGATE_LOGIN = {"issuer": ..., "client_id": ..., "client_secret": ..., "base_url": ...}

`secret_key` is SECRET_KEY unless it is given. With "users": True whoever logs in is a user of Django too, see
`django_users`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

try:
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("this needs Django: pip install 'wxgate[django]'") from error

from wxgate.sdk.login.addresses import quoted
from wxgate.sdk.login.core import Policy
from wxgate.sdk.login.exchange import MOST_BODY, Answer, Asked
from wxgate.sdk.login.flow import Login, Visit
from wxgate.sdk.login.options import Options

View = TypeVar("View", bound=Callable[..., Any])


class WeChatLoginMiddleware:
    """Take part in every request: `request.wechat` is the Visit, and the pages of a login are served.

    It belongs after SessionMiddleware and AuthenticationMiddleware where "users" is on.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        given = {"secret_key": settings.SECRET_KEY} | dict(settings.WXGATE_LOGIN)
        self._follow = _follower() if given.pop("users", False) else None
        login = given.pop("login", None)
        self.login: Login = login or Login(Options(**given))
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve one request."""
        path = quoted(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.read(MOST_BODY) if self.login.reads_body(request.method, path) else b""
        asked = Asked(request.method, path, request.META.get("QUERY_STRING", ""), headers, body)
        visit, answer = self.login.run(self.login.enter(asked))
        request.wechat = visit
        if self._follow is not None:
            self._follow(request, visit)
        response = self._get_response(request) if answer is None else _response(answer)
        for name, value in visit.headers(has_cache_control=response.has_header("Cache-Control")):
            if name == "Set-Cookie":
                response.cookies.load(value)
            else:
                response[name] = value
        return response


def login_required(
    mode: str = "silent", *, acr: str | None = None, max_age: float | None = None
) -> Callable[[View], View]:
    """Decorate a view: it runs only for somebody who is logged in.

    With `mode="consent"` they must have agreed to it, and there is a nickname; `acr` demands a strength of
    proof, and `max_age` that it is no older than so many seconds.
    """
    policy = Policy.demanding(mode, acr, max_age)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            visit: Visit = request.wechat
            answer = visit.login.run(visit.login.demand(visit, policy))
            return view(request, *args, **kwargs) if answer is None else _response(answer)

        return guarded  # type: ignore[return-value] # wraps keeps the signature, not the type

    return decorate


def _follower() -> Callable[[HttpRequest, Visit], None]:
    # Its models can be imported only where django.contrib.auth is installed.
    from wxgate.sdk.login.django_users import follow

    return follow


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
