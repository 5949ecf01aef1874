"""A site of Django with users: prints who Django takes the visitor for, from login to logout."""
# ruff: noqa: E402 - Django is set up before anything of it is imported

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x" * 50,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_NAME="django",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIGRATION_MODULES={"auth": None, "contenttypes": None},  # The tables as they are now, which is faster.
    AUTHENTICATION_BACKENDS=["wxgate.sdk.login.django_users.WeChatBackend"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "wxgate.sdk.login.django.WeChatLoginMiddleware",
    ],
    WXGATE_LOGIN={},
)
django.setup()

from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.sdk.frameworks import ask_wsgi
from tests.sdk.test_frameworks import PAGE, Client
from tests.sdk.visiting import Site


def who(request: HttpRequest) -> JsonResponse:
    """Tell who Django takes the visitor for."""
    return JsonResponse({"user": str(request.user)})


urlpatterns = [path("", who)]

call_command("migrate", run_syncdb=True, verbosity=0)
site = Site.make()
settings.WXGATE_LOGIN |= {"login": site.login, "users": True}
app = WSGIHandler()
client = Client(site, lambda *asked: ask_wsgi(app, *asked))

client.logs_in(client.get("/wechat/login"))
print(client.get("/").document["user"])
print(client.get("/").document["user"])
client.cookies.pop("__Host-wxlogin-p")
client.logs_in(client.get("/"), sub="u_li")
print(client.get("/").document["user"])
client.send("POST", "/wechat/logout", PAGE)
print(client.get("/").document["user"])
