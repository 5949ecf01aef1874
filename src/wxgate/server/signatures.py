"""Signatures for JS-SDK pages and cards: made here, so that the ticket never leaves."""

import secrets
from collections.abc import Callable

from wxgate.custody.clients import Client, ClientScope
from wxgate.custody.jsapi import page_url
from wxgate.errors import BadRequest
from wxgate.protocol.signature import card_signature, jsapi_signature
from wxgate.protocol.tokens import TokenKind
from wxgate.server.node import Node
from wxgate.server.requests import Answer, Asked
from wxgate.server.tokens import TokenApi

NONCE_BYTES = 12

CARD_VALUES = ("card_id", "code", "openid", "location_id", "card_type")
"""What may take part in a card's signature besides ticket, time and nonce; `appid` does with `choose=1`."""

VALUE_LIMIT = 128


class SignatureApi:
    """Signs for accounts."""

    def __init__(
        self, node: Node, tokens: TokenApi, nonce: Callable[[int], str] = secrets.token_urlsafe
    ) -> None:
        self._node = node
        self._tokens = tokens
        self._nonce = nonce

    async def sign_page(self, client: Client, asked: Asked) -> Answer:
        """Answer with what wx.config needs on one page."""
        text = asked.parameter("url")
        if not text:
            raise BadRequest("say which page: ?url=, percent-encoded")
        # The key comes first: who may not sign for the account is not told its hosts.
        kept = await self._tokens.account_ticket(
            client, asked, ClientScope.JSAPI_SIGNATURE, TokenKind.JSAPI_TICKET
        )
        url = page_url(text, (await self._node.targets.find(asked.subject)).hosts)
        nonce, timestamp = self._nonce(NONCE_BYTES), self._timestamp()
        signature = jsapi_signature(kept.token.reveal(), nonce, timestamp, url)
        return Answer.of(
            {
                "appId": asked.subject,
                "timestamp": timestamp,
                "nonceStr": nonce,
                "signature": signature,
                "url": url,
            }
        )

    async def sign_card(self, client: Client, asked: Asked) -> Answer:
        """Answer with what wx.addCard needs of one card, or with ?choose=1 what wx.chooseCard needs."""
        given = {name: value for name in CARD_VALUES if (value := asked.parameter(name))}
        if any(len(value) > VALUE_LIMIT for value in given.values()):
            raise BadRequest(f"a value of a card has at most {VALUE_LIMIT} characters")
        if asked.parameter("choose") == "1":
            given["appid"] = asked.subject
        elif "card_id" not in given:
            raise BadRequest("say which card: ?card_id=, or ?choose=1 to let the user choose")
        kept = await self._tokens.account_ticket(client, asked, ClientScope.WX_CARD, TokenKind.WX_CARD)
        nonce, timestamp = self._nonce(NONCE_BYTES), self._timestamp()
        signature = card_signature(kept.token.reveal(), str(timestamp), nonce, *given.values())
        return Answer.of({**given, "timestamp": str(timestamp), "nonce_str": nonce, "signature": signature})

    def _timestamp(self) -> int:
        return int(self._node.clock.now().timestamp())
