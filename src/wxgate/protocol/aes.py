"""The message cipher of WeChat's pushes: AES-256-CBC, PKCS#7 to 32 bytes, and a frame with length and appid.

The plain frame is `random(16) || length(4, big endian) || message || appid`; the IV is the first half of the
key (developers.weixin.qq.com, "消息加解密技术方案").
"""

from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from wxgate.errors import BadKey, MalformedPush, UndecipherablePush
from wxgate.secret import EncodingAESKey

KEY_CHARS = 43
BLOCK = 32  # the padding's block, not the cipher's: pads of 17 to 32 bytes do occur
RANDOM_BYTES = 16
_HEADER = RANDOM_BYTES + 4
_PADS = tuple(bytes([size]) * size for size in range(BLOCK + 1))
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def decode_key(key: EncodingAESKey | str) -> bytes:
    """Decode the 43 characters of an EncodingAESKey into its 32 bytes.

    The last character may carry two bits that belong to no byte; real keys do, so they are dropped.
    """
    text = key.reveal() if isinstance(key, EncodingAESKey) else key
    if text != text.strip():
        raise BadKey("The EncodingAESKey has white space at its start or end; paste the 43 characters alone.")
    if len(text) != KEY_CHARS:
        raise BadKey(
            f"An EncodingAESKey (消息加解密Key) has exactly 43 characters, this one has {len(text)}. "
            "It is neither the Token nor the AppSecret, and it is entered without a trailing '='."
        )
    strange = set(text) - _BASE64
    if strange:
        raise BadKey(
            f"An EncodingAESKey has only letters and digits; this one has {len(strange)} other characters."
        )
    return a2b_base64(text + "=")


@dataclass(frozen=True, slots=True)
class Opened:
    """What one ciphertext held."""

    message: bytes
    appid: str
    random: bytes


class Cipher:
    """Seal and open messages with one EncodingAESKey."""

    __slots__ = ("_cipher",)

    def __init__(self, key: EncodingAESKey | str) -> None:
        raw = decode_key(key)
        # Kept for the life of the key: building it costs more than one decryption.
        self._cipher = BlockCipher(AES(raw), CBC(raw[:16]))

    def seal(self, message: bytes, appid: str, random: bytes) -> str:
        """Encrypt a message for an appid; `random` are 16 fresh bytes that the caller draws."""
        if len(random) != RANDOM_BYTES:
            raise ValueError(f"random must be {RANDOM_BYTES} bytes, not {len(random)}")
        frame = random + len(message).to_bytes(4, "big") + message + appid.encode()
        encryptor = self._cipher.encryptor()
        sealed = encryptor.update(frame + _PADS[BLOCK - len(frame) % BLOCK]) + encryptor.finalize()
        return b2a_base64(sealed, newline=False).decode()

    def open(self, encrypt: str) -> Opened:
        """Decrypt an Encrypt value; every byte of padding, length and appid must be right."""
        decryptor = self._cipher.decryptor()
        frame = decryptor.update(_decode_base64(encrypt)) + decryptor.finalize()
        pad = frame[-1]
        if not 1 <= pad <= BLOCK or not frame.endswith(_PADS[pad]):
            raise UndecipherablePush(
                "The padding is wrong after decryption: this is not the key it was sealed with."
            )
        tail = _HEADER + int.from_bytes(frame[RANDOM_BYTES:_HEADER], "big")
        if tail > len(frame) - pad:
            raise UndecipherablePush(
                "The length field is wrong after decryption: not the key it was sealed with."
            )
        try:
            appid = frame[tail : len(frame) - pad].decode()
        except UnicodeDecodeError:
            raise UndecipherablePush(
                "The appid is no text after decryption: not the key it was sealed with."
            ) from None
        return Opened(message=frame[_HEADER:tail], appid=appid, random=frame[:RANDOM_BYTES])


def _decode_base64(encrypt: str) -> bytes:
    try:
        sealed = a2b_base64(encrypt)
    except ValueError:
        raise MalformedPush(
            "Encrypt is not base64: it is cut short or has characters that do not belong."
        ) from None
    # The decoder skips foreign characters and ignores spare bits; encoding again shows both.
    if b2a_base64(sealed, newline=False).decode() != encrypt:
        raise MalformedPush(
            "Encrypt is not canonical base64: white space, wrong padding or foreign characters."
        )
    if not sealed or len(sealed) % BLOCK:
        raise MalformedPush(f"Encrypt holds {len(sealed)} bytes, not a multiple of {BLOCK}: it is cut short.")
    return sealed
