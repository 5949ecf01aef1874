"""What the XML reader takes, what it refuses, and that it never raises anything else."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wxgate.errors import MalformedPush
from wxgate.protocol.xml import MAX_BYTES, Fields, Renderable, parse, render

PUSH = (
    "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<CreateTime>1348831860</CreateTime>\n"
    "<Content><![CDATA[你好 😀]]></Content><List><item><a>1</a></item><item><a>2</a></item></List></xml>"
)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
texts = st.text(max_size=40) | st.sampled_from(
    ["]]>", "a]]>b]]>", "]]", "<xml>", "&amp;", "😀", "\x00\x08", "]]]]>>"]
)
trees = st.recursive(
    texts,
    lambda inner: st.dictionaries(
        names, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=4
    ),
)


def test_text_numbers_nesting_and_repetition_are_read() -> None:
    assert parse(PUSH.encode()) == {
        "ToUserName": "gh_1",
        "CreateTime": "1348831860",
        "Content": "你好 😀",
        "List": {"item": [{"a": "1"}, {"a": "2"}]},
    }


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("<xml/>", {}),
        ("<xml>just text</xml>", {}),
        ("<xml><a/><b></b></xml>", {"a": "", "b": ""}),
        ("<xml><a> x </a></xml>", {"a": " x "}),
        ("<xml><a>1</a><a>2</a><a>3</a></xml>", {"a": ["1", "2", "3"]}),
        ("<xml><a>x<b>1</b>y</a></xml>", {"a": {"b": "1"}}),
        ("<xml><a k='v'>1</a></xml>", {"a": "1"}),
        ("<xml><a>1&lt;2&#x4e2d;</a></xml>", {"a": "1<2中"}),
        ("<xml><a>x<!-- y -->z</a></xml>", {"a": "xz"}),
        ("<xml><a><![CDATA[x]]>y<![CDATA[z]]></a></xml>", {"a": "xyz"}),
        ("<xml><a><![CDATA[<!DOCTYPE html>]]></a></xml>", {"a": "<!DOCTYPE html>"}),
        ('\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<xml><a>1</a></xml>\n', {"a": "1"}),
        ("<xml><__class__>1</__class__><中文>2</中文></xml>", {"__class__": "1", "中文": "2"}),
    ],
)
def test_the_forms_a_push_may_take_are_read(body: str, fields: Fields) -> None:
    assert parse(body) == fields
    assert parse(body.encode()) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"{}",
        b"<html/>",
        b"<XML/>",
        b"<xml>",
        b"<xml></xml><xml></xml>",
        b"<xml><a></xml></a>",
        b"<xml>&unknown;</xml>",
        b"<xml>\x00</xml>",
        b"<xml>\x08</xml>",
        b"<xml>\xff</xml>",
        b"<xml>\xed\xa0\x80</xml>",
        "<xml/>".encode("utf-16"),
        "<xml/>".encode("utf-16-le"),
        "<xml><a>中</a></xml>".encode("gbk"),
        b'<?xml version="1.0" encoding="GBK"?><xml/>',
        b'<?xml version="1.0" encoding="UTF-16"?><xml/>',
        b"<!DOCTYPE xml><xml/>",
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>',
        b'<!DOCTYPE xml SYSTEM "http://example.com/x.dtd"><xml/>',
        b'<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml>&f;</xml>',
        b"<?php x?><xml/>",
        b"<xml><?php x?></xml>",
        b"<xml><a>]]></a></xml>",
        b"<xml><a b='1' b='2'/></xml>",
        b"<xml><1/></xml>",
    ],
)
def test_everything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPush):
        parse(body)


def test_a_billion_laughs_stop_at_the_doctype() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    with pytest.raises(MalformedPush, match="DOCTYPE"):
        parse(f'<!DOCTYPE xml [<!ENTITY a0 "ha">{entities}]><xml>&a9;</xml>')


def test_half_a_surrogate_pair_is_malformed() -> None:
    with pytest.raises(MalformedPush, match="surrogate"):
        parse("<xml>\ud800</xml>")


def test_the_size_limit_is_exact() -> None:
    body = b"<xml><a>" + b"x" * (MAX_BYTES - 18) + b"</a></xml>"
    assert len(body) == MAX_BYTES
    assert parse(body)
    with pytest.raises(MalformedPush, match="bytes"):
        parse(body + b" ")


def test_the_depth_limit_is_exact() -> None:
    def nested(depth: int) -> str:
        return "<xml>" + "<a>" * (depth - 1) + "</a>" * (depth - 1) + "</xml>"

    assert parse(nested(20))
    with pytest.raises(MalformedPush, match="nested"):
        parse(nested(21))
    with pytest.raises(MalformedPush):
        parse(nested(200_000))


def test_the_node_limit_is_exact() -> None:
    assert parse("<xml>" + "<a/>" * 9 + "</xml>", max_nodes=10)
    with pytest.raises(MalformedPush, match="too many"):
        parse("<xml>" + "<a/>" * 10 + "</xml>", max_nodes=10)


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
def test_random_bytes_raise_nothing_but_malformed(body: bytes) -> None:
    with suppress(MalformedPush):
        parse(body)


@given(st.data())
def test_mutated_pushes_raise_nothing_but_malformed(data: st.DataObject) -> None:
    body = bytearray(PUSH.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 10)))
        piece = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"<", b">", b"&", b"]]>", b"<!", b"<?", b"<a>", b"\x00"])
        )
        body[start:end] = piece
    with suppress(MalformedPush):
        parse(bytes(body))


def _as_read(value: object) -> object:
    """Give the form in which XML brings a rendered value back."""
    if isinstance(value, dict):
        return {name: _as_read(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_read(item) for item in value]
    kept = (char for char in str(value) if char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff"))
    # XML readers turn every kind of line end into a line feed.
    return (
        "".join(char for char in kept if not "\ud800" <= char <= "\udfff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )


@given(st.dictionaries(names, trees, max_size=5))
def test_what_is_rendered_is_read_back(fields: dict[str, Renderable]) -> None:
    assert parse(render(fields), max_depth=100) == _as_read(fields)


def test_numbers_are_rendered_bare_and_text_in_cdata() -> None:
    assert render({"a": 1, "b": "1", "c": 2.5, "d": ["x", "y"], "e": {"f": ""}}) == (
        "<xml><a>1</a><b><![CDATA[1]]></b><c>2.5</c>"
        "<d><![CDATA[x]]></d><d><![CDATA[y]]></d><e><f><![CDATA[]]></f></e></xml>"
    )


@pytest.mark.parametrize("name", ["", "a b", "1a", "a>", "a/", "<", "-a", "a\n"])
def test_a_name_that_could_break_out_is_not_rendered(name: str) -> None:
    with pytest.raises(ValueError, match="element name"):
        render({name: "x"})
