"""Log in with WeChat in a Flask application.

WeChatLogin(app, issuer=..., client_id=..., client_secret=..., secret_key=..., base_url=...)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

try:
    from flask import Flask, Response, current_app, g, request
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("this needs Flask: pip install 'wxgate[flask]'") from error

from wxgate.sdk.login.addresses import quoted
from wxgate.sdk.login.core import Policy
from wxgate.sdk.login.exchange import MOST_BODY, Answer, Asked
from wxgate.sdk.login.flow import Login, Visit
from wxgate.sdk.login.options import Options

View = TypeVar("View", bound=Callable[..., Any])


class WeChatLogin:
    """Extend an application: `g.wechat` is the Visit, and the pages of a login are served."""

    def __init__(self, app: Flask | None = None, *, login: Login | None = None, **options: Any) -> None:
        self.login = login or Login(Options(**options))
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Take part in every request of an application."""
        app.before_request(self._enter)
        app.after_request(self._leave)

    def _enter(self) -> Response | None:
        path = quoted(request.root_path + request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = b""
        if self.login.reads_body(request.method, path):
            body = request.stream.read(MOST_BODY)
        asked = Asked(request.method, path, request.query_string.decode("latin-1"), headers, body)
        g.wechat, answer = self.login.run(self.login.enter(asked))
        return None if answer is None else _response(answer)

    def _leave(self, response: Response) -> Response:
        visit: Visit | None = g.get("wechat")
        if visit is not None:
            for name, value in visit.headers(has_cache_control="Cache-Control" in response.headers):
                response.headers.add(name, value)
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
        def guarded(*args: Any, **kwargs: Any) -> Any:
            visit: Visit = g.wechat
            answer = visit.login.run(visit.login.demand(visit, policy))
            if answer is not None:
                return _response(answer)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return guarded  # type: ignore[return-value] # wraps keeps the signature, not the type

    return decorate


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers[name] = value
    return response
