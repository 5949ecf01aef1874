"""A site in Flask whose visitors log in with WeChat.

ISSUER, CLIENT_ID and CLIENT_SECRET are what `wxgate login client add` prints, SECRET_KEY is any long text:

    flask --app login_flask run --port 8080
"""

from os import environ

from flask import Flask, g, render_template_string, request

from wxgate.sdk.login.flask import WeChatLogin, login_required

app = Flask(__name__)
WeChatLogin(
    app,
    issuer=environ["ISSUER"],
    client_id=environ["CLIENT_ID"],
    client_secret=environ["CLIENT_SECRET"],
    secret_key=environ["SECRET_KEY"],
    base_url=environ.get("BASE_URL", "http://127.0.0.1:8080"),
)

PAGE = """<!doctype html><html lang="{{ "zh-CN" if zh else "en" }}"><meta charset="utf-8"><title>晨光</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
"""
HOME = """
{% if g.wechat %}
<p>{{ "您好，" if zh else "Hello " }}{{ g.wechat.person.sub }}{{ "。" if zh else "." }}</p>
<a href="{{ g.wechat.logout_url }}">{{ "退出登录" if zh else "Log out" }}</a>
{% else %}
<p>{{ "您好，您还没有登录。" if zh else "Hello, whoever you are." }}</p>
<a href="{{ g.wechat.login_url('/orders') }}">{{ "微信登录" if zh else "Log in" }}</a>
{% endif %}
"""
ORDERS = (
    "<p>{{ '' if zh else 'The orders of ' }}{{ g.wechat.person.sub }}{{ ' 的订单。' if zh else '.' }}</p>"
)
PROFILE = "<p>{{ '您好，' if zh else 'Hello ' }}{{ g.wechat.person.name }}{{ '！' if zh else '!' }}</p>"


def page(body: str) -> str:
    """Make a page that fits a phone, in the visitor's language."""
    chinese = request.headers.get("Accept-Language", "").startswith("zh")
    return render_template_string(PAGE + body, zh=chinese)


@app.get("/")
def home() -> str:
    """Greet anybody, and offer the right button."""
    return page(HOME)


@app.get("/orders")
@login_required()
def orders() -> str:
    """Show what belongs to somebody; in WeChat they are logged in without noticing."""
    return page(ORDERS)


@app.get("/profile")
@login_required("consent")
def profile() -> str:
    """Greet by nickname, which takes the visitor's consent."""
    return page(PROFILE)


@app.post("/pay")
@login_required(max_age=300)
def pay() -> dict[str, str]:
    """Do what needs a fresh proof; the page's script is answered 401 with an address to open."""
    return {"paid_by": g.wechat.person.sub}
