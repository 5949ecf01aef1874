"""The vault: what it seals opens in its own row, with a key of the ring, and in no other way."""

import base64
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import BadKey, ConfigError

HERE = "tokens/token/wxplatform"
RING = KeyRing.generate()
KEY = base64.b64encode(bytes(32)).decode()


def vault(ring: KeyRing = RING) -> Vault:
    return Vault(ring)


def rotated(ring: KeyRing = RING) -> KeyRing:
    return KeyRing(KeyRing.generate().keys + ring.keys)


@given(st.text(), st.text())
def test_what_is_sealed_opens_in_its_own_place(value: str, place: str) -> None:
    assert vault().open(vault().seal(value, place), place) == value


def test_a_sealed_value_does_not_show_what_it_holds() -> None:
    assert b"visible" not in vault().seal("visible" * 10, HERE)


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    assert vault().seal("value", HERE) != vault().seal("value", HERE)


def test_a_sealed_value_does_not_open_in_another_place() -> None:
    with pytest.raises(ConfigError, match="tokens/token/wxother"):
        vault().open(vault().seal("value", HERE), "tokens/token/wxother")


def test_every_flipped_bit_is_noticed() -> None:
    sealed = vault().seal("value", HERE)
    for position in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(ConfigError):
            vault().open(bytes(altered), HERE)


def test_every_truncation_is_noticed() -> None:
    sealed = vault().seal("value", HERE)
    for length in range(len(sealed)):
        with pytest.raises(ConfigError):
            vault().open(sealed[:length], HERE)


@given(st.binary(max_size=80))
def test_what_was_never_sealed_never_opens(sealed: bytes) -> None:
    with pytest.raises(ConfigError):
        vault().open(sealed, HERE)


def test_a_missing_key_is_named_and_the_value_is_not() -> None:
    sealed = vault().seal("value-not-shown", HERE)
    with pytest.raises(ConfigError, match="not in the key ring") as raised:
        vault(KeyRing.generate()).open(sealed, HERE)
    assert RING.encode().partition(":")[0] in str(raised.value)
    assert "value-not-shown" not in str(raised.value)


def ring_of(fill: bytes) -> KeyRing:
    """Make a ring whose key is so filled, always under the same id."""
    return KeyRing.generate(lambda size: (fill if size == 32 else b"i") * size)


def test_another_key_under_the_same_id_does_not_open() -> None:
    one, two = ring_of(b"1"), ring_of(b"2")
    assert one.keys[0].id == two.keys[0].id
    with pytest.raises(ConfigError):
        vault(two).open(vault(one).seal("value", HERE), HERE)


def test_after_rotation_old_values_open_and_new_ones_are_sealed_with_the_new_key() -> None:
    ring = rotated()
    assert vault(ring).open(vault().seal("old", HERE), HERE) == "old"
    with pytest.raises(ConfigError):
        vault().open(vault(ring).seal("new", HERE), HERE)


def test_randomness_is_given_from_outside() -> None:
    numbers = count()
    fixed = Vault(RING, random=lambda size: next(numbers).to_bytes(size, "big"))
    numbers_again = count()
    again = Vault(RING, random=lambda size: next(numbers_again).to_bytes(size, "big"))
    assert fixed.seal("value", HERE) == again.seal("value", HERE)
    assert fixed.seal("value", HERE) == again.seal("value", HERE)


def test_a_signature_is_good_for_its_data_and_its_purpose_only() -> None:
    signature = vault().sign("invite", "data")
    assert vault().verify("invite", "data", signature)
    assert not vault().verify("invite", "date", signature)
    assert not vault().verify("session", "data", signature)
    assert not vault(KeyRing.generate()).verify("invite", "data", signature)


@pytest.mark.parametrize("forged", ["", "x", "é", "\0", "a" * 1000])
def test_a_forged_signature_is_refused(forged: str) -> None:
    assert not vault().verify("invite", "data", forged)
    assert not vault().verify("invite", "data", vault().sign("invite", "data") + forged if forged else "")


def test_a_signature_survives_rotation_and_ends_with_its_key() -> None:
    signature = vault().sign("invite", "data")
    ring = rotated()
    assert vault(ring).verify("invite", "data", signature)
    assert vault(ring).sign("invite", "data") != signature
    assert not vault(KeyRing(ring.keys[:1])).verify("invite", "data", signature)


def test_a_signature_can_stand_in_an_address() -> None:
    signature = vault().sign("invite", "data")
    assert signature.replace("-", "").replace("_", "").isalnum()


def test_a_ring_is_read_as_it_was_written() -> None:
    ring = rotated()
    assert KeyRing.parse(ring.encode()) == ring
    assert KeyRing.parse(f" {ring.encode().replace(',', ' , ')},\n") == ring


@pytest.mark.parametrize(
    "text",
    [
        *("", " , ", KEY, "01020304", "01020304:", f":{KEY}", f"nothex!!:{KEY}", f"0102:{KEY}"),
        *("01020304:c2hvcnQ=", "01020304:***", f"01020304:{KEY},01020304:{KEY}"),
    ],
)
def test_a_ring_that_is_no_ring_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(BadKey) as raised:
        KeyRing.parse(text)
    assert KEY not in str(raised.value)


def test_no_repr_shows_a_key() -> None:
    shown = repr((RING, RING.keys, vault()))
    assert RING.encode().partition(":")[2] not in shown
    assert repr(RING.keys[0].key) not in shown
