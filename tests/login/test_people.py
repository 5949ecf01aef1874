"""Nicknames and avatars are for display: everything a person can type survives, nothing else does (P11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.login.people import LONGEST_NICKNAME, clean_avatar, clean_nickname, profile_of

NICKNAMES = {
    "张三": "张三",
    "café": "café",
    "cafe\u0301": "café",
    "小\x14明": "小明",
    "小明🌱": "小明🌱",
    "👨\u200d👩\u200d👧": "👨\u200d👩\u200d👧",
    "\u202egnp.exe": "gnp.exe",
    "a\u200bb\ufeffc": "abc",
    "one\ntwo\tthree": "one two three",
    "  padded  ": "padded",
    "nul\x00": "nul",
    "half\ud83d": "half",
    "微信用户": "微信用户",
    "<b>&amp;": "<b>&amp;",
    "": "",
    "\x14\x15": "",
    "长" * 100: "长" * LONGEST_NICKNAME,
}


@pytest.mark.parametrize(("told", "kept"), NICKNAMES.items(), ids=range(len(NICKNAMES)))
def test_a_nickname_is_made_fit_to_be_shown(told: str, kept: str) -> None:
    assert clean_nickname(told) == kept


@given(st.text())
def test_every_nickname_can_be_kept_and_stays_the_same_when_cleaned_again(told: str) -> None:
    kept = clean_nickname(told)
    assert len(kept) <= LONGEST_NICKNAME
    assert "\x00" not in kept
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert clean_nickname(kept) == kept


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("http://thirdwx.qlogo.cn/mmopen/x/132", "https://thirdwx.qlogo.cn/mmopen/x/132"),
        ("https://thirdwx.qlogo.cn/mmopen/x/132", "https://thirdwx.qlogo.cn/mmopen/x/132"),
        ("", ""),
        ("javascript:alert(1)", ""),
        ("data:image/png;base64,xx", ""),
        ('https://x.example/"><script>', ""),
        ("https://x.example/ y", ""),
        ("https://x.example/" + "a" * 1024, ""),
    ],
)
def test_an_avatar_is_an_https_address_or_nothing(told: str, kept: str) -> None:
    assert clean_avatar(told) == kept


def test_what_is_empty_is_not_known() -> None:
    profile = profile_of("\x14", "nonsense")
    assert (profile.nickname, profile.avatar) == (None, None)
