"""What an account answers in the chat to a scan of a login; all other scans are the business's."""

from wxgate.login.scans import ScanLogins
from wxgate.protocol.messages import Message
from wxgate.protocol.replies import Text
from wxgate.server.login.scan_texts import chat_reply


class ScanChat:
    """Answers scans."""

    def __init__(self, scans: ScanLogins, public_base_url: str) -> None:
        self._scans = scans
        self._base = public_base_url

    async def reply(self, appid: str, message: Message) -> Text | None:
        """Take a message that WeChat pushed; return what to answer, None for what is no scan of ours."""
        found = await self._scans.heard(appid, message)
        if found is None:
            return None
        scan, heard = found
        return chat_reply(scan, heard, f"{self._base}/login/scan/confirm/{scan.id}")
