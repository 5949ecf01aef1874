"""One way of calling WeChat's API: JSON of raw UTF-8 out, one decoder in."""

import json as jsonlib
from collections.abc import Mapping
from typing import Any

from wxgate.client.transport import DEFAULT_TIMEOUT, Request, Transport
from wxgate.protocol.answers import Answer, decode

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class WeChatApi:
    """Calls paths of WeChat's API host and decodes what comes back."""

    def __init__(self, transport: Transport, base_url: str) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes = b"",
        content_type: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        once: bool = False,
    ) -> Answer:
        """Call one path; raise the WeChatError leaf for an errcode, UpstreamError when there is no answer.

        `json` is sent as raw UTF-8, because several APIs refuse escaped text (40033, 47002). A call that
        spends a single-use value is made `once`.
        """
        headers: Mapping[str, str] = {}
        if json is not None:
            body = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
            headers = JSON_HEADERS
        elif content_type is not None:
            headers = {"Content-Type": content_type}
        path = "/" + path.lstrip("/")
        response = await self._transport.send(
            Request(method, self._base_url + path, query or {}, headers, body, timeout, once)
        )
        return decode(response.status, response.body, response.content_type, path=path)
