"""What WeChat tells of people, made fit to be shown: nothing here names anybody surely (P11)."""

import unicodedata

from wxgate.login.records import Profile

LONGEST_NICKNAME = 64
LONGEST_AVATAR = 1024

PLACEHOLDER = "微信用户"
"""What WeChat calls everybody who has not agreed to tell, beside a grey picture."""

_JOINERS = "\u200c\u200d"
"""They hold emoji and some scripts together, so they stay."""


def profile_of(nickname: str | None, avatar: str | None) -> Profile:
    """Make the profile of what WeChat told."""
    return Profile(clean_nickname(nickname or "") or None, clean_avatar(avatar or "") or None)


def clean_nickname(text: str) -> str:
    """Write a nickname in one form (NFC), without control characters, and no longer than it can be shown.

    It is for display: it may be empty, the same for everybody (微信用户), and anything a person can type.
    """
    kept = "".join(" " if char in "\t\r\n\u2028\u2029" else char for char in text if _shows(char))
    return unicodedata.normalize("NFC", kept).strip()[:LONGEST_NICKNAME].strip(" " + _JOINERS)


def clean_avatar(url: str) -> str:
    """Write the address of an avatar with https, where it is one of a picture on the web; else nothing."""
    url = url.strip()
    if url.startswith("http://"):
        url = "https://" + url.removeprefix("http://")
    clean = all("!" <= char <= "~" for char in url) and not set(url) & set("\"'<>\\`")
    return url if url.startswith("https://") and clean and len(url) <= LONGEST_AVATAR else ""


def _shows(char: str) -> bool:
    """Tell whether a character may be shown: no controls, no halves, nothing that turns the text around."""
    if char in "\t\r\n\u2028\u2029" or char in _JOINERS:
        return True
    # Unassigned ones stay: they are next year's emoji. The last two of each plane are no characters.
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs") and ord(char) & 0xFFFE != 0xFFFE
