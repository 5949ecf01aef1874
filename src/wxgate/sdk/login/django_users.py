"""Let Django's own users follow whoever is logged in with WeChat.

AUTHENTICATION_BACKENDS = ["wxgate.sdk.login.django_users.WeChatBackend", ...]
WXGATE_LOGIN = {..., "users": True}

A user is named by `sub` and made at the first login. The middleware belongs after AuthenticationMiddleware.
"""

from typing import Any

from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from wxgate.sdk.login.session import Person
from wxgate.sdk.login.visit import Visit

BACKEND = "wxgate.sdk.login.django_users.WeChatBackend"


class WeChatBackend(ModelBackend):  # type: ignore[misc] # Django has no types
    """Make a user of whoever the middleware has logged in; nobody else comes in this way."""

    def authenticate(self, request: HttpRequest, wechat: Person | None = None, **_: Any) -> Any:
        """Return the user of a person, made at the first login."""
        if wechat is None:
            return None
        users = get_user_model()
        user, _ = users.objects.get_or_create(**{users.USERNAME_FIELD: wechat.sub})
        return user if self.user_can_authenticate(user) else None


def follow(request: HttpRequest, visit: Visit) -> None:
    """Let Django's user follow the person: logged in and out with them, and never somebody else."""
    ours = request.session.get(auth.BACKEND_SESSION_KEY) == BACKEND
    if visit.person is None:
        if ours:
            auth.logout(request)
        return
    if ours and request.user.is_authenticated and request.user.get_username() == visit.person.sub:
        return
    user = auth.authenticate(request, wechat=visit.person)
    if user is not None:
        auth.login(request, user)
