"""What users send and what WeChat reports about one account, as typed values.

Types and fields follow the pages "接收普通消息" and "接收事件推送" and the mini-program event pages. What is
not listed here becomes UnknownMessage or UnknownEvent with everything in `raw`; nothing new is refused.
The file is long because it is one table: a type for each thing that can be said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from wxgate.errors import MalformedPush
from wxgate.protocol.statuses import explain
from wxgate.protocol.wire import as_int, decimal, many, number, read, text, texts
from wxgate.protocol.xml import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One push to an account: `account` is its gh_ name, `openid` the user, `raw` every field as it came."""

    account: str = text("ToUserName")
    openid: str = text("FromUserName")
    created_at: int
    type: str
    msg_id: str | None = None
    raw: Fields = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMessage(Message):
    """A text; `menu_id` is set when the user tapped an entry of a message menu."""

    content: str = text("Content")
    menu_id: str = text("bizmsgmenuid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMessage(Message):
    """A picture."""

    pic_url: str = text("PicUrl")
    media_id: str = text("MediaId")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMessage(Message):
    """A voice recording; `recognition` is filled when voice recognition is switched on."""

    media_id: str = text("MediaId")
    format: str = text("Format")
    recognition: str = text("Recognition")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMessage(Message):
    """A video, or a short video (`type` tells which)."""

    media_id: str = text("MediaId")
    thumb_media_id: str = text("ThumbMediaId")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationMessage(Message):
    """A place the user picked on the map."""

    latitude: float | None = decimal("Location_X")
    longitude: float | None = decimal("Location_Y")
    scale: int | None = number("Scale")
    label: str = text("Label")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMessage(Message):
    """A shared link."""

    title: str = text("Title")
    description: str = text("Description")
    url: str = text("Url")


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniProgramPageMessage(Message):
    """A mini-program card sent in a customer-service chat."""

    title: str = text("Title")
    appid: str = text("AppId")
    page_path: str = text("PagePath")
    thumb_url: str = text("ThumbUrl")
    thumb_media_id: str = text("ThumbMediaId")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMessage(Message):
    """A message of a type this version does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """Something that happened; `event` keeps WeChat's spelling, `key` is the EventKey."""

    event: str = text("Event")
    key: str = text("EventKey")

    @property
    def in_words(self) -> tuple[str, ...]:
        """What the statuses mean, as far as WeChat's pages say."""
        return tuple(each.text for each in explain(self.event, self.raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeEvent(Event):
    """A user followed the account; `scene` and `ticket` are set when it was by a parametric QR code."""

    ticket: str = text("Ticket")

    @property
    def scene(self) -> str:
        """The scene value of the QR code, or ""."""
        return self.key.removeprefix("qrscene_") if self.key.startswith("qrscene_") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeEvent(Event):
    """A user stopped following the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanEvent(Event):
    """A follower scanned a parametric QR code; `key` is its scene value."""

    ticket: str = text("Ticket")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationEvent(Event):
    """A follower's reported position."""

    latitude: float | None = decimal("Latitude")
    longitude: float | None = decimal("Longitude")
    precision: float | None = decimal("Precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEvent(Event):
    """A tap on the menu: CLICK, VIEW or view_miniprogram; `key` is the menu key, URL or page path."""

    menu_id: str = text("MenuId", "MenuID")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCodeEvent(Event):
    """A code scanned from the menu: scancode_push or scancode_waitmsg."""

    scan_type: str = text("ScanCodeInfo/ScanType")
    scan_result: str = text("ScanCodeInfo/ScanResult")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEvent(Event):
    """Pictures sent from the menu: pic_sysphoto, pic_photo_or_album or pic_weixin."""

    count: int | None = number("SendPicsInfo/Count")
    md5_sums: tuple[str, ...] = texts("SendPicsInfo/PicList/item/PicMd5Sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSelectEvent(Event):
    """A place chosen from the menu."""

    latitude: float | None = decimal("SendLocationInfo/Location_X")
    longitude: float | None = decimal("SendLocationInfo/Location_Y")
    scale: int | None = number("SendLocationInfo/Scale")
    label: str = text("SendLocationInfo/Label")
    place_name: str = text("SendLocationInfo/Poiname")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSentEvent(Event):
    """A template message was delivered or not; `status` is WeChat's wording."""

    job_id: str = text("MsgID", "MsgId")
    status: str = text("Status")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleUrl:
    """Where one article of a mass message or a publication can be read."""

    index: int | None = number("ArticleIdx", "idx")
    url: str = text("ArticleUrl", "article_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class MassSentEvent(Event):
    """A mass message was sent, with its counts."""

    job_id: str = text("MsgID", "MsgId")
    status: str = text("Status")
    total_count: int | None = number("TotalCount")
    filter_count: int | None = number("FilterCount")
    sent_count: int | None = number("SentCount")
    error_count: int | None = number("ErrorCount")
    copyright_state: int | None = number("CopyrightCheckResult/CheckState")
    copyright_count: int | None = number("CopyrightCheckResult/Count")
    articles: tuple[ArticleUrl, ...] = many(ArticleUrl, "ArticleUrlResult/ResultList/item")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvent(Event):
    """A publication finished: publish_status 0 is success, `failed` the positions of refused articles."""

    publish_id: str = text("PublishEventInfo/publish_id")
    publish_status: int | None = number("PublishEventInfo/publish_status")
    article_id: str = text("PublishEventInfo/article_id")
    articles: tuple[ArticleUrl, ...] = many(ArticleUrl, "PublishEventInfo/article_detail/item")
    failed: tuple[str, ...] = texts("PublishEventInfo/fail_idx")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChoice:
    """A user's answer, or a delivery report, for one subscription-message template."""

    template_id: str = text("TemplateId")
    status: str = text("SubscribeStatusString", "ErrorStatus")
    scene: int | None = number("PopupScene")
    message_id: str = text("MsgID")
    error_code: int | None = number("ErrorCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEvent(Event):
    """Subscription messages were accepted, refused, changed or sent (subscribe_msg_*_event)."""

    choices: tuple[SubscriptionChoice, ...] = many(
        SubscriptionChoice,
        "SubscribeMsgPopupEvent/List",
        "SubscribeMsgChangeEvent/List",
        "SubscribeMsgSentEvent/List",
        "List",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterSessionEvent(Event):
    """A user opened a mini program's customer-service chat."""

    session_from: str = text("SessionFrom")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerServiceEvent(Event):
    """A customer-service session was opened, closed or handed over (kf_*_session)."""

    kf_account: str = text("KfAccount", "ToKfAccount")
    from_kf_account: str = text("FromKfAccount")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAuthorizationEvent(Event):
    """A user changed their profile, or took back or cancelled what they had granted the account."""

    user_openid: str = text("OpenID", "openid")
    appid: str = text("AppID", "appid")
    revoke_info: str = text("RevokeInfo")
    plugin_id: str = text("PluginID")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationEvent(Event):
    """A step of the account's verification: qualification_*, naming_*, annual_renew, verify_expired."""

    expired_at: int | None = number("ExpiredTime")
    failed_at: int | None = number("FailTime")
    reason: str = text("FailReason")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeAuditEvent(Event):
    """The audit of a mini program's code ended or is late: weapp_audit_success, _fail or _delay.

    `audit_id` is known where the gateway asked for the result; WeChat's own push does not name it.
    """

    at: int | None = number("SuccTime", "FailTime", "DelayTime")
    reason: str = text("Reason", "reason")
    screenshot: str = text("ScreenShot")
    audit_id: str = text("auditid")

    @property
    def polled(self) -> bool:
        """Whether the gateway asked for the result, because no push of it came."""
        return self.raw.get("polled") == "1"

    @property
    def screenshots(self) -> tuple[str, ...]:
        """The media ids of the auditor's screenshots."""
        return tuple(part for part in self.screenshot.split("|") if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class NicknameAuditEvent(Event):
    """The audit of a mini program's name; `result` is 2 for refused, 3 for accepted."""

    result: int | None = number("ret")
    nickname: str = text("nickname")
    reason: str = text("reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryAuditEvent(Event):
    """The audit of a mini program's category; `result` is 2 for refused, 3 for accepted."""

    result: int | None = number("ret")
    first: str = text("first")
    second: str = text("second")
    reason: str = text("reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyAuditEvent(Event):
    """The audit of an application to use a privacy interface."""

    api_name: str = text("result_info/api_name")
    audit_id: str = text("result_info/audit_id")
    status: int | None = number("result_info/status")
    reason: str = text("result_info/reason")
    applied_at: int | None = number("result_info/apply_time")
    audited_at: int | None = number("result_info/audit_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationEvent(Event):
    """A mini program was punished for breaking a rule."""

    illegal_record_id: str = text("illegal_record_id")
    appid: str = text("appid")
    punished_at: int | None = number("create_time")
    reason: str = text("illegal_reason")
    content: str = text("illegal_content")
    rule_name: str = text("rule_name")
    rule_url: str = text("rule_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealMaterial:
    """One thing that was punished, and what was said and shown against it."""

    content: str = text("illegal_material/content")
    content_url: str = text("illegal_material/content_url")
    reason: str = text("appeal_material/reason")
    proof_media_ids: tuple[str, ...] = texts("appeal_material/proof_material_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealEvent(Event):
    """A step of an appeal against a punishment."""

    appeal_record_id: str = text("appeal_record_id")
    appid: str = text("appid")
    appeal_time: int | None = number("appeal_time")
    appeal_count: int | None = number("appeal_count")
    appeal_from: int | None = number("appeal_from")
    appeal_status: int | None = number("appeal_status")
    audit_time: int | None = number("audit_time")
    audit_reason: str = text("audit_reason")
    punish_description: str = text("punish_description")
    materials: tuple[AppealMaterial, ...] = many(AppealMaterial, "material", "materials")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaCheckDetail:
    """What one strategy of a content check found; `errcode` is 0 where it has a result."""

    strategy: str = text("strategy")
    errcode: int | None = number("errcode")
    suggest: str = text("suggest")
    label: int | None = number("label")
    prob: int | None = number("prob")
    level: int | None = number("level")
    keyword: str = text("keyword")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaCheckEvent(Event):
    """The result of an asynchronous content check; `suggest` is pass, review or risky."""

    appid: str = text("appid")
    trace_id: str = text("trace_id")
    version: int | None = number("version")
    details: tuple[MediaCheckDetail, ...] = many(MediaCheckDetail, "detail")
    suggest: str = text("result/suggest")
    label: int | None = number("result/label")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugEvent(Event):
    """A test push from the console's debugging page."""

    text: str = text("debug_str")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """An event this version does not know."""


MESSAGE_TYPES: Mapping[str, type[Message]] = {
    "text": TextMessage,
    "image": ImageMessage,
    "voice": VoiceMessage,
    "video": VideoMessage,
    "shortvideo": VideoMessage,
    "location": LocationMessage,
    "link": LinkMessage,
    "miniprogrampage": MiniProgramPageMessage,
}

EVENT_TYPES: Mapping[str, type[Event]] = {
    "subscribe": SubscribeEvent,
    "unsubscribe": UnsubscribeEvent,
    "scan": ScanEvent,
    "location": LocationEvent,
    "click": MenuEvent,
    "view": MenuEvent,
    "view_miniprogram": MenuEvent,
    "scancode_push": ScanCodeEvent,
    "scancode_waitmsg": ScanCodeEvent,
    "pic_sysphoto": PictureEvent,
    "pic_photo_or_album": PictureEvent,
    "pic_weixin": PictureEvent,
    "location_select": LocationSelectEvent,
    "templatesendjobfinish": TemplateSentEvent,
    "masssendjobfinish": MassSentEvent,
    "publishjobfinish": PublishedEvent,
    "freepublishjobfinish": PublishedEvent,
    "subscribe_msg_popup_event": SubscriptionEvent,
    "subscribe_msg_change_event": SubscriptionEvent,
    "subscribe_msg_sent_event": SubscriptionEvent,
    "user_enter_tempsession": EnterSessionEvent,
    "kf_create_session": CustomerServiceEvent,
    "kf_close_session": CustomerServiceEvent,
    "kf_switch_session": CustomerServiceEvent,
    "user_info_modified": UserAuthorizationEvent,
    "user_authorization_revoke": UserAuthorizationEvent,
    "user_authorization_cancellation": UserAuthorizationEvent,
    "qualification_verify_success": VerificationEvent,
    "qualification_verify_fail": VerificationEvent,
    "naming_verify_success": VerificationEvent,
    "naming_verify_fail": VerificationEvent,
    "annual_renew": VerificationEvent,
    "verify_expired": VerificationEvent,
    "weapp_audit_success": CodeAuditEvent,
    "weapp_audit_fail": CodeAuditEvent,
    "weapp_audit_delay": CodeAuditEvent,
    "wxa_nickname_audit": NicknameAuditEvent,
    "wxa_category_audit": CategoryAuditEvent,
    "wxa_privacy_apply": PrivacyAuditEvent,
    "wxa_illegal_record": ViolationEvent,
    "wxa_appeal_record": AppealEvent,
    "wxa_media_check": MediaCheckEvent,
    "debug_demo": DebugEvent,
}


def parse_message(fields: Fields) -> Message:
    """Read the fields of an opened push as the message or event it is."""
    kind = _required(fields, "MsgType")
    created_at = as_int(fields.get("CreateTime")) or 0
    if kind.lower() == "event":
        event = EVENT_TYPES.get(_required(fields, "Event").lower(), UnknownEvent)
        return read(event, fields, type=kind, created_at=created_at, raw=fields)
    message = MESSAGE_TYPES.get(kind.lower(), UnknownMessage)
    msg_id = fields.get("MsgId")
    known_id = msg_id if isinstance(msg_id, str) and msg_id else None
    return read(message, fields, type=kind, created_at=created_at, msg_id=known_id, raw=fields)


def names(message: Message) -> tuple[str, ...]:
    """List the handler names that fit, most specific first, in lower case."""
    if isinstance(message, Event):
        return f"event.{message.event.lower()}", "event", "*"
    return message.type.lower(), "message", "*"


def dedup_key(issuer: str, appid: str, message: Message, plain: bytes) -> str:
    """Make the key under which WeChat's repeated deliveries of one push are the same push.

    WeChat's own rule for events is user and second; the event, its key and the body are added, because two
    taps within one second are two events.
    """
    return _digest([issuer, appid, *_identity(message, plain)])


def message_key(appid: str, message: Message, plain: bytes) -> str:
    """Make the key that one message has however many third parties WeChat brings it to."""
    return _digest([appid, *_identity(message, plain)])


def _identity(message: Message, plain: bytes) -> list[str]:
    if message.msg_id and not isinstance(message, Event):
        return ["message", message.openid, message.msg_id]
    event, key = (message.event, message.key) if isinstance(message, Event) else (message.type, "")
    return ["event", message.openid, str(message.created_at), event, key, sha256(plain).hexdigest()]


def _digest(parts: list[str]) -> str:
    # Each part carries its length, so that no two lists of parts can run together.
    return sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "replace")).hexdigest()


def _required(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedPush(f"The message has no {name}.")
    return value
