"""A site in Flask whose visitors log in with WeChat, without OpenID Connect and without wxgate's own code.

GATEWAY is the gateway's address, CLIENT_ID and CLIENT_SECRET are what `wxgate login client add` prints:

    flask --app login_handover run --port 8080
"""

from os import environ
from secrets import compare_digest, token_urlsafe
from urllib.parse import urlencode

import requests
from flask import Flask, abort, jsonify, redirect, request, session
from flask.typing import ResponseReturnValue

GATEWAY, SITE = environ["GATEWAY"], environ.get("SITE", "http://127.0.0.1:8080")
CLIENT = (environ["CLIENT_ID"], environ["CLIENT_SECRET"])

BACK = f"{SITE}/wechat"

app = Flask(__name__)
app.secret_key = environ["SECRET_KEY"]
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=SITE.startswith("https"))


def to_wechat() -> ResponseReturnValue:
    """Keep what the visitor came for, and send them to WeChat."""
    session["state"], session["wanted"] = token_urlsafe(16), request.full_path.removesuffix("?")
    asked = {"return_to": BACK, "state": session["state"]}
    return redirect(f"{GATEWAY}/login/wechat/shop?{urlencode(asked)}")


@app.get("/wechat")
def back() -> ResponseReturnValue:
    """Take the visitor back: ask the gateway who it is, and show what they came for."""
    state, wanted = session.pop("state", ""), session.pop("wanted", "/me")
    if not state or not compare_digest(request.args.get("state", "").encode(), state.encode()):
        abort(400, "This login was not started here.")
    if "error" in request.args:
        abort(400, f"Not logged in: {request.args['error']}")
    given = {"code": request.args.get("wx_code", ""), "return_to": BACK}
    told = requests.post(f"{GATEWAY}/login/redeem", data=given, auth=CLIENT, timeout=10)
    if not told.ok:
        abort(400, f"Not logged in: {told.json()['error']}")
    session.clear()
    session["user"] = told.json()
    return redirect(wanted)


@app.get("/me")
def me() -> ResponseReturnValue:
    """Show who is logged in."""
    return jsonify(session["user"]) if "user" in session else to_wechat()


@app.get("/orders/<int:number>")
def order(number: int) -> ResponseReturnValue:
    """Show a page that only somebody who is logged in sees."""
    return jsonify(order=number, of=session["user"]["sub"]) if "user" in session else to_wechat()
