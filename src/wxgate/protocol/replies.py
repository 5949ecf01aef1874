"""The passive replies an account can give to a message, and what WeChat would refuse about them.

Formats follow WeChat's page "被动回复用户消息".
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from wxgate.errors import InvalidReply, MalformedPush
from wxgate.protocol import xml
from wxgate.protocol.envelope import Format
from wxgate.protocol.wire import as_int
from wxgate.protocol.xml import Fields, Renderable

MAX_TEXT_BYTES = 2048
MAX_ARTICLES = 8

SILENCE: Final = ""
"""Return this (or None) from a handler to answer `success` and show the user nothing."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most 2048 bytes."""

    content: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture uploaded before."""

    media_id: str


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice recording uploaded before."""

    media_id: str


@dataclass(frozen=True, slots=True)
class Video:
    """A video uploaded before."""

    media_id: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Music:
    """A piece of music by its URL, with an uploaded cover."""

    thumb_media_id: str
    title: str = ""
    description: str = ""
    url: str = ""
    hq_url: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """One card of a news reply."""

    title: str
    description: str = ""
    pic_url: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """Article cards; WeChat shows one to most messages, older accounts up to eight."""

    articles: tuple[Article, ...]


@dataclass(frozen=True, slots=True)
class TransferCustomerService:
    """Hand the conversation to the account's customer service, or to one of its agents."""

    kf_account: str | None = None


Reply: TypeAlias = Text | Image | Voice | Video | Music | News | TransferCustomerService


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply as WeChat reads it."""

    reply: Reply
    to_user: str
    from_user: str
    created_at: int


def from_handler(value: object) -> Reply | None:
    """Turn what a handler returned into a reply; None means silence."""
    if value is None or value == SILENCE:
        return None
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, Reply):
        return value
    raise InvalidReply(
        f"A handler returned {type(value).__name__}{_guess(value)}; "
        "return a str, a reply such as Image(media_id), or None for silence."
    )


def _guess(value: object) -> str:
    """Say what somebody probably meant who returned this in place of a reply."""
    match value:
        case type():
            return f", the class {value.__name__} itself, which is first to be called with what it shall hold"
        case {"errcode": _}:
            return ", WeChat's answer to a call, which is no reply"
        case dict():
            return ", but a reply is not written as WeChat's JSON"
        case Article() | [Article(), *_]:
            return ", but articles become a reply inside News((article, …))"
        case bytes():
            return ", which is first to be decoded to a str"
        case _:
            return ""


def check(reply: Reply) -> None:
    """Refuse a reply that WeChat would turn into a fault shown to the user."""
    match reply:
        case Text(content):
            _check_text(content)
        case Image(media_id) | Voice(media_id) | Video(media_id):
            _check_present(media_id, "media_id")
        case Music(thumb_media_id):
            _check_present(thumb_media_id, "thumb_media_id")
        case News(articles):
            if not 1 <= len(articles) <= MAX_ARTICLES:
                raise InvalidReply(f"A news reply has 1 to {MAX_ARTICLES} articles, not {len(articles)}.")
            for article in articles:
                _check_present(article.title, "article title")


def render(
    reply: Reply, *, to_user: str, from_user: str, created_at: int, format: Format = Format.XML
) -> str:
    """Check a reply and write it as WeChat reads it, to the openid, from the account's gh_ name."""
    check(reply)
    kind, body = _body(reply)
    fields: dict[str, Renderable] = {
        "ToUserName": to_user,
        "FromUserName": from_user,
        "CreateTime": created_at,
        "MsgType": kind,
        **body,
    }
    return xml.render(fields) if format is Format.XML else json.dumps(fields, ensure_ascii=False)


def parse_reply(text: str) -> ParsedReply:
    """Read a reply as WeChat does; raises InvalidReply with what the user would see a fault for."""
    try:
        fields = xml.parse(text)
    except MalformedPush as error:
        raise InvalidReply(f"The reply is not the XML WeChat expects. {error}") from error
    created_at = as_int(fields.get("CreateTime"))
    if created_at is None:
        raise InvalidReply("The reply's CreateTime is not a number.")
    kind = _text(fields, "MsgType")
    parser = _PARSERS.get(kind)
    if parser is None:
        raise InvalidReply(f"{kind!r} is not a type of passive reply; there are {', '.join(_PARSERS)}.")
    reply = parser(fields)
    check(reply)
    return ParsedReply(reply, _text(fields, "ToUserName"), _text(fields, "FromUserName"), created_at)


def read_reply(text: str, *, openid: str, account: str) -> Reply:
    """Read what an application's server would have answered WeChat to a message of this user.

    Raises InvalidReply that says what WeChat would have made a fault of.
    """
    parsed = parse_reply(text)
    if (parsed.to_user, parsed.from_user) == (account, openid):
        raise InvalidReply("ToUserName and FromUserName are not swapped: a reply goes to who wrote.")
    if parsed.to_user != openid:
        raise InvalidReply(f"ToUserName is {parsed.to_user!r} and not the user who wrote, {openid!r}.")
    if parsed.from_user != account:
        raise InvalidReply(f"FromUserName is {parsed.from_user!r} and not the account, {account!r}.")
    return parsed.reply


def _check_text(content: str) -> None:
    visible = xml.clean(content)
    if not visible.strip():
        raise InvalidReply(
            "The text is empty, and WeChat shows the user a fault. Return None to stay silent."
        )
    size = len(visible.encode())
    if size > MAX_TEXT_BYTES:
        raise InvalidReply(f"The text has {size} bytes in UTF-8; a reply carries at most {MAX_TEXT_BYTES}.")


def _check_present(value: str, name: str) -> None:
    if not xml.clean(value).strip():
        raise InvalidReply(f"The reply's {name} is empty.")


def _body(reply: Reply) -> tuple[str, dict[str, Renderable]]:
    match reply:
        case Text(content):
            return "text", {"Content": content}
        case Image(media_id):
            return "image", {"Image": {"MediaId": media_id}}
        case Voice(media_id):
            return "voice", {"Voice": {"MediaId": media_id}}
        case Video(media_id, title, description):
            return "video", {"Video": {"MediaId": media_id, "Title": title, "Description": description}}
        case Music():
            return "music", {"Music": _music(reply)}
        case News(articles):
            items = [_article(article) for article in articles]
            return "news", {"ArticleCount": len(items), "Articles": {"item": items}}
        case TransferCustomerService(kf_account):
            return "transfer_customer_service", {"TransInfo": {"KfAccount": kf_account}} if kf_account else {}


def _music(music: Music) -> dict[str, Renderable]:
    return {
        "Title": music.title,
        "Description": music.description,
        "MusicUrl": music.url,
        "HQMusicUrl": music.hq_url,
        "ThumbMediaId": music.thumb_media_id,
    }


def _article(article: Article) -> dict[str, Renderable]:
    return {
        "Title": article.title,
        "Description": article.description,
        "PicUrl": article.pic_url,
        "Url": article.url,
    }


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidReply(f"The reply has no {name}.")
    return value


def _part(fields: Fields, name: str) -> dict[str, str]:
    """Take the texts of one nested element."""
    part = fields.get(name)
    if not isinstance(part, dict):
        raise InvalidReply(f"The reply has no {name}.")
    return {key: value for key, value in part.items() if isinstance(value, str)}


def _parse_video(fields: Fields) -> Video:
    video = _part(fields, "Video")
    return Video(video.get("MediaId", ""), video.get("Title", ""), video.get("Description", ""))


def _parse_music(fields: Fields) -> Music:
    music = _part(fields, "Music")
    return Music(
        thumb_media_id=music.get("ThumbMediaId", ""),
        title=music.get("Title", ""),
        description=music.get("Description", ""),
        url=music.get("MusicUrl", ""),
        hq_url=music.get("HQMusicUrl", ""),
    )


def _parse_news(fields: Fields) -> News:
    articles = fields.get("Articles")
    items = articles.get("item", []) if isinstance(articles, dict) else []
    listed = items if isinstance(items, list) else [items]
    if as_int(fields.get("ArticleCount")) != len(listed):
        raise InvalidReply(f"ArticleCount does not say how many articles there are ({len(listed)}).")
    return News(tuple(_parse_article(_part({"item": item}, "item")) for item in listed))


def _parse_article(item: Mapping[str, str]) -> Article:
    return Article(
        item.get("Title", ""), item.get("Description", ""), item.get("PicUrl", ""), item.get("Url", "")
    )


def _parse_transfer(fields: Fields) -> TransferCustomerService:
    agent = _part(fields, "TransInfo").get("KfAccount") if "TransInfo" in fields else None
    return TransferCustomerService(agent)


_PARSERS: Mapping[str, Callable[[Fields], Reply]] = {
    "text": lambda fields: Text(_text(fields, "Content")),
    "image": lambda fields: Image(_part(fields, "Image").get("MediaId", "")),
    "voice": lambda fields: Voice(_part(fields, "Voice").get("MediaId", "")),
    "video": _parse_video,
    "music": _parse_music,
    "news": _parse_news,
    "transfer_customer_service": _parse_transfer,
}
