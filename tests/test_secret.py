"""Secrets do not show, and compare in constant time."""

import pytest

from wxgate.secret import AppSecret, RefreshToken, Secret, equal, trace_of

HIDDEN = "very-secret-value"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda s: f"{s:>10}"])
def test_a_secret_never_shows_its_value(show: object) -> None:
    shown = show(AppSecret(HIDDEN))  # type: ignore[operator]

    assert HIDDEN not in shown
    assert "****" in shown


def test_reveal_gives_the_value_back() -> None:
    assert AppSecret(HIDDEN).reveal() == HIDDEN


def test_secrets_of_different_kinds_are_never_equal() -> None:
    assert AppSecret(HIDDEN) == AppSecret(HIDDEN)
    assert AppSecret(HIDDEN) != RefreshToken(HIDDEN)
    assert AppSecret(HIDDEN) != AppSecret("another")
    assert AppSecret(HIDDEN) != HIDDEN


def test_of_wraps_text_and_rewraps_secrets() -> None:
    assert RefreshToken.of("x") == RefreshToken("x")
    assert RefreshToken.of(Secret("x")) == RefreshToken("x")


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_equal_takes_text_and_bytes_of_any_alphabet() -> None:
    assert equal("中文", "中文".encode())
    assert not equal("a", "b")
    assert not equal("a", "aa")


def test_a_trace_tells_where_and_no_value() -> None:
    def fail(password: str) -> None:
        raise ValueError(f"refused: access_token={password}")

    try:
        fail("hunter2-hunter2")
    except ValueError as error:
        trace = trace_of(error)
    assert "in fail" in trace
    assert "ValueError: refused: access_token=****" in trace
    assert "hunter2" not in trace.replace('fail("hunter2-hunter2")', "")
