"""The sentences of `wxgate decrypt`: every finding's verdict, in Chinese and in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step came out; a note is no fault."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step's outcome: a stable code for machines, a sentence in both languages for people."""

    code: str
    verdict: Verdict
    zh: str
    en: str


def find(code: str, **values: object) -> Finding:
    """Write the sentence of a code with its values filled in."""
    verdict, zh, en = _SENTENCES[code]
    return Finding(code, verdict, zh.format(**values), en.format(**values))


_SENTENCES: Mapping[str, tuple[Verdict, str, str]] = {
    # The URL
    "query_good": (Verdict.RIGHT, "URL 参数：{found}。", "The URL has {found}."),
    "query_lacks": (
        Verdict.WRONG,
        "URL 参数缺少 {lacking}：请粘贴微信请求的完整 URL，含问号后面的部分。",
        "The URL lacks {lacking}: paste the whole URL that WeChat called, with all after the question mark.",
    ),
    "time_malformed": (Verdict.WRONG, "timestamp 不是秒数。", "The timestamp is not a number of seconds."),
    "time_stale": (
        Verdict.NOTE,
        "timestamp 与现在相差 {age} 秒，超过 {window} 秒：现在重放会被拒绝。"
        "如果是刚收到的推送，请校准服务器时钟。",
        "The timestamp is {age} s from now, over the {window} s allowed: replayed now it would be refused. "
        "If it has just arrived, set the server's clock right.",
    ),
    # The body
    "body_empty": (Verdict.WRONG, "请求体是空的。", "The body is empty."),
    "body_unreadable": (
        Verdict.WRONG,
        "请求体既不是微信的 XML 也不是 JSON：{fault}",
        "The body is neither WeChat's XML nor JSON: {fault}",
    ),
    "body_read": (Verdict.RIGHT, "请求体是 {form}。", "The body is {form}."),
    "plain_body": (
        Verdict.NOTE,
        "请求体里没有 Encrypt，是明文推送。第三方平台只用加密推送，wxgate 会拒绝；"
        "只有自有账号的明文模式才接受。",
        "There is no Encrypt: a plain push. A platform's pushes are always encrypted, so wxgate refuses it; "
        "only a direct account in plaintext mode may get one.",
    ),
    # The signature
    "token_absent": (
        Verdict.NOTE,
        "没有给出 Token，签名未检查。",
        "No Token was given, so no signature is checked.",
    ),
    "signature_good": (Verdict.RIGHT, "msg_signature 正确。", "The msg_signature is right."),
    "signature_previous": (
        Verdict.RIGHT,
        "msg_signature 正确，用的是上一个 Token。",
        "The msg_signature is right, with the previous Token.",
    ),
    "signature_mixed_up": (
        Verdict.WRONG,
        "签名用混了：msg_signature 里放的是普通 signature（只对 Token、timestamp、nonce 签名）。"
        "加密推送的 msg_signature 还要加上 Encrypt 一起排序签名。",
        "Mixed up: what stands as msg_signature is the plain signature, over Token, timestamp and nonce. "
        "The msg_signature of an encrypted push signs the Encrypt value as well.",
    ),
    "signature_swapped": (
        Verdict.WRONG,
        "签名放反了：signature 参数里是 msg_signature 的值。加密推送要用 URL 里的 msg_signature 校验。",
        "Swapped: the parameter signature holds the value of msg_signature. "
        "An encrypted push is judged by the parameter msg_signature.",
    ),
    "signature_missing": (
        Verdict.WRONG,
        "缺少 msg_signature，但 signature 与 Token 相符：Token 是对的，只是 URL 不完整。加密推送只认 "
        "msg_signature，请看代理或框架是否丢了参数，或代码取错了参数名。",
        "The msg_signature is missing, though the plain signature fits: the Token is right. An encrypted "
        "push is judged by msg_signature alone; see whether a proxy dropped it or the code misses it.",
    ),
    "signature_fits_mended": (
        Verdict.WRONG,
        "msg_signature 与修复后的 Encrypt 相符：Token 是对的，内容在传递途中被改动了（见上）。",
        "The msg_signature fits the mended Encrypt: the Token is right, the body was altered on its way "
        "(see above).",
    ),
    "signature_other_body": (
        Verdict.WRONG,
        "signature 与 Token 相符，但 msg_signature 与请求体不符：Token 是对的，Encrypt 不是当初签名的那一段"
        "（被改动、截断，或 URL 和请求体来自两次不同的推送）。",
        "The plain signature fits, so the Token is right, but msg_signature does not fit the body: Encrypt "
        "is not what was signed (altered, cut short, or URL and body come from two different pushes).",
    ),
    "signature_absent": (
        Verdict.WRONG,
        "URL 里没有 msg_signature，也没有 signature。",
        "The URL has neither msg_signature nor signature.",
    ),
    "signature_wrong": (
        Verdict.WRONG,
        "msg_signature 不对：Token（消息校验Token）与后台填写的不一致，或 timestamp、nonce 被改过。",
        "The msg_signature is wrong: the Token (消息校验Token) is not the one in WeChat's console, "
        "or timestamp or nonce were altered.",
    ),
    "plain_signature_good": (
        Verdict.RIGHT,
        "signature 正确（未加密的推送和 URL 验证看它）。",
        "The signature is right (it is what counts for plain pushes and URL verification).",
    ),
    "plain_signature_wrong": (
        Verdict.WRONG,
        "signature 不对：Token 与后台填写的不一致。",
        "The signature is wrong: the Token is not the one in WeChat's console.",
    ),
    # Encrypt
    "base64_good": (
        Verdict.RIGHT,
        "Encrypt 是完整的 base64（{size} 字节）。",
        "Encrypt is whole base64 ({size} bytes).",
    ),
    "base64_percent": (
        Verdict.WRONG,
        "Encrypt 被 URL 编码过（含 %2B、%2F 之类），请用原始请求体。",
        "Encrypt was URL-encoded (%2B, %2F …); use the raw body.",
    ),
    "base64_folded": (
        Verdict.WRONG,
        "Encrypt 中间有换行，多半是复制或终端折行造成的。",
        "Encrypt has line breaks in it, usually from copying or from a terminal that folds.",
    ),
    "base64_spaces": (
        Verdict.WRONG,
        "Encrypt 里的加号变成了空格：请求体被当作表单解码了，请读取原始字节。",
        "Encrypt has spaces where '+' was: the body was decoded as a form; read its raw bytes.",
    ),
    "base64_urlsafe": (
        Verdict.WRONG,
        "Encrypt 用了 URL 安全的 base64 字符（- 和 _），微信用的是 + 和 /。",
        "Encrypt is in the URL-safe alphabet (- and _); WeChat's has + and /.",
    ),
    "base64_unpadded": (
        Verdict.WRONG,
        "Encrypt 末尾缺少等号，多半是复制时漏了。",
        "Encrypt has lost the '=' at its end, usually in copying.",
    ),
    "base64_strange": (
        Verdict.WRONG,
        "Encrypt 含有不属于 base64 的字符：{strange}",
        "Encrypt has characters that are not base64: {strange}",
    ),
    "base64_cut": (
        Verdict.WRONG,
        "Encrypt 不完整：解码后 {size} 字节，不是 {block} 的倍数。多半是复制时被截断，或日志只记了前一段。",
        "Encrypt is cut short: it holds {size} bytes, not a multiple of {block}. "
        "Usually it was truncated in copying, or the log keeps only its beginning.",
    ),
    "base64_sloppy": (
        Verdict.WRONG,
        "Encrypt 不是规范的 base64：{fault}",
        "Encrypt is not proper base64: {fault}",
    ),
    # The key
    "key_absent": (
        Verdict.NOTE,
        "没有给出 EncodingAESKey，未解密。",
        "No EncodingAESKey was given, so nothing is decrypted.",
    ),
    "key_good": (
        Verdict.RIGHT,
        "EncodingAESKey 是 43 个字符，形式正确。",
        "The EncodingAESKey has its 43 characters.",
    ),
    "key_is_secret": (
        Verdict.WRONG,
        "这个 EncodingAESKey 是 32 位十六进制，看起来是 AppSecret；消息加解密Key 有 43 个字符。",
        "This EncodingAESKey is 32 hexadecimal digits and looks like an AppSecret; "
        "the real one (消息加解密Key) has 43 characters.",
    ),
    "key_padded": (
        Verdict.WRONG,
        "EncodingAESKey 末尾多了一个等号：应填后台显示的 43 个字符，等号由程序自己补。",
        "The EncodingAESKey has an '=' too many: give the console's 43 characters, the program adds the '='.",
    ),
    "key_length": (
        Verdict.WRONG,
        "EncodingAESKey 长度是 {length}，应为 43 个字符：复制时多了或少了字符。",
        "The EncodingAESKey has {length} characters, not 43: some were lost or added in copying.",
    ),
    "key_strange": (
        Verdict.WRONG,
        "EncodingAESKey 里有不该出现的字符，它只含字母和数字。",
        "The EncodingAESKey has characters that do not belong; it is letters and digits only.",
    ),
    # Decryption
    "decrypt_good": (
        Verdict.RIGHT,
        "解密成功，填充与长度正确。",
        "It decrypts; padding and length are right.",
    ),
    "decrypt_previous": (
        Verdict.RIGHT,
        "解密成功，用的是上一个密钥。",
        "It decrypts with the previous key; padding and length are right.",
    ),
    "decrypt_failed": (
        Verdict.WRONG,
        "解不开：填充或长度不对，说明 EncodingAESKey 不是加密时用的那个，或密文被改过。"
        "请核对后台的消息加解密Key，刚改过的话也试试旧的。",
        "It does not decrypt: padding or length are wrong, so this is not the EncodingAESKey it was sealed "
        "with, or it was altered. Compare with the console (消息加解密Key); if the key was changed lately, "
        "try the one before.",
    ),
    "appid_unknown": (
        Verdict.NOTE,
        "密文尾部的 appid 是 {found}。",
        "The appid at the tail is {found}.",
    ),
    "appid_good": (
        Verdict.RIGHT,
        "尾部 appid 是 {found}，正确。",
        "The appid at the tail is {found}, as due.",
    ),
    "appid_wrong": (
        Verdict.WRONG,
        "尾部 appid 是 {found}，不是 {expected}。发给第三方平台的推送（包括代公众号、小程序接收的消息），"
        "尾部都是平台自己的 appid，不是公众号或小程序的。",
        "The appid at the tail is {found}, not {expected}. Whatever is pushed to a third-party platform, "
        "messages for its accounts included, ends with the platform's own appid, not the account's.",
    ),
    "content_read": (
        Verdict.RIGHT,
        "明文是 {form}，类型 {kind}。",
        "The decrypted text is {form}, of type {kind}.",
    ),
    "content_unreadable": (
        Verdict.WRONG,
        "明文既不是微信的 XML 也不是 JSON：{fault}",
        "The decrypted text is neither WeChat's XML nor JSON: {fault}",
    ),
    "envelope_differs": (
        Verdict.WRONG,
        "信封上的 {name} 与密文里的不同：信封不受签名保护，可能被改过。",
        "The {name} on the envelope is not the one inside: the envelope is not signed, and was altered.",
    ),
}
