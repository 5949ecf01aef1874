"""A site in Flask whose visitors log in with WeChat.

ISSUER, CLIENT_ID and CLIENT_SECRET are what `wxgate login client add` prints, SECRET_KEY is any long text:

    flask --app login_flask run --port 8080
"""

from os import environ

from flask import Flask, g, render_template_string

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

HOME = """
{% if g.wechat %}<p>Hello {{ g.wechat.person.sub }}.</p><a href="{{ g.wechat.logout_url }}">Log out</a>
{% else %}<p>Hello, whoever you are.</p><a href="{{ g.wechat.login_url('/orders') }}">Log in</a>{% endif %}
"""


@app.get("/")
def home() -> str:
    """Greet anybody, and offer the right button."""
    return render_template_string(HOME)


@app.get("/orders")
@login_required()
def orders() -> str:
    """Show what belongs to somebody; in WeChat they are logged in without noticing."""
    return render_template_string("<p>The orders of {{ g.wechat.person.sub }}.</p>")


@app.get("/profile")
@login_required("consent")
def profile() -> str:
    """Greet by nickname, which takes the visitor's consent."""
    return render_template_string("<p>Hello {{ g.wechat.person.name }}!</p>")


@app.post("/pay")
@login_required(max_age=300)
def pay() -> dict[str, str]:
    """Do what needs a fresh proof; the page's script is answered 401 with an address to open."""
    return {"paid_by": g.wechat.person.sub}
