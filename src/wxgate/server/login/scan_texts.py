"""What a login by scanning says, on the screen, on the phone and in the chat, in Chinese and English."""

from collections.abc import Mapping

from wxgate.login.records import Scan
from wxgate.login.scans import Heard
from wxgate.protocol.replies import Text

SCAN_TEXTS: Mapping[str, tuple[str, str]] = {
    # The screen.
    "scan.lead": (
        "用微信扫码，然后在“{account}”发来的消息里确认。",
        "Scan with WeChat, then confirm in the message that {account} sends you.",
    ),
    "scan.alt": ("微信登录二维码", "QR code to log in with WeChat"),
    "scan.number": ("核对数字", "Check number"),
    "scan.shown": ("请用微信扫一扫", "Scan this code with WeChat"),
    "scan.scanned": (
        "已扫码，请打开微信里的消息并确认",
        "Scanned. Open the message in WeChat and confirm",
    ),
    "scan.confirmed": ("已确认，正在登录…", "Confirmed, logging you in…"),
    "scan.refused": ("您在手机上拒绝了这次登录。", "You refused this login on your phone."),
    "scan.expired": ("二维码已过期。", "The code has expired."),
    "scan.redeemed": ("这个二维码已经用过了。", "This code has been used."),
    "scan.failed": ("登录没有成功，请再扫一次。", "The login did not work. Please scan again."),
    "scan.again": ("换一个二维码", "Get a new code"),
    "scan.noscript": (
        "这个页面需要 JavaScript 才能知道您已确认。",
        "This page needs JavaScript to learn that you have confirmed.",
    ),
    "scan.trust": (
        "手机上会显示同一个数字；如果不同，请不要确认。",
        "Your phone shows the same number; if it differs, do not confirm.",
    ),
    # The phone.
    "scan.ask": ("登录{name}？", "Log in to {name}?"),
    "scan.ask_lead": (
        "有人正在电脑上用您的微信登录，请先核对。",
        "Somebody is logging in with your WeChat on another screen. Check first.",
    ),
    "scan.same_number": ("屏幕上是这个数字吗？", "Does the screen show this number?"),
    "scan.site": ("网站", "Site"),
    "scan.browser": ("浏览器", "Browser"),
    "scan.address": ("网络地址", "Address"),
    "scan.when": ("北京时间", "Beijing time"),
    "scan.confirm": ("确认登录", "Log in"),
    "scan.refuse": ("不是我，拒绝", "Not me, refuse"),
    "scan.warning": (
        "别人发给您的二维码，或您没有在看的屏幕，请一律拒绝：确认后，那个屏幕就能以您的身份登录。",
        "Refuse if somebody sent you the code, or if you are not in front of that screen: once you confirm, "
        "whoever is there is logged in as you.",
    ),
    "scan.said.confirmed.title": ("已确认", "Confirmed"),
    "scan.said.confirmed.body": (
        "请回到电脑上继续，可以关闭这个页面了。",
        "Go on at the other screen. You can close this page.",
    ),
    "scan.said.refused.title": ("已拒绝", "Refused"),
    "scan.said.refused.body": ("那个屏幕没有登录。", "Nobody was logged in at that screen."),
    "scan.said.over.title": ("这次登录已结束", "This login is over"),
    "scan.said.over.body": (
        "二维码只在五分钟内有效，且只能使用一次。请在电脑上换一个二维码再扫。",
        "A code is good for five minutes and one use. Get a new one on the other screen and scan it.",
    ),
    "scan.said.not_this_person.title": ("不是同一个人", "This is somebody else"),
    "scan.said.not_this_person.body": (
        "扫码的微信和打开这个页面的微信不是同一个，没有登录。",
        "The code was scanned with another WeChat account than this one, so nobody is logged in.",
    ),
    "scan.said.unknown.title": ("没有这次登录", "No such login"),
    "scan.said.unknown.body": (
        "请在电脑上换一个二维码再扫。",
        "Get a new code on the other screen and scan it.",
    ),
    "scan.said.trouble.title": ("暂时不可用", "Not available at present"),
    "scan.said.trouble.body": ("请过一会儿再点开链接。", "Please open the link again in a moment."),
    "scan.said.forged.title": ("请在网页上操作", "Please use the page itself"),
    "scan.said.forged.body": (
        "请回到微信消息里，重新点开链接再确认。",
        "Open the link in the message again and confirm there.",
    ),
}


def chat_reply(scan: Scan, heard: Heard, confirm_url: str) -> Text:
    """Write what the account answers in the chat to a scan; the link leads to the question."""
    site = _plain(scan.asked_by.get("site", ""))
    match heard:
        case Heard.ASK:
            return Text(
                f"您正在登录“{site}”，屏幕上的数字应为 {scan.number}。\n"
                f'<a href="{confirm_url}">点此核对并确认</a>（5 分钟内有效）\n'
                "不是您在操作？请不要理会。\n\n"
                f"Tap the link to log in to {site}."
            )
        case Heard.TAKEN:
            return Text(
                "这个二维码已被别人扫过，请在电脑上换一个再扫。\n\n"
                "Somebody else has scanned this code. Get a new one on the other screen."
            )
        case Heard.OVER:
            return Text(
                "这个二维码已失效，请在电脑上换一个再扫。\n\n"
                "This code is over. Get a new one on the other screen."
            )


def _plain(name: str) -> str:
    """Keep a name from being read as a link: WeChat shows <a> in texts as one."""
    return name.replace("<", "").replace(">", "")
