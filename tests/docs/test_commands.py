"""Every command the pages show exists with its options, and the main ones do what they say."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.docs.pages import INLINE, ROOT, commands_of, name_of, pages, prose
from wxgate.cli.main import app

CONSOLE = typer.main.get_command(app)

SHOWN = [(name_of(page), command) for page in pages() for command in commands_of(page)]

NAMED = [(name_of(page), command) for page in pages() for command in INLINE.findall(prose(page))]

WITHOUT_WECHAT = (
    "settings",
    "platform ",
    "account add",
    "account list",
    "invite",
    "migrate",
    "keys ",
    "release-test ",
    "login app add site",
    "login app add own",
    "login check",
    "login client add shop --realm main",
    "login realm ",
    "login session list",
    "login subject conflicts",
    "login subject list",
)
"""Commands that need nobody but the database."""


def words_of(command: str) -> list[str]:
    """Split a shell line into the words the command sees."""
    words = shlex.split(command, comments=True)[1:]
    end = next((index for index, word in enumerate(words) if word in ("<", ">", "|", "&&")), len(words))
    return words[:end]


def leaf_of(words: Sequence[str]) -> tuple[Any, list[str]]:
    """Find the command that words name; return it with the words that are left."""
    command, left = CONSOLE, list(words)
    while hasattr(command, "commands") and left and left[0] in command.commands:
        command = command.commands[left.pop(0)]
    return command, left


@pytest.mark.parametrize(("page", "command"), SHOWN)
def test_a_shown_command_is_accepted(page: str, command: str) -> None:
    leaf, words = leaf_of(words_of(command))
    if not hasattr(leaf, "commands") and "--help" not in words:
        with leaf.make_context("wxgate", words):
            pass
    else:
        assert words in (["--help"], ["--version"])


@pytest.mark.parametrize(("page", "command"), NAMED)
def test_a_command_named_in_a_sentence_exists_with_its_options(page: str, command: str) -> None:
    leaf, words = leaf_of(command.split()[1:])
    options = {option for parameter in leaf.params for option in parameter.opts} | {"--help"}
    assert hasattr(leaf, "commands") is False or not words
    assert {word for word in words if word.startswith("--")} <= options


def runnable(page: Path) -> Iterator[str]:
    """List the commands of a page that can be run here."""
    for command in commands_of(page):
        if command.removeprefix("wxgate ").startswith(WITHOUT_WECHAT) and "--help" not in command:
            yield command


@pytest.mark.parametrize(
    "page",
    [
        "docs/quickstart.md",
        "docs/operations.md",
        "docs/guides/direct-account.md",
        "docs/guides/authorization-links.md",
        "docs/guides/emulator.md",
        "docs/guides/several-platforms.md",
        "docs/guides/release-test.md",
        "docs/guides/login.md",
        "docs/reference/settings.md",
    ],
)
def test_the_commands_of_a_page_work_one_after_the_other(page: str, tmp_path: Path) -> None:
    commands = list(runnable(ROOT / page))
    assert commands
    (tmp_path / "wxgate.env").write_text("WXGATE_PUBLIC_BASE_URL=https://wx.example.com\n")
    (tmp_path / "own.secret").write_text("0123456789abcdef0123456789abcdef\n")
    if not any("platform add" in command for command in commands):
        run("wxgate platform add --appid wx0123456789abcdef --generate", tmp_path)
    for command in commands:
        done = run(command, tmp_path)
        # Looking at a database that is behind is the one command that is meant to say no.
        assert done.returncode == 0 or "--check" in command, f"{command}\n{done.stdout}{done.stderr}"


def test_the_quickstart_prints_what_it_says_is_to_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "wxgate.env").write_text("WXGATE_PUBLIC_BASE_URL=https://wx.example.com\n")
    command = next(command for command in runnable(ROOT / "docs/quickstart.md") if "platform add" in command)

    printed = run(command, tmp_path).stdout

    page = (ROOT / "docs/quickstart.md").read_text("utf-8")
    for field in (
        *("授权发起页域名", "授权事件接收URL", "消息与事件接收URL"),
        *("公众号开发域名", "消息校验Token", "消息加解密Key"),
    ):
        assert field in printed
        assert field in page
    for address in ("/wechat/wx0123456789abcdef/events", "/wechat/wx0123456789abcdef/messages/$APPID$"):
        assert f"https://wx.example.com{address}" in printed
        assert f"https://wx.example.com{address}" in page


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shown command in a folder; the AppSecret it asks for at a terminal comes from standard input."""
    words = words_of(command)
    asks = words[:1] != ["keys"] and words[1:2] == ["add"] and "--secret" not in words
    if asks or "website" in words:
        words += ["--secret", "-"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("WXGATE_")}
    own["COLUMNS"] = "200"  # a folded table is hard to search
    return subprocess.run(
        [sys.executable, "-m", "wxgate", *words],
        cwd=folder,
        env=own,
        input="0123456789abcdef0123456789abcdef",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
