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

app = Flask(__name__)
app.secret_key = environ["SECRET_KEY"]
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=SITE.startswith("https"))


@app.get("/me")
def me() -> ResponseReturnValue:
    """Show who is logged in; whoever is not is sent to WeChat and comes back here."""
    if "wx_code" in request.args or "error" in request.args:
        if not compare_digest(request.args.get("state", ""), session.pop("state", "-")):
            abort(400, "This login was not started here.")
        if "error" in request.args:
            abort(400, f"Not logged in: {request.args['error']}")
        given = {"code": request.args["wx_code"], "return_to": f"{SITE}/me"}
        told = requests.post(f"{GATEWAY}/login/redeem", data=given, auth=CLIENT, timeout=10)
        if not told.ok:
            abort(400, f"Not logged in: {told.json()['error']}")
        session.clear()
        session["user"] = told.json()
        return redirect("/me")
    if "user" not in session:
        session["state"] = token_urlsafe(16)
        asked = {"return_to": f"{SITE}/me", "state": session["state"]}
        return redirect(f"{GATEWAY}/login/wechat/shop?{urlencode(asked)}")
    return jsonify(session["user"])
