"""A site in Django, in one file, whose visitors log in with WeChat.

ISSUER, CLIENT_ID and CLIENT_SECRET are what `wxgate login client add` prints, SECRET_KEY is any long text:

    python login_django.py runserver 8080
"""

import sys
from os import environ

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt

from wxgate.sdk.login.django import login_required

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=environ["SECRET_KEY"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "wxgate.sdk.login.django.WeChatLoginMiddleware"],
    WXGATE_LOGIN={
        "issuer": environ["ISSUER"],
        "client_id": environ["CLIENT_ID"],
        "client_secret": environ["CLIENT_SECRET"],
        "base_url": environ.get("BASE_URL", "http://127.0.0.1:8080"),
    },
)
django.setup()


PAGE = """<!doctype html><html lang="{}"><meta charset="utf-8"><title>晨光</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
{}"""


def page(request: HttpRequest, zh: str, en: str, *values: str) -> HttpResponse:
    """Make a page that fits a phone, in the visitor's language."""
    chinese = request.headers.get("Accept-Language", "").startswith("zh")
    body = format_html(zh if chinese else en, *values)
    return HttpResponse(format_html(PAGE, "zh-CN" if chinese else "en", body))


def home(request: HttpRequest) -> HttpResponse:
    """Greet anybody, and offer the right button."""
    if request.wechat:
        zh, en = '<p>您好，{}。</p><a href="{}">退出登录</a>', '<p>Hello {}.</p><a href="{}">Log out</a>'
        return page(request, zh, en, request.wechat.person.sub, request.wechat.logout_url)
    zh = '<p>您好，您还没有登录。</p><a href="{}">微信登录</a>'
    en = '<p>Hello, whoever you are.</p><a href="{}">Log in</a>'
    return page(request, zh, en, request.wechat.login_url("/orders"))


@login_required()
def orders(request: HttpRequest) -> HttpResponse:
    """Show what belongs to somebody; in WeChat they are logged in without noticing."""
    return page(request, "<p>{} 的订单。</p>", "<p>The orders of {}.</p>", request.wechat.person.sub)


@login_required("consent")
def profile(request: HttpRequest) -> HttpResponse:
    """Greet by nickname, which takes the visitor's consent."""
    return page(request, "<p>您好，{}！</p>", "<p>Hello {}!</p>", request.wechat.person.name)


@csrf_exempt  # This little site has no forms; yours keeps Django's protection.
@login_required(max_age=300)
def pay(request: HttpRequest) -> JsonResponse:
    """Do what needs a fresh proof; the page's script is answered 401 with an address to open."""
    return JsonResponse({"paid_by": request.wechat.person.sub})


urlpatterns = [path("", home), path("orders", orders), path("profile", profile), path("pay", pay)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
