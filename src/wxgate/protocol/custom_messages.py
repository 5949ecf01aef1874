"""Customer-service messages (客服消息): what an account sends to a user who wrote to it lately.

Formats follow WeChat's page "客服接口-发消息" for official accounts and the page of the same name for mini
programs.
"""

from collections.abc import Mapping
from typing import Any

from wxgate.errors import InvalidReply
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
)

SEND_PATH = "cgi-bin/message/custom/send"


def custom_message(reply: Reply, openid: str, *, mini_program: bool = False) -> Mapping[str, Any]:
    """Write a passive reply as the customer-service message that says the same.

    Raises InvalidReply for what cannot be said this way.
    """
    kind, body = _of_mini_program(reply) if mini_program else _body(reply)
    return {"touser": openid, "msgtype": kind, kind: body}


def _body(reply: Reply) -> tuple[str, Mapping[str, Any]]:
    match reply:
        case Text(content):
            return "text", {"content": content}
        case Image(media_id):
            return "image", {"media_id": media_id}
        case Voice(media_id):
            return "voice", {"media_id": media_id}
        case Video(media_id, title, description):
            return "video", {"media_id": media_id, "title": title, "description": description}
        case Music():
            return "music", {
                "title": reply.title,
                "description": reply.description,
                "musicurl": reply.url,
                "hqmusicurl": reply.hq_url,
                "thumb_media_id": reply.thumb_media_id,
            }
        case News(articles):
            return "news", {"articles": [_article(article) for article in articles]}
        case TransferCustomerService():
            raise InvalidReply("A conversation is handed over by a passive reply only, and it came too late.")


def _of_mini_program(reply: Reply) -> tuple[str, Mapping[str, Any]]:
    match reply:
        case Text() | Image():
            return _body(reply)
        case News((Article() as article,)):
            return "link", {
                "title": article.title,
                "description": article.description,
                "url": article.url,
                "thumb_url": article.pic_url,
            }
        case _:
            raise InvalidReply(
                f"A mini program's users cannot be sent a {type(reply).__name__}; "
                "there are texts, images and news of one article."
            )


def _article(article: Article) -> Mapping[str, str]:
    return {
        "title": article.title,
        "description": article.description,
        "url": article.url,
        "picurl": article.pic_url,
    }
