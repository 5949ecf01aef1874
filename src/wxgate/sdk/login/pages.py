"""The few pages a visitor sees of us, in Chinese and English; nothing outside the page is loaded."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from html import escape

STYLE = """
:root { --green: #07c160; --paper: #fff; --ground: #f3f5f4; --ink: #161a18; --soft: #69736e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1c201e; --ground: #111413; --ink: #e9eeeb; --soft: #9aa59f; }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; padding: 24px 16px; display: flex; align-items: center;
  justify-content: center; background: var(--ground); color: var(--ink);
  font: 16px/1.6 -apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", Arial, sans-serif;
}
main {
  width: 100%; max-width: 440px; padding: 36px 28px; border-radius: 20px; background: var(--paper);
  text-align: center;
}
h1 { margin: 0; font-size: 22px; line-height: 1.3; }
p { margin: 10px 0 0; color: var(--soft); }
form { margin: 0; }
.button {
  display: block; width: 100%; margin-top: 28px; padding: 13px 20px; border: 0; border-radius: 12px;
  background: var(--green); color: #fff; font: inherit; font-weight: 600; font-size: 17px;
  text-decoration: none; cursor: pointer;
}
"""

_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()

TEXTS: Mapping[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "loop": (
        (
            "登录没有成功",
            "浏览器没有保存登录所需的 Cookie，可能已被禁用。请允许本站使用 Cookie，然后重试。",
            "重试",
        ),
        (
            "The login did not hold",
            "This browser does not keep the cookies a login needs; they may be blocked. "
            "Please allow cookies for this site and try again.",
            "Try again",
        ),
    ),
    "logged_out": (
        ("您已退出登录", "需要登录才能查看此页面。", "用微信登录"),
        ("You have logged out", "This page needs a login.", "Log in with WeChat"),
    ),
    "lost": (
        (
            "请重新登录",
            "这次登录不是在本浏览器里开始的，或者已经过期。请从这里重新开始。",
            "用微信登录",
        ),
        (
            "Please log in again",
            "This login was not begun in this browser, or has expired. Please start it here.",
            "Log in with WeChat",
        ),
    ),
    "cancelled": (
        ("您取消了登录", "没有登录，也没有获取您的任何信息。", "用微信登录"),
        (
            "You cancelled the login",
            "Nobody was logged in, and nothing was learned of you.",
            "Log in with WeChat",
        ),
    ),
    "snapshot": (
        (
            "请使用完整服务",
            "您现在看到的是快照页，在这里无法登录。请点击页面底部的“使用完整服务”，再重试。",
            "重试",
        ),
        (
            "Please use the full service",
            "WeChat shows you a snapshot of this page, where nobody can log in. "
            "Tap 使用完整服务 (use the full service) at the bottom, then try again.",
            "Try again",
        ),
    ),
    "resend": (
        ("请先登录", "您的内容没有提交。请登录后返回上一页重新提交。", "用微信登录"),
        (
            "Please log in first",
            "What you sent was not taken. Log in, then go back and send it again.",
            "Log in with WeChat",
        ),
    ),
    "unavailable": (
        ("暂时无法登录", "登录服务暂时没有回应，请稍后再试。", "重试"),
        (
            "No login just now",
            "The login service does not answer. Please try again in a moment.",
            "Try again",
        ),
    ),
    "trouble": (
        ("登录没有成功", "登录服务的回答不完整或不正确，没有登录。请重试。", "重试"),
        (
            "The login did not succeed",
            "What the login service answered was not right, so nobody was logged in. Please try again.",
            "Try again",
        ),
    ),
    "logout": (
        ("退出登录？", "退出后需要重新登录才能继续使用。", "退出登录"),
        ("Log out?", "You will have to log in again to go on.", "Log out"),
    ),
}
"""Per page and language: title, explanation, what the button says."""


def language(asked: str, accepted: str) -> str:
    """Choose Chinese or English: by the `lang` parameter, else by Accept-Language, else Chinese."""
    for wish in (asked, *(one.partition(";")[0].strip() for one in accepted[:200].split(","))):
        for lang in ("zh", "en"):
            if wish.lower().startswith(lang):
                return lang
    return "zh"


def page(name: str, lang: str, address: str, *, post: bool = False) -> bytes:
    """Write a page whose button leads to an address, or posts there."""
    title, body, label = TEXTS[name][0 if lang == "zh" else 1]
    to = escape(address, quote=True)
    button = f'<a class="button" href="{to}">{label}</a>'
    if post:
        button = f'<form method="post" action="{to}"><button class="button">{label}</button></form>'
    html_lang = "zh-CN" if lang == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{html_lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n<p>{body}</p>\n{button}\n</main>\n</body>\n</html>\n"
    ).encode()


def content_policy(form_action: str = "'none'") -> str:
    """Write the policy of these pages: our own style and nothing else."""
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'"
    )
