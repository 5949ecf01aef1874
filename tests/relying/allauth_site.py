"""A site in Django with django-allauth; arguments: the port and a file for its database."""
# ruff: noqa: E402 - Django is set up before anything of it is imported

import sys
from os import environ

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x" * 50,
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    # The tables as they are now, which is faster.
    MIGRATION_MODULES=dict.fromkeys(["auth", "contenttypes", "sessions", "account", "socialaccount"]),
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    LOGIN_REDIRECT_URL="/me",
    ACCOUNT_EMAIL_VERIFICATION="none",
    ACCOUNT_SIGNUP_FIELDS=["username*"],
    SOCIALACCOUNT_LOGIN_ON_GET=True,
    SOCIALACCOUNT_PROVIDERS={
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "wxgate",
                    "name": "WeChat",
                    "client_id": environ["CLIENT_ID"],
                    "secret": environ["CLIENT_SECRET"],
                    "settings": {"server_url": environ["ISSUER"]},
                }
            ],
        }
    },
)
django.setup()

from allauth.socialaccount.models import SocialAccount
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from werkzeug.serving import make_server


def me(request: HttpRequest) -> JsonResponse:
    """Show what the site has learned."""
    known = SocialAccount.objects.get(user=request.user)
    told = known.extra_data
    return JsonResponse({"claims": told.get("id_token", told), "userinfo": told.get("userinfo", told)})


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the site is there."""
    return HttpResponse("ok")


urlpatterns = [path("accounts/", include("allauth.urls")), path("me", me), path("healthz", healthz)]

call_command("migrate", run_syncdb=True, verbosity=0)
make_server("127.0.0.1", int(sys.argv[1]), WSGIHandler(), threaded=True).serve_forever()
