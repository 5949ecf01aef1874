"""The calls we make for an account with its access token, whoever that token is from."""

from wxgate.client.api import WeChatApi
from wxgate.client.component import Issued
from wxgate.errors import UpstreamError
from wxgate.secret import AccessToken, JsTicket


class AccountApi:
    """What an account's token is good for; tokens are arguments."""

    def __init__(self, api: WeChatApi) -> None:
        self._api = api

    async def js_ticket(self, token: AccessToken, kind: str) -> Issued[JsTicket]:
        """Fetch a JS-SDK ticket of a type, `jsapi` or `wx_card`; repeated calls give the same one."""
        query = {"access_token": token.reveal(), "type": kind}
        data = (await self._api.call("GET", "/cgi-bin/ticket/getticket", query=query)).data
        ticket = data.get("ticket") if isinstance(data, dict) else None
        seconds = data.get("expires_in") if isinstance(data, dict) else None
        if not isinstance(ticket, str) or not ticket or not isinstance(seconds, int):
            raise UpstreamError("WeChat's answer lacks the ticket or its lifetime", sent=True)
        return Issued(JsTicket(ticket), max(0, seconds))
