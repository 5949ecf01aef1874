"""What a handler gets as `reply`: a maker of the replies it may return, and of messages besides."""

from typing import Any, Protocol, TypeVar

from wxgate.errors import ConfigError
from wxgate.protocol.custom_messages import SEND_PATH, custom_message
from wxgate.protocol.messages import Message
from wxgate.protocol.replies import (
    Article,
    Image,
    Music,
    News,
    Reply,
    Text,
    TransferCustomerService,
    Video,
    Voice,
    check,
)

R = TypeVar("R", bound=Reply)


class Poster(Protocol):
    """Calls WeChat's API on behalf of the account a message came to."""

    async def post(self, path: str, *, json: Any = None) -> Any:
        """POST JSON to a path."""
        ...


class ReplyMaker:
    """Makes replies, to be returned from a handler; one that WeChat would refuse raises InvalidReply at once.

    @gateway.on("text")
    async def answer(message, reply):
        return reply.text(f"You said: {message.content}")
    """

    def __init__(self, subject: object = None, account: Poster | None = None) -> None:
        self._openid = subject.openid if isinstance(subject, Message) else ""
        self._account = account

    def text(self, content: str) -> Text:
        """Make a text of at most 2048 bytes in UTF-8."""
        return _checked(Text(content))

    def image(self, media_id: str) -> Image:
        """Show a picture uploaded before."""
        return _checked(Image(media_id))

    def voice(self, media_id: str) -> Voice:
        """Play a voice recording uploaded before."""
        return _checked(Voice(media_id))

    def video(self, media_id: str, title: str = "", description: str = "") -> Video:
        """Show a video uploaded before."""
        return _checked(Video(media_id, title, description))

    def music(
        self,
        thumb_media_id: str,
        *,
        title: str = "",
        description: str = "",
        url: str = "",
        hq_url: str = "",
    ) -> Music:
        """Play music by its URL, with an uploaded cover."""
        return _checked(Music(thumb_media_id, title, description, url, hq_url))

    def article(self, title: str, description: str = "", *, pic_url: str = "", url: str = "") -> Article:
        """Make one card for `news`."""
        return Article(title, description, pic_url, url)

    def news(self, *articles: Article) -> News:
        """Show article cards; WeChat takes one in answer to most messages."""
        return _checked(News(articles))

    def transfer(self, agent: str | None = None) -> TransferCustomerService:
        """Hand the conversation to the account's customer service, or to one agent."""
        return TransferCustomerService(agent)

    async def send(self, value: str | Reply) -> None:
        """Send something to the user now, as a customer-service message, besides whatever is returned.

        WeChat allows it within 48 hours of the user's last message; raises WeChatError where it does not.
        """
        if self._account is None or not self._openid:
            raise ConfigError("there is no user to send this to: only a message or event of a user has one")
        given = Text(value) if isinstance(value, str) else value
        await self._account.post(SEND_PATH, json=custom_message(_checked(given), self._openid))


def _checked(reply: R) -> R:
    check(reply)
    return reply
