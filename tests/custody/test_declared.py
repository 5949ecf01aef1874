"""A configuration file says where it is wrong, with all its mistakes at once, and never what is secret."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxgate.custody.declared import MOST_ENTRIES, read_declaration
from wxgate.errors import BadFile, ConfigError
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PushToken

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


def resolve(reference: str) -> str:
    if reference != "${GIVEN}":
        raise ConfigError(f"{reference} is not set in the environment")
    return "from-the-environment\n"


def mistakes(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(BadFile) as raised:
        read_declaration(text, resolve, name="platform.yaml")
    assert all(line.startswith("platform.yaml:") for line in str(raised.value).splitlines())
    return [(each.line, each.column, each.message) for each in raised.value.mistakes]


def test_a_whole_file_is_read() -> None:
    read = read_declaration(
        f"""
platforms:
  - appid: wxplatform
    name: 云店通
    secret: ${{GIVEN}}
    tokens: [current, previous]
    aes_keys: {KEY}
accounts:
  - {{appid: wxaccount, secret: 0123456789, tokens: 12345, mode: plaintext, format: json, user_name: gh_1}}
labels:
  - appid: wxaccount
    tags: [shops]
    hosts: [Shop.Example.com]
  - appid: wxother
    tags: []
""",
        resolve,
    )
    (platform,), (account,), labels = read.platforms, read.accounts, read.labels
    assert platform.secret == AppSecret("from-the-environment")
    assert platform.tokens == (PushToken("current"), PushToken("previous"))
    assert platform.aes_keys == (EncodingAESKey(KEY),)
    assert (account.secret, account.tokens) == (AppSecret("0123456789"), (PushToken("12345"),))
    assert (account.mode, account.format, account.user_name) == (Mode.PLAINTEXT, Format.JSON, "gh_1")
    assert (labels[0].tags, labels[0].hosts) == ({"shops"}, {"shop.example.com"})
    assert (labels[1].tags, labels[1].hosts) == (frozenset(), None)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("platforms:\n  - appid: wxplatform\n   name: x\n", (3, 4), "no YAML"),
        ("platforms:\n\t- appid: x\n", (2, 1), "no YAML"),
        ("platforms: [\x07]\n", (1, 13), "no YAML"),
        ("", (1, 1), "empty"),
        ("platforms: []\n", (1, 1), "nothing is declared"),
        ("platform: []\n", (1, 1), "'platform' is not known here; there are platforms, accounts, labels"),
        ("- platforms\n", (1, 1), "a mapping of platforms"),
        ("platforms: wx\n", (1, 12), "platforms is a list"),
        ("platforms:\n  - wxplatform\n", (2, 5), "a mapping of appid, name, secret"),
        ("platforms:\n  - name: x\n", (2, 5), "the appid is missing"),
        ("platforms:\n  - appid: 'no appid'\n", (2, 12), "is no appid"),
        (
            "platforms:\n  - appid: wxplatform\n    secrets: x\n",
            (3, 5),
            "there are appid, name, secret, tokens",
        ),
        ("platforms:\n  - appid: wxplatform\n    appid: wxplatform\n", (3, 5), "appid is given twice"),
        ("platforms:\n  - appid: wxplatform\n  - appid: wxplatform\n", (3, 5), "declared in line 2"),
        ("platforms:\n  - appid: wxplatform\n    name:\n", (3, 10), "one value is expected"),
        (
            "platforms:\n  - appid: wxplatform\n    secret: ${MISSING}\n",
            (3, 13),
            "not set in the environment",
        ),
        ("platforms:\n  - appid: wxplatform\n    tokens: [a1b, a1b]\n", (3, 13), "twice"),
        ("platforms:\n  - appid: wxplatform\n    tokens: [a1b, a2b, a3b]\n", (3, 13), "one or 2 values"),
        ("platforms:\n  - appid: wxplatform\n    aes_keys: short\n", (3, 15), "43"),
        ("accounts:\n  - appid: wxaccount\n    mode: open\n", (3, 11), "plaintext, compatible, safe"),
        ("labels:\n  - appid: wxaccount\n    hosts: ['https://a.b']\n", (3, 13), "is no host name"),
        ("a: &a [*a]\n", (1, 1), "not known here"),
        ("a: 1\n---\nb: 2\n", (2, 1), "no YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: tuple[int, int], told: str) -> None:
    (line, column, message), *_ = mistakes(text)
    assert (line, column) == place
    assert told in message


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    found = mistakes("platforms:\n  - appid: wxplatform\n    nmae: x\n    tokens: '!'\nlabels: 1\n")
    assert [line for line, *_ in found] == [3, 4, 5]


def test_a_file_of_too_many_entries_is_refused_at_the_first_that_is_too_many() -> None:
    entries = [f"- {{appid: wxaccount{number}, tags: [shops]}}\n" for number in range(MOST_ENTRIES + 10)]
    whole = "labels:\n" + "".join(entries[:MOST_ENTRIES])
    assert len(read_declaration(whole, resolve).labels) == MOST_ENTRIES
    told = "a file has 5000 entries at most; put the rest into another one"
    assert mistakes("labels:\n" + "".join(entries)) == [(MOST_ENTRIES + 2, 3, told)]
    assert mistakes(f"accounts: [{{appid: wxdirect}}]\n{whole}") == [(MOST_ENTRIES + 2, 3, told)]


def test_a_wrong_secret_is_not_shown() -> None:
    wrong = "    secret: 'my secret'\n    tokens: 'my token'\n    aes_keys: mykey\n"
    text = f"platforms:\n  - appid: wxplatform\n{wrong}"
    shown = str(mistakes(text))
    assert not [secret for secret in ("my secret", "my token", "mykey") if secret in shown]


@given(st.text())
def test_whatever_is_handed_in_is_read_or_told(text: str) -> None:
    with contextlib.suppress(BadFile):
        assert read_declaration(text, resolve)
