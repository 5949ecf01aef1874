"""The values that login makes have the form that WeChat, cookies and specifications can take."""

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from wxgate.login import values
from wxgate.secret import hide

FORMS = {
    values.make_state: r"[A-Za-z0-9]{32}",
    values.make_browser_key: r"[A-Za-z0-9_-]{43}",
    values.make_session_id: r"[A-Za-z0-9_-]{43}",
    values.make_presence: r"[A-Za-z0-9_-]{22}",
    values.make_code: r"wxc_[A-Za-z0-9_-]{43}",
}


def test_every_value_has_its_form_and_is_another_each_time() -> None:
    for make, form in FORMS.items():
        made = {make(os.urandom).reveal() for _ in range(50)}
        assert len(made) == 50
        assert all(re.fullmatch(form, value) for value in made)
    assert re.fullmatch(r"u_[A-Za-z0-9]{22}", values.make_sub(os.urandom))
    assert re.fullmatch(r"s_[A-Za-z0-9]{22}", values.make_sid(os.urandom))


def test_a_code_of_ours_is_recognised_in_a_log() -> None:
    code = values.make_code(os.urandom).reveal()
    assert code not in hide(f"redirected to https://a.example/?wx_code={code}&state=1")


@given(st.binary(min_size=64, max_size=64))
def test_every_byte_becomes_a_letter_or_digit_or_is_thrown_away(data: bytes) -> None:
    taken = iter([data, bytes(range(64))])
    text = values.base62(lambda length: next(taken, bytes(length)), 32)
    assert re.fullmatch(r"[A-Za-z0-9]{32}", text)
