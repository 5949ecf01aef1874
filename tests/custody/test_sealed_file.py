"""A sealed file opens whole and with its passphrase, and in no other way."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wxgate.custody.sealed_file import CHUNK, Passphrase, SealedWriter, check_passphrase, read_sealed
from wxgate.errors import ConfigError

CHEAP = {"n": 2, "r": 8, "p": 1}
"""What a key is made with where the strength of the passphrase is not the question."""

PASSPHRASE = Passphrase("correct horse battery")


def written(lines: Sequence[str], passphrase: Passphrase = PASSPHRASE, *, finish: bool = True) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase, scrypt=CHEAP)
    for line in lines:
        writer.write(line)
    if finish:
        writer.finish()
    return file.getvalue()


def read(content: bytes, passphrase: Passphrase = PASSPHRASE) -> list[str]:
    return list(read_sealed(io.BytesIO(content), passphrase))


LONG = ["x" * CHUNK, "second chunk \u2028 \x85", "y" * CHUNK, "last"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
def test_what_is_written_is_read(lines: list[str]) -> None:
    assert read(written(lines)) == lines


def test_a_long_file_is_read_chunk_by_chunk() -> None:
    assert read(written(LONG)) == LONG


def test_nothing_is_in_the_clear_and_no_two_files_are_alike() -> None:
    content = written(["visible" * 10])
    assert b"visible" not in content
    assert written(["visible" * 10]) != content


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(ConfigError, match="the passphrase is another one"):
        read(written(LONG), Passphrase("another passphrase"))


def parts(content: bytes) -> list[bytes]:
    """Split a file into its header and its chunks."""
    end = content.index(b"\n", content.index(b"\n") + 1) + 1
    found = [content[:end]]
    while end < len(content):
        size = 4 + int.from_bytes(content[end : end + 4], "big")
        found.append(content[end : end + size])
        end += size
    return found


def test_a_file_that_was_cut_reordered_doubled_or_continued_is_refused() -> None:
    header, *chunks = parts(written(LONG))
    assert len(chunks) == 3
    other = parts(written(LONG))
    for content in (
        header,
        b"".join([header, *chunks[:-1]]),
        b"".join([header, chunks[1], chunks[0], *chunks[2:]]),
        b"".join([header, chunks[0], chunks[0], *chunks[1:]]),
        b"".join([header, *chunks, chunks[-1]]),
        b"".join([header, *chunks, b"?"]),
        b"".join([other[0], *chunks]),
        b"".join([header, *chunks])[:-1],
        written(LONG, finish=False),
    ):
        with pytest.raises(ConfigError, match=r"damaged|does not open"):
            read(content)


def test_every_altered_byte_of_a_file_is_noticed() -> None:
    content = written(["a line"])
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 1
        with pytest.raises(ConfigError):
            read(bytes(altered))


@pytest.mark.parametrize(
    "numbers",
    [
        '"n": 1073741824, "r": 8, "p": 1',
        '"n": 1048576, "r": 8, "p": 1',  # a gigabyte, and a little beside it
        '"n": 2, "r": 8388608, "p": 1',
        '"n": 2, "r": 524288, "p": 16',
        '"n": 2, "r": 8, "p": 17',
        '"n": 2, "r": 1, "p": 2097152',
        '"n": 2, "r": 1, "p": 1180591620717411303424',
        '"n": 1180591620717411303424, "r": 1, "p": 1',
        '"n": 65536, "r": 1, "p": 1',  # scrypt has a limit of its own
        '"n": 3, "r": 8, "p": 1',
        '"n": 1, "r": 8, "p": 1',
        '"n": 0, "r": 8, "p": 1',
        '"n": 2, "r": 0, "p": 1',
        '"n": 2, "r": 8, "p": -1',
        '"n": 2, "r": 8, "p": 1e999',
        '"n": 2, "r": 8, "p": true',
        '"n": "2", "r": 8, "p": 1',
        '"n": 2, "r": 8, "p": ' + "[" * 3000,
    ],
)
def test_a_header_that_asks_for_what_no_export_needs_is_refused_at_once(numbers: str) -> None:
    content = written(["a line"]).replace(b'"n": 2, "r": 8, "p": 1', numbers.encode())
    with pytest.raises(ConfigError, match="header"):
        read(content)


def test_what_scrypt_takes_within_bounds_is_taken() -> None:
    file = io.BytesIO()
    SealedWriter(file, PASSPHRASE, scrypt={"n": 4, "r": 1, "p": 16}).finish()
    assert read(file.getvalue()) == []


def test_a_guess_at_the_passphrase_costs_as_much_as_it_should() -> None:
    file = io.BytesIO()
    SealedWriter(file, PASSPHRASE).finish()
    assert b'"n": 131072, "r": 8, "p": 1' in file.getvalue()
    assert read(file.getvalue()) == []


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(ConfigError, match="12 characters"):
        check_passphrase("too short")
