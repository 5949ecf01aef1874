"""Signatures are compared whole, exactly and without raising."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.protocol.signature import matches, sign


@given(st.lists(st.text(), min_size=4, max_size=4))
def test_a_signature_matches_what_it_was_made_of(parts: list[str]) -> None:
    token, timestamp, nonce, encrypt = parts
    assert matches(sign(token, timestamp, nonce, encrypt), token, timestamp, nonce, encrypt)
    assert matches(sign(token, timestamp, nonce), token, timestamp, nonce)


@pytest.mark.parametrize("received", [None, "", "0" * 40, "中文", "\udcff", "x" * 10_000])
def test_anything_else_does_not_match(received: str | None) -> None:
    assert not matches(received, "token", "1", "2")
    assert not matches(received, "token", "1", "2", "encrypt")


def test_case_and_length_count() -> None:
    right = sign("token", "1", "2", "encrypt")
    for wrong in (right.upper(), right + "0", right[:-1], " " + right):
        assert not matches(wrong, "token", "1", "2", "encrypt")


def test_an_empty_encrypt_is_not_the_plain_signature() -> None:
    assert matches(sign("t", "1", "2", ""), "t", "1", "2")  # the same bytes are hashed ...
    assert not matches(sign("t", "1", "2", "x"), "t", "1", "2")  # ... but never with anything to cover
