"""The sentences of a rehearsed release test (全网发布检测): every finding, in Chinese and in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step came out; a note is no fault, and a skipped step was not played."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTE = "note"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step's outcome: a stable code for machines, a sentence in both languages for people."""

    code: str
    verdict: Verdict
    zh: str
    en: str

    @property
    def passed(self) -> bool:
        """Tell whether WeChat would be content."""
        return self.verdict in (Verdict.RIGHT, Verdict.NOTE)


def find(code: str, **values: object) -> Finding:
    """Write the sentence of a code with its values filled in."""
    verdict, zh, en = _SENTENCES[code]
    return Finding(code, verdict, zh.format(**values), en.format(**values))


TITLES: Mapping[str, tuple[str, str]] = {
    "ticket": ("组件 ticket 正确接收", "a ticket is received"),
    "authorized": ("授权成功通知", "an authorization is received"),
    "text": ("返回普通文本消息", "a text is answered at once"),
    "api_text": ("返回 Api 文本消息", "a code is exchanged and a customer-service message sent"),
    "event": ("返回事件消息", "an event is answered at once"),
    "unauthorized": ("取消授权通知", "the end of an authorization is received"),
}
"""What each step shows, in Chinese as WeChat's console says it, and in English."""

_SENTENCES: Mapping[str, tuple[Verdict, str, str]] = {
    # Nothing came back
    "not_sent": (
        Verdict.SKIPPED,
        "推送没有发出：模拟器里设置了故障或暂停（{why}）。",
        "The push did not go out: a fault or a pause was ordered in the emulator ({why}).",
    ),
    "skipped": (
        Verdict.SKIPPED,
        "没有进行：前面连服务器都连不上。",
        "Not played: the server could not be reached before.",
    ),
    "unreachable": (
        Verdict.WRONG,
        "连不上 {url}：{why}。请检查地址、端口和防火墙。",
        "{url} cannot be reached: {why}. Check the address, the port and the firewall.",
    ),
    "too_slow": (
        Verdict.WRONG,
        "{seconds:g} 秒内没有回答。要先回答，再做耗时的事（调接口、发客服消息）。",
        "There was no answer within {seconds:g} s. Answer first, and do what takes time (API calls, "
        "customer-service messages) afterwards.",
    ),
    "bad_status": (
        Verdict.WRONG,
        "HTTP 状态是 {status}，应为 200。多半是路径不对，或程序抛出了异常。",
        "The HTTP status is {status} where 200 is due: usually a wrong path, or an exception in the code.",
    ),
    # Component events
    "success_good": (Verdict.RIGHT, "回答了 success。", "It was answered with success."),
    "success_wanted": (
        Verdict.WRONG,
        "应回答不加密的 success 七个字母，前后没有空白、引号或 BOM；实际是 {found}。",
        "The seven letters success are due, unencrypted, without blanks, quotes or a BOM; it was {found}.",
    ),
    # A text at once
    "text_good": (
        Verdict.RIGHT,
        "回复已加密，内容正确：{expected}",
        "The reply is encrypted, and says what is due: {expected}",
    ),
    "silent": (
        Verdict.WRONG,
        "回答是 {found}，没有回复内容；应回复文本 {expected}。检测要排在业务逻辑之前，测试号有五个公众号，"
        "不能只认第一个。",
        "The answer is {found}, which says nothing; the text {expected} is due. The test must come before "
        "business logic, and for each of WeChat's five official accounts, not only the first.",
    ),
    "silent_event": (
        Verdict.NOTE,
        "没有回复事件。2018 年以前的说明要求回复 {expected}，现在的说明不再要求。",
        "The event was not answered. WeChat's text before 2018 wanted {expected}; today's no longer does.",
    ),
    "unencrypted": (
        Verdict.WRONG,
        "回复没有加密。第三方平台的回复必须用消息加解密Key 加密，装在 Encrypt、MsgSignature、TimeStamp、"
        "Nonce 里。",
        "The reply is not encrypted. A platform's replies must be sealed with the EncodingAESKey, inside "
        "Encrypt, MsgSignature, TimeStamp and Nonce.",
    ),
    "json": (
        Verdict.WRONG,
        "回答是 JSON。第三方平台只认 XML：多半是框架把返回值自动转成了 JSON。",
        "The answer is JSON. A platform answers XML; usually a framework turned the return value into JSON.",
    ),
    "no_xml": (
        Verdict.WRONG,
        "回答不是 XML：{fault}",
        "The answer is not XML: {fault}",
    ),
    "envelope_incomplete": (
        Verdict.WRONG,
        "信封不完整：{fault}",
        "The envelope is incomplete: {fault}",
    ),
    "signature_wrong": (
        Verdict.WRONG,
        "MsgSignature 不对：要用平台的 Token 对 token、TimeStamp、Nonce、Encrypt 排序后签名，"
        "并与信封里的值一致。",
        "The MsgSignature is wrong: it signs token, TimeStamp, Nonce and Encrypt, sorted, with the "
        "platform's Token, over the very values on the envelope.",
    ),
    "undecipherable": (
        Verdict.WRONG,
        "解不开：不是用这个平台的消息加解密Key 加密的，或填充、长度不对。",
        "It does not decrypt: it was not sealed with this platform's EncodingAESKey, or padding or length "
        "are wrong.",
    ),
    "wrong_appid": (
        Verdict.WRONG,
        "密文尾部的 appid 是 {found}，应是平台的 {expected}。"
        "代公众号、小程序回复时，尾部也是平台自己的 appid。",
        "The appid at the tail is {found}, not the platform's {expected}. Replies for an account end with "
        "the platform's own appid as well.",
    ),
    "reply_invalid": (
        Verdict.WRONG,
        "解密后的回复微信看不懂：{fault}",
        "WeChat cannot read the decrypted reply: {fault}",
    ),
    "not_swapped": (
        Verdict.WRONG,
        "ToUserName 应是 {openid}，FromUserName 应是 {user_name}（与收到的消息对调）；"
        "实际是 {to} 和 {sender}。",
        "ToUserName must be {openid} and FromUserName {user_name} (those of the message, swapped); they are "
        "{to} and {sender}.",
    ),
    "no_text": (
        Verdict.WRONG,
        "回复的类型是 {kind}，应是 text。",
        "The reply is a {kind} where a text is due.",
    ),
    "wrong_text": (
        Verdict.WRONG,
        "内容是 {found}，应一字不差地是 {expected}。",
        "The text is {found}; it must be exactly {expected}.",
    ),
    # Exchange and customer-service message
    "api_text_good": (
        Verdict.RIGHT,
        "先回答了空串，换取了令牌，并发出了正确的客服消息。",
        "It answered with nothing, exchanged the code, and sent the right customer-service message.",
    ),
    "api_text_success": (
        Verdict.NOTE,
        "客服消息正确。说明要求先回答空串，这里回答的是 success，微信也视为收到。",
        "The customer-service message is right. WeChat's text wants an empty answer first; this was success, "
        "which it takes for the same.",
    ),
    "api_text_other_code": (
        Verdict.NOTE,
        "客服消息正确，但换取令牌用的是授权通知里的授权码，不是消息里的。",
        "The customer-service message is right, but the code that was exchanged is the one of the "
        "authorized push, not the one in the message.",
    ),
    "answered_at_once": (
        Verdict.WRONG,
        "应在 {seconds:g} 秒内回答空串，实际回答了 {found}。结果要用客服消息接口发，不能用被动回复。",
        "An empty answer is due within {seconds:g} s; it was {found}. The text goes out as a "
        "customer-service message, not as a passive reply.",
    ),
    "code_not_exchanged": (
        Verdict.WRONG,
        "{seconds:g} 秒内没有调用 api_query_auth 换取消息里的授权码。服务器调用的是不是这个模拟器的地址？",
        "api_query_auth was not called with the message's code within {seconds:g} s. Does the server call "
        "this emulator's address in place of api.weixin.qq.com?",
    ),
    "sent_without_exchange": (
        Verdict.WRONG,
        "调用了 message/custom/send，却没有先用 api_query_auth 换取消息里的授权码。",
        "message/custom/send was called, but the message's code was not exchanged by api_query_auth before.",
    ),
    "exchange_refused": (
        Verdict.WRONG,
        "api_query_auth 没有成功：{errcode} {errmsg}",
        "api_query_auth was refused: {errcode} {errmsg}",
    ),
    "no_custom_message": (
        Verdict.WRONG,
        "换取了令牌，但 {seconds:g} 秒内没有调用 message/custom/send。",
        "The code was exchanged, but message/custom/send was not called within {seconds:g} s.",
    ),
    "send_refused": (
        Verdict.WRONG,
        "message/custom/send 没有成功：{errcode} {errmsg}",
        "message/custom/send was refused: {errcode} {errmsg}",
    ),
    "send_wrong_token": (
        Verdict.WRONG,
        "message/custom/send 用的不是刚换到的 authorizer_access_token（{found}）。",
        "message/custom/send was not called with the authorizer_access_token of this exchange ({found}).",
    ),
    "send_wrong_user": (
        Verdict.WRONG,
        "客服消息发给了 {found}，应发给发消息的 {expected}。",
        "The customer-service message went to {found}; it must go to the sender, {expected}.",
    ),
    "send_no_text": (
        Verdict.WRONG,
        "客服消息的类型是 {kind}，应是 text。",
        "The customer-service message is a {kind} where a text is due.",
    ),
}
