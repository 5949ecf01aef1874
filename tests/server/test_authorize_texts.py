"""The pages' texts: complete in both languages, and only what the templates use."""

import re
from importlib.resources import files
from string import Formatter

import pytest

from wxgate.errors import (
    CodeRejected,
    ConfigError,
    GatewayError,
    LinkRefused,
    NotFound,
    TicketMissing,
    UpstreamError,
)
from wxgate.protocol.answers import error_of
from wxgate.protocol.links import AuthType
from wxgate.server.login.pages import STATUS, Why
from wxgate.server.texts import TEXTS, Lang, choose_language
from wxgate.server.troubles import (
    BAD_CODE,
    CANCELLED,
    LINK_STATUS,
    PREFETCH,
    TOO_MANY,
    UNKNOWN_RESULT,
    Trouble,
    trouble_of,
)

TEMPLATES = [
    each for each in files("wxgate.server").joinpath("templates").iterdir() if each.name.endswith(".html")
]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_something_with_the_same_figures(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh.strip()
    assert en.strip()
    assert fields(zh) == fields(en)


def test_every_text_named_in_a_template_exists() -> None:
    named = {
        key
        for each in TEMPLATES
        for key in re.findall(r"\bt\(\s*['\"]([\w.]+)['\"]\s*[,)]", each.read_text("utf-8"))
    }
    assert len(named) > 30
    assert named <= set(TEXTS)


def test_every_text_is_used() -> None:
    templates = "".join(each.read_text("utf-8") for each in TEMPLATES)
    login = (*(f"login.{word}." for word in STATUS), *(f"login.tap.{why}" for why in Why))
    made = ("entry.type.", "result.kind.", "trouble.", "scan.", "html_lang", *login)
    assert [
        key for key in TEXTS if not key.startswith(made) and not re.search(rf"['\"]{key}['\"]", templates)
    ] == []


@pytest.mark.parametrize(
    "error",
    [
        *(LinkRefused("", reason=reason) for reason in LINK_STATUS),
        NotFound(""),
        TicketMissing(""),
        UpstreamError("", sent=False),
        ConfigError(""),
        *(error_of(code, "") for code in (-1, 45009, 48001, 61004, 61005, 61006, 61009, 61010)),
    ],
    ids=str,
)
def test_every_trouble_has_words_and_a_status_that_says_whose_move_it_is(error: GatewayError) -> None:
    trouble = trouble_of(error)
    assert {f"trouble.{trouble.name}.title", f"trouble.{trouble.name}.body"} <= set(TEXTS)
    theirs = isinstance(error, LinkRefused | NotFound | CodeRejected)
    assert (400 <= trouble.status < 500) is theirs


@pytest.mark.parametrize(
    "trouble", [CANCELLED, BAD_CODE, PREFETCH, TOO_MANY, UNKNOWN_RESULT], ids=lambda each: each.name
)
def test_every_trouble_of_a_visit_has_words(trouble: Trouble) -> None:
    assert {f"trouble.{trouble.name}.title", f"trouble.{trouble.name}.body"} <= set(TEXTS)


@pytest.mark.parametrize("word", STATUS)
def test_every_way_a_login_ends_has_words(word: str) -> None:
    assert {f"login.{word}.title", f"login.{word}.body"} <= set(TEXTS)


def test_every_kind_of_authorization_has_a_name() -> None:
    assert {f"entry.type.{int(kind)}" for kind in AuthType} <= set(TEXTS)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", None, Lang.ZH),
        ("en", "zh-CN", Lang.EN),
        ("zh_CN", "en", Lang.ZH),
        ("fr", "en-GB,zh;q=0.5", Lang.EN),
        ("", "fr, en;q=0.3, zh-TW;q=0.7", Lang.ZH),
        ("", "en-US,en;q=0.9,zh-CN;q=0.8", Lang.EN),
        ("", "zh;q=0, en;q=0.1", Lang.EN),
        ("", "zh;q=zero, en;q=0.1", Lang.EN),
        ("", "*", Lang.ZH),
        ("", ",;q=,=;", Lang.ZH),
    ],
)
def test_the_language_is_what_was_asked_for_or_what_the_browser_prefers(
    asked: str, accepted: str | None, language: Lang
) -> None:
    assert choose_language(asked, accepted) is language
