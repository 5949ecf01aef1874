"""Keys, padding and frames of the message cipher."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from wxgate.errors import BadKey, MalformedPush, UndecipherablePush
from wxgate.protocol.aes import Cipher, Opened, decode_key
from wxgate.secret import EncodingAESKey

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = "0123456789012345678901234567890123456789012"
RANDOM = b"0123456789abcdef"
APPID = "wx134c8103faa5a59e"


def _seal_frame(frame: bytes) -> str:
    """Encrypt a frame that the cipher itself would never write."""
    raw = decode_key(KEY)
    encryptor = BlockCipher(AES(raw), CBC(raw[:16])).encryptor()
    return b64encode(encryptor.update(frame) + encryptor.finalize()).decode()


@given(st.binary(max_size=300), st.text(max_size=30), st.binary(min_size=16, max_size=16))
def test_what_is_sealed_opens_again(message: bytes, appid: str, random: bytes) -> None:
    cipher = Cipher(KEY)
    assert cipher.open(cipher.seal(message, appid, random)) == Opened(message, appid, random)


@pytest.mark.parametrize("length", range(32))
def test_every_padding_from_1_to_32_opens(length: int) -> None:
    cipher = Cipher(KEY)
    assert cipher.open(cipher.seal(b"m" * length, APPID, RANDOM)).message == b"m" * length


def test_a_key_whose_last_character_has_spare_bits_is_accepted() -> None:
    assert decode_key("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C") == decode_key(
        EncodingAESKey("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2A")
    )


@pytest.mark.parametrize(
    ("key", "lesson"),
    [
        ("", "has exactly 43 characters, this one has 0"),
        (KEY + "=", "this one has 44"),
        (KEY[:32], "this one has 32"),
        (KEY + "\n", "white space"),
        (KEY[:42] + "_", "1 other characters"),
        (KEY[:41] + "中文", "2 other characters"),
    ],
)
def test_a_wrong_key_is_refused_with_a_lesson_that_does_not_show_it(key: str, lesson: str) -> None:
    with pytest.raises(BadKey, match=lesson) as caught:
        Cipher(key)
    assert KEY[:20] not in str(caught.value)


def test_random_must_have_16_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Cipher(KEY).seal(b"", APPID, b"short")


@given(st.binary(max_size=200))
def test_another_key_does_not_open(message: bytes) -> None:
    with pytest.raises(UndecipherablePush):
        Cipher(OTHER_KEY).open(Cipher(KEY).seal(message, APPID, RANDOM))


@given(st.data())
def test_an_encrypt_value_cut_anywhere_is_refused(data: st.DataObject) -> None:
    sealed = Cipher(KEY).seal(b"hello", APPID, RANDOM)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    # A cut at a block boundary is whole base64 of whole blocks; then padding or length give it away.
    with pytest.raises((MalformedPush, UndecipherablePush)):
        Cipher(KEY).open(sealed[:cut])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + "=",
        lambda text: text + "====",
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: "中" + text,
        lambda text: text[:10] + "\x00" + text[10:],
    ],
)
def test_base64_that_is_not_canonical_is_malformed(damage: object) -> None:
    sealed = Cipher(KEY).seal(b"hello+/", APPID, RANDOM)
    assert sealed.endswith("=")
    assert "+" in sealed or "/" in sealed
    assert callable(damage)
    with pytest.raises(MalformedPush, match="base64"):
        Cipher(KEY).open(damage(sealed))


@pytest.mark.parametrize("text", ["", "AAAA", b64encode(bytes(16)).decode(), b64encode(bytes(31)).decode()])
def test_a_ciphertext_that_is_not_whole_blocks_is_malformed(text: str) -> None:
    with pytest.raises(MalformedPush, match="cut short"):
        Cipher(KEY).open(text)


def test_every_padding_byte_is_checked() -> None:
    frame = RANDOM + (0).to_bytes(4, "big") + b"wx"
    pad = bytes([10]) * 10
    assert Cipher(KEY).open(_seal_frame(frame + pad)).appid == "wx"
    for position in range(10):
        broken = bytearray(pad)
        broken[position] ^= 0x40
        with pytest.raises(UndecipherablePush, match="padding"):
            Cipher(KEY).open(_seal_frame(frame + broken))


@pytest.mark.parametrize("pad", [0, 33, 255])
def test_a_padding_outside_1_to_32_is_refused(pad: int) -> None:
    with pytest.raises(UndecipherablePush, match="padding"):
        Cipher(KEY).open(_seal_frame(bytes([pad]) * 320))


@pytest.mark.parametrize("length", [1, 100, 2**31, 2**32 - 1])
def test_a_length_beyond_the_frame_is_refused(length: int) -> None:
    frame = RANDOM + length.to_bytes(4, "big") + bytes([12]) * 12
    with pytest.raises(UndecipherablePush, match="length"):
        Cipher(KEY).open(_seal_frame(frame))


def test_a_frame_too_short_for_its_header_is_refused() -> None:
    with pytest.raises(UndecipherablePush):
        Cipher(KEY).open(_seal_frame(bytes([32]) * 32))


def test_an_appid_that_is_not_utf8_is_refused() -> None:
    frame = RANDOM + (0).to_bytes(4, "big") + b"\xff\xfe" + bytes([10]) * 10
    with pytest.raises(UndecipherablePush, match="appid"):
        Cipher(KEY).open(_seal_frame(frame))
