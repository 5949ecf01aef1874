"""A third-party platform as many were written: Flask and wechatpy, which share no line with us."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, request
from wechatpy import parse_message  # type: ignore[import-untyped,unused-ignore]
from wechatpy.client import WeChatComponentClient  # type: ignore[import-untyped,unused-ignore]
from wechatpy.component import WeChatComponent  # type: ignore[import-untyped,unused-ignore]
from wechatpy.replies import TextReply  # type: ignore[import-untyped,unused-ignore]
from werkzeug.serving import make_server


class Platform:
    """The routes; `forgetful` is how the first version usually looks: it knows the text and not the code."""

    def __init__(self, wechat: str, appid: str, secret: str, token: str, aes_key: str) -> None:
        self.forgetful = False
        self.component = WeChatComponent(appid, secret, token, aes_key)
        self.component.API_BASE_URL = f"{wechat}/cgi-bin"
        self.base_url = f"{wechat}/cgi-bin/"
        self.app = Flask("platform")
        self.app.add_url_rule("/events", view_func=self.events, methods=["POST"])
        self.app.add_url_rule("/messages/<appid>", view_func=self.messages, methods=["POST"])

    def events(self) -> str:
        """Take in a ticket, or an authorization, whose code wechatpy exchanges at once."""
        self.component.parse_message(request.data, *self._signed())
        return "success"

    def messages(self, appid: str) -> str:
        """Answer a message of one account."""
        message = parse_message(self.component.crypto.decrypt_message(request.data, *self._signed()))
        content = f"{message.event.upper()}from_callback" if message.type == "event" else message.content
        if content == "TESTCOMPONENT_MSG_TYPE_TEXT":
            content += "_callback"
        if content.startswith("QUERY_AUTH_CODE:"):
            if not self.forgetful:
                code = content.removeprefix("QUERY_AUTH_CODE:")
                threading.Thread(target=self._write, args=(appid, message.source, code)).start()
            return ""
        reply = TextReply(content=content, message=message).render()
        sealed: str = self.component.crypto.encrypt_message(reply, request.args["nonce"])
        return sealed

    def _write(self, appid: str, openid: str, code: str) -> None:
        granted = self.component.query_auth(code)["authorization_info"]
        client = WeChatComponentClient(appid, self.component, granted["authorizer_access_token"])
        client.API_BASE_URL = self.base_url
        client.message.send_text(openid, f"{code}_from_api")

    def _signed(self) -> tuple[Any, ...]:
        return tuple(request.args[name] for name in ("msg_signature", "timestamp", "nonce"))


@contextmanager
def serving(platform: Platform) -> Iterator[str]:
    """Serve it in a thread of its own."""
    server = make_server("127.0.0.1", 0, platform.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
