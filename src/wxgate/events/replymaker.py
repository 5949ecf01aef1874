"""What a handler gets as `reply`: a maker of the replies it may return."""

from typing import TypeVar

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


class ReplyMaker:
    """Makes replies, to be returned from a handler; one that WeChat would refuse raises InvalidReply at once.

    @gateway.on("text")
    async def answer(message, reply):
        return reply.text(f"You said: {message.content}")
    """

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


def _checked(reply: R) -> R:
    check(reply)
    return reply
